"""Models: what a `model.yml` may say, and what a registered version holds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from shared.resources.base import NAME_PATTERN, Document, Status

KIND = "model"
REGISTRATION_KIND = "registration"  # remembers which upload became which version, in the model's own partition
MAX_TAGS = 100


def _text(value: Any) -> Any:
    """Azure ML stores tag and property values as strings: a YAML 1.5 or true is meant as its text."""
    if isinstance(value, bool):
        return str(value)
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_text, json_schema_input_type=str | int | float | bool), Field(max_length=4096)]
TextKey = Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=256)]
TextMap = Annotated[dict[TextKey, Text], Field(max_length=MAX_TAGS)]


class ModelType(StrEnum):
    """Azure ML's three types of model."""

    CUSTOM = "custom_model"
    MLFLOW = "mlflow_model"
    TRITON = "triton_model"


def _model_type(value: Any) -> Any:
    """Azure ML compares enums without regard to case and between snake and Camel case."""
    if not isinstance(value, str):
        return value
    folded = value.replace("_", "").lower()
    return next((member for member in ModelType if member.replace("_", "") == folded), value)


class ModelDeclaration(Document):
    """A `model.yml` in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Model",
        json_schema_extra={"examples": [{"name": "diabetes", "path": "model.onnx", "tags": {"owner": "ml-team"}}]},
    )

    schema_: str | None = Field(default=None, alias="$schema", description="the schema's URL, for editors")
    name: str = Field(pattern=NAME_PATTERN, description="name of the model; versions are counted per name")
    version: str | int | None = Field(
        default=None, description="accepted only when it is the next version; Slipway numbers versions itself"
    )
    path: str = Field(min_length=1, max_length=1024, description="file or folder with the model, relative to this file")
    type: Annotated[ModelType, BeforeValidator(_model_type)] = Field(
        default=ModelType.CUSTOM, description="how the files are laid out"
    )
    description: str | None = Field(default=None, max_length=65536, description="free text")
    tags: TextMap = Field(default_factory=dict, description="mutable labels for search")
    properties: TextMap = Field(default_factory=dict, description="facts that never change; keys may be added later")
    stage: str | None = Field(default=None, max_length=256, description="Azure ML's stage, e.g. Production")
    flavors: dict[str, Any] | None = Field(default=None, description="MLflow's flavors")


class ModelFile(Document):
    """One file of a model version."""

    path: str = Field(description="'/'-separated, relative to the folder of the manifest")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the content, and its name in the store")
    size_bytes: int = Field(ge=0, description="length of the content")


class ModelSpec(Document):
    """The immutable part of a model version."""

    type: ModelType = ModelType.CUSTOM  # how the files are laid out
    path: str  # the file or folder the declaration named
    files: list[ModelFile]  # every file, sorted by path
    stage: str | None = None  # Azure ML's stage
    flavors: dict[str, Any] | None = None  # MLflow's flavors
    upload_id: str  # the upload it was registered from


class ModelHeadStatus(Status):
    """The head of a model: one for all its versions."""

    next_version: int = 1  # the version the next registration gets; never goes back
    latest_version: int = 0  # the newest registered version; 0 before the first


class RegistrationSpec(Document):
    """Which version an upload became: makes registering it again find it done."""

    upload_id: str  # the upload
    model_version: int  # the version it became
