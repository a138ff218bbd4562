"""Model packages: a model, its code and its environment made into one image."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from shared.resources.paths_in_files import AnyPath
from shared.resources.serving import CodeConfiguration
from shared.resources.shapes import (
    AnyCase,
    EnvironmentVariables,
    Int,
    Shape,
    TextMap,
    Version,
    is_mapping,
    may,
    must,
    some,
)

KIND = "model-package"


class BaseEnvironment(Shape):
    """The environment that the package builds upon."""

    type: Annotated[
        Literal["environment_asset", "base_environment"], AnyCase(aliases={"EnvironmentAsset": "environment_asset"})
    ] = must("environment_asset")
    resource_id: str = must("azureml:NAME:VERSION, or an ARM id", min_length=1)


class PackageRoute(Shape):
    """A port and a path of an inference server."""

    port: Int | None = may("port the server listens on")
    path: str | None = may("path of the URL")


class InferenceConfiguration(Shape):
    """How an inference server of your own, or Triton, is talked to."""

    liveness_route: PackageRoute | None = may("says whether the server lives")
    readiness_route: PackageRoute | None = may("says whether it is ready")
    scoring_route: PackageRoute | None = may("takes requests")
    entry_script: str | None = may("script that starts it")
    configuration: dict[str, Any] | None = may("its settings")


class InferencingServer(Shape):
    """The server that the package holds."""

    type: Annotated[Literal["azureml_online", "azureml_batch", "custom", "triton"], AnyCase()] = must("which server")
    code_configuration: CodeConfiguration | None = may("the script that scores")
    inference_configuration: InferenceConfiguration | None = may("of custom and triton: how it is talked to")


class ModelConfiguration(Shape):
    """How the model gets into the package."""

    mode: Annotated[Literal["copy", "download"], AnyCase()] = may(
        "whether it is copied in, or fetched at the start", "copy"
    )
    mount_path: str | None = may("where it is in the container")


class PackageInputPath(Shape):
    """Where an input of a package is."""

    input_path_type: Annotated[
        Literal["path_id", "path_version", "url"], AnyCase(aliases={"PathId": "path_id", "PathVersion": "path_version"})
    ] = must("how it is named")
    resource_id: str | None = may("of path_id: the asset")
    url: str | None = may("of url: the address")
    resource_name: str | None = may("of path_version: name of the asset")
    resource_version: Version | None = may("of path_version: its version")


class PackageInput(Shape):
    """A file or folder that the package holds."""

    type: Annotated[Literal["uri_file", "uri_folder"], AnyCase()] = may("what it is", "uri_folder")
    mode: Annotated[Literal["copy", "download"], AnyCase()] = may(
        "whether it is copied in, or fetched at the start", "copy"
    )
    path: Annotated[
        Annotated[AnyPath, Tag("<text>")] | Annotated[PackageInputPath, Tag("<mapping>")], Discriminator(is_mapping)
    ] = must("where it is")
    mount_path: str | None = may("where it is in the container")


class TargetEnvironment(Shape):
    """The environment that the package becomes."""

    name: str = must("its name", min_length=1)
    version: Version | None = may("its version; left out, the next number")


class ModelPackageDeclaration(Shape):
    """A model package's file in Azure ML's CLI v2 format; the model is named where it is applied."""

    model_config = ConfigDict(
        title="Model package",
        json_schema_extra={
            "examples": [{"target_environment": "pkg-diabetes", "inferencing_server": {"type": "azureml_online"}}]
        },
    )

    schema_: str | None = may("the schema's URL, for editors", alias="$schema")
    target_environment: Annotated[
        Annotated[str, Field(min_length=1), Tag("<text>")] | Annotated[TargetEnvironment, Tag("<mapping>")],
        Discriminator(is_mapping),
    ] = must("the environment that the package becomes: its name, or name and version")
    base_environment_source: BaseEnvironment | None = may("the environment that the package builds upon")
    inferencing_server: InferencingServer = must("the server that the package holds")
    model_configuration: ModelConfiguration | None = may("how the model gets into the package")
    inputs: list[PackageInput] = Field(default_factory=list, description="more files and folders")
    tags: TextMap = some("mutable labels for search")
    environment_variables: EnvironmentVariables = some("variables of the containers")
