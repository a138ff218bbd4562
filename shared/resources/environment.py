"""Environments: what an `environment.yml` may say. A conda file beside it is read too."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shared.resources.base import NAME_PATTERN
from shared.resources.paths_in_files import MAX_PATH, AnyPath, BindableAssetText, LocalFile, load_nested
from shared.resources.shapes import AnyCase, Int, Shape, TextMap, Version, is_mapping, may, must, refuse, some

KIND = "environment"
RESERVED_PREFIXES = ("azureml-", "microsoft")  # Azure ML's own environments; it refuses them to everybody else
DEFAULT_PYTHON = "3.11"
PYTHON_PATTERN = r"^3\.[0-9]{1,2}$"


class PipDependencies(Shape):
    """What conda has pip install."""

    pip: list[str] = must("requirements, one each, as in requirements.txt")


CondaDependency = Annotated[
    Annotated[str, Field(min_length=1), Tag("<text>")] | Annotated[PipDependencies, Tag("<mapping>")],
    Discriminator(is_mapping),
]


class CondaFile(Shape):
    """A conda environment file; other keys of conda's are kept."""

    model_config = ConfigDict(
        title="Conda file",
        extra="allow",
        json_schema_extra={
            "examples": [{"channels": ["conda-forge"], "dependencies": ["python=3.11", {"pip": ["a"]}]}]
        },
    )

    name: str | None = may("name of the environment; not used")
    channels: list[str] = Field(default_factory=list, description="where packages come from, the first first")
    dependencies: list[CondaDependency] = Field(default_factory=list, description="packages, and one `pip` list")


def _conda_path(path: str, info: ValidationInfo) -> str:
    load_nested(path, info, ("condaFile",))
    return path


CondaPath = Annotated[str, Field(min_length=1, max_length=MAX_PATH), AfterValidator(_conda_path)]
Conda = Annotated[
    Annotated[CondaPath, Tag("<text>")] | Annotated[CondaFile, Tag("<mapping>")], Discriminator(is_mapping)
]


class BuildContext(Shape):
    """What the image is built from."""

    path: AnyPath = must("folder of the Dockerfile, relative to this file, or a URL")
    dockerfile_path: str = may("the Dockerfile, relative to the folder", default="Dockerfile")


def _python_text(value: Any) -> Any:
    """YAML reads 3.10 as the number 3.1: only a text says which Python is meant."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise refuse(f"{value!r} is a number, which cannot tell 3.1 from 3.10", 'a text, e.g. "3.11"')
    return value


Requirement = Annotated[str, Field(min_length=1, max_length=1000)]
Pip = Annotated[
    Annotated[LocalFile, Tag("<text>")] | Annotated[list[Requirement], Tag("<list>")],
    Discriminator(lambda value: "<list>" if isinstance(value, list) else "<text>"),
]


class Route(Shape):
    """A port and a path of an inference server."""

    port: Int = must("port the server listens on", ge=1, le=65535)
    path: str = must("path of the URL, e.g. /score")


class InferenceRoutes(Shape):
    """The three routes of an image that is its own inference server."""

    liveness_route: Route = must("says whether the server lives")
    readiness_route: Route = must("says whether it is ready")
    scoring_route: Route = must("takes requests")


class EnvironmentFacts(Shape):
    """What an environment is, named or not."""

    dump_only: ClassVar[frozenset[str]] = frozenset(
        {"id", "creation_context", "latest_version", "intellectual_property"}
    )

    schema_: str | None = may("the schema's URL, for editors", alias="$schema")
    image: str | None = may("a Docker image; with `conda_file` its base", min_length=1)
    build: BuildContext | None = may("a folder with a Dockerfile, in place of `image`")
    conda_file: Conda | None = may("a conda file, relative to this file, or its content")
    pip: Pip | None = may("Slipway's: requirements, or a requirements.txt or pyproject.toml relative to this file")
    python_version: Annotated[str | None, BeforeValidator(_python_text)] = may(
        f"Slipway's: Python that `pip` is locked for, {DEFAULT_PYTHON} when left out", pattern=PYTHON_PATTERN
    )
    os_type: Annotated[Literal["linux", "windows"], AnyCase()] = may("operating system", default="linux")
    inference_config: InferenceRoutes | None = may("routes, for an image that is its own inference server")
    datastore: str | None = may("datastore that local files are uploaded to")
    description: str | None = may("free text")
    tags: TextMap = some("mutable labels for search")
    properties: TextMap = some("facts that never change")
    auto_delete_setting: dict[str, Any] | None = may("when Azure ML deletes it")

    @model_validator(mode="after")
    def _one_base(self) -> EnvironmentFacts:
        if self.image is not None and self.build is not None:
            raise refuse("`image` and `build` exclude each other", "one of image, build", at="build")
        if self.pip is not None and (other := next((k for k in ("build", "conda_file") if getattr(self, k)), None)):
            raise refuse(f"`pip` and `{other}` exclude each other", f"one of pip, {other}", at="pip")
        if self.python_version is not None and self.pip is None:
            raise refuse("`python_version` belongs to `pip`", "pip", at="python_version")
        if self.conda_file is not None and self.image is None:
            raise refuse("`conda_file` needs `image`", "image", at="conda_file")
        return self

    @model_validator(mode="before")
    @classmethod
    def _not_a_conda_file(cls, value: Any) -> Any:
        if isinstance(value, dict) and (found := {"channels", "dependencies"} & value.keys()):
            key = sorted(found)[0]
            raise refuse(f"{key!r} belongs into a conda file, which `conda_file` names", "conda_file", at=key)
        return value


class EnvironmentDeclaration(EnvironmentFacts):
    """An `environment.yml` in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Environment",
        json_schema_extra={"examples": [{"name": "score", "image": "python:3.11-slim", "conda_file": "conda.yml"}]},
    )

    name: str = must("name of the environment; versions are counted per name", pattern=NAME_PATTERN)
    version: Version | None = may("its version; left out, the next number")

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name.lower().startswith(RESERVED_PREFIXES):
            raise refuse(f"{name!r}: names that begin with AzureML- or Microsoft are reserved", "another name")
        return name

    @model_validator(mode="after")
    def _some_base(self) -> EnvironmentDeclaration:
        if self.image is None and self.build is None and self.pip is None:
            raise refuse("neither `image` nor `build` nor `pip` is there", "one of image, build, pip")
        return self


class InlineEnvironment(EnvironmentFacts):
    """An environment declared where it is used; its name is not registered."""

    name: str | None = may("name for people")
    version: Version | None = may("version for people")


EnvironmentField = Annotated[
    Annotated[BindableAssetText, Tag("<text>")] | Annotated[InlineEnvironment, Tag("<mapping>")],
    Discriminator(is_mapping),
]
