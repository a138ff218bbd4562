"""Models: what a `model.yml` may say, and what a registered version holds."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from shared.resources.automation import Automation, OptimizeSection, ProfileSection
from shared.resources.base import NAME_PATTERN, Document, Status
from shared.resources.inspection import ModelInspection

KIND = "model"
REGISTRATION_KIND = "registration"  # remembers which upload became which version, in the model's own partition
TOMBSTONE_KIND = "tombstone"  # remembers that a version was deleted, in the model's own partition
LATEST = "latest"  # the label that Slipway keeps: the newest version that is not archived
# A string version: no bare number with a leading zero or sign, and never the word `latest` (see version_of).
VERSION_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,29}$"
VERSION_RULE = (
    "a whole number from 1, or 1 to 30 letters, digits, '.', '_' or '-' that are no number (quote it in YAML)"
)
LABEL_PATTERN = r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$"
LABEL_RULE = "1 to 64 letters, digits, '-' or '_', starting with a letter; `latest` is kept by Slipway"
REFERENCE_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}([:@][a-zA-Z0-9][a-zA-Z0-9._-]{0,63})?$"
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


class Framework(StrEnum):
    """Azure ML's frameworks (azureml-core, Model.Framework)."""

    CUSTOM = "Custom"
    TENSORFLOW = "TensorFlow"
    SCIKIT_LEARN = "ScikitLearn"
    ONNX = "Onnx"
    TF_KERAS = "TfKeras"  # deprecated there, kept for what is registered
    PYTORCH = "PyTorch"
    MULTI = "Multi"


E = TypeVar("E", bound=StrEnum)


def _folded(members: type[E]) -> BeforeValidator:
    """Azure ML compares enums without regard to case and between snake and Camel case."""

    def match(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        folded = value.replace("_", "").lower()
        return next((member for member in members if member.replace("_", "").lower() == folded), value)

    return BeforeValidator(match)


class ResourceConfiguration(Document):
    """What the model needs to be served (Azure ML's ResourceConfiguration)."""

    cpu: float | None = Field(default=None, gt=0, le=1024, description="cores")
    memory_in_gb: float | None = Field(default=None, gt=0, le=65536, description="memory in GB")
    gpu: int | None = Field(default=None, ge=0, le=64, description="GPUs")


class DatasetReference(Document):
    """A data set that the model has to do with."""

    purpose: str = Field(min_length=1, max_length=256, description="what it was used for, e.g. training")
    reference: str = Field(min_length=1, max_length=1024, description="azureml:NAME:VERSION, or any other name of it")


class ModelFacts(Document):
    """What people say of a model version besides its files; the same in a file, in the registry and in answers."""

    type: Annotated[ModelType, _folded(ModelType)] = Field(
        default=ModelType.CUSTOM, description="how the files are laid out"
    )
    framework: Annotated[Framework | None, _folded(Framework)] = Field(
        default=None, description="what it was made with"
    )
    framework_version: Annotated[Text | None, Field(max_length=64)] = Field(
        default=None, description="the framework's version"
    )
    stage: str | None = Field(default=None, max_length=256, description="Azure ML's stage, e.g. Production")
    flavors: dict[str, Any] | None = Field(
        default=None, description="MLflow's flavors; read from MLmodel when left out"
    )
    sample_input: str | None = Field(
        default=None, max_length=1024, description="a file of the model, or azureml:DATA:VERSION, with sample input"
    )
    sample_output: str | None = Field(
        default=None, max_length=1024, description="a file of the model, or azureml:DATA:VERSION, with its output"
    )
    resource_configuration: ResourceConfiguration | None = Field(default=None, description="what serving it needs")
    datasets: list[DatasetReference] = Field(
        default_factory=list, max_length=100, description="data sets it was made from or tested with"
    )
    run_id: str | None = Field(default=None, max_length=256, description="the run that made it")
    experiment_name: str | None = Field(default=None, max_length=256, description="the experiment of that run")
    optimize: OptimizeSection | None = Field(default=None, description="make a faster ONNX version of it, once")
    profile: ProfileSection | None = Field(default=None, description="find out which CPU and memory it needs, once")

    @model_validator(mode="after")
    def _framework_of_its_version(self) -> ModelFacts:
        if self.framework_version is not None and self.framework is None:
            raise ValueError("`framework_version` needs `framework`")
        return self


class ModelDeclaration(ModelFacts):
    """A `model.yml` in Azure ML's CLI v2 format, with the fields of its Model.register besides."""

    model_config = ConfigDict(
        title="Model",
        json_schema_extra={"examples": [{"name": "diabetes", "path": "model.onnx", "tags": {"owner": "ml-team"}}]},
    )

    schema_: str | None = Field(default=None, alias="$schema", description="the schema's URL, for editors")
    name: str = Field(pattern=NAME_PATTERN, description="name of the model; versions are counted per name")
    version: str | int | None = Field(
        default=None, description="a version that is free; left out, it is one more than the highest number"
    )
    path: str = Field(
        min_length=1,
        max_length=2048,
        description="file or folder relative to this file, or https://, s3:// or runs:/RUN/PATH",
    )
    unpack: bool | None = Field(
        default=None, description="unpack `path`, a .zip or .tar.gz; left out: only for mlflow_model and triton_model"
    )
    description: str | None = Field(default=None, max_length=65536, description="free text")
    tags: TextMap = Field(default_factory=dict, description="mutable labels for search")
    properties: TextMap = Field(default_factory=dict, description="facts that never change; keys may be added later")
    parent: str | None = Field(
        default=None, pattern=REFERENCE_PATTERN, description="the model it was derived from: NAME:VERSION or NAME@LABEL"
    )


class ModelFile(Document):
    """One file of a model version."""

    path: str = Field(description="'/'-separated, relative to the folder of the manifest")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the content, and its name in the store")
    size_bytes: int = Field(ge=0, description="length of the content")


class Origin(Document):
    """Where a version was before it was registered here: another registry, a URL, a run."""

    system: str = Field(max_length=64, description="slipway, mlflow, https, s3, run")
    id: str = Field(max_length=2048, description="its name there; a URL without its query")
    created_at: datetime | None = Field(default=None, description="when it was made there")
    modified_at: datetime | None = Field(default=None, description="when it was changed there last")


class ModelSpec(ModelFacts):
    """What a version was registered with. Files, type, framework, run and parent never change; stage, samples, resource
    configuration may, and data sets may be added (as in Azure ML's Model.update)."""

    path: str  # the file or folder the declaration named
    files: list[ModelFile]  # every file, sorted by path
    parent_model_id: str | None = None  # NAME:VERSION of the model it was derived from
    origin: Origin | None = None  # where it came from, if not from an upload
    references: list[str] = Field(default_factory=list)  # resources it refers to: KIND/NAME:VERSION
    upload_id: str  # the upload it was registered from


class ModelPhase(StrEnum):
    """Where a version is on its way."""

    REGISTERED = "Registered"  # it exists; its files have not been looked into yet
    READY = "Ready"  # its files have been looked into: see `inspection`
    DELETING = "Deleting"  # it is going: nothing may begin to use it


TRANSITIONS: dict[ModelPhase, frozenset[ModelPhase]] = {
    ModelPhase.REGISTERED: frozenset({ModelPhase.READY, ModelPhase.DELETING}),
    ModelPhase.READY: frozenset({ModelPhase.DELETING}),
    ModelPhase.DELETING: frozenset({ModelPhase.REGISTERED, ModelPhase.READY}),  # it turned out to be in use
}


class ModelVersionStatus(Status):
    """What is so of one version."""

    labels: list[str] = Field(default_factory=list)  # the labels that name it, sorted; the head has them too
    archived: bool = False  # hidden from lists and from `latest`; can still be read
    inspection: ModelInspection | None = None  # what was found in its files; None before they were looked into
    automation: Automation | None = None  # what is done with it by itself; None before that is decided, and for nothing


class ModelHeadStatus(Status):
    """The head of a model: one for all its versions."""

    next_version: int = 1  # the number the next registration gets; never goes back
    latest_version: str = ""  # the newest version that is not archived; "" when there is none
    labels: dict[str, str] = Field(default_factory=dict)  # label -> version
    archived: bool = False  # hidden from lists: archived by somebody, or left without a version that is not archived


class RegistrationSpec(Document):
    """Which version an upload became: makes registering it again find it done."""

    upload_id: str  # the upload
    model_version: str  # the version it became


class TombstoneSpec(Document):
    """A version that was deleted: its name is never given again."""

    model_version: str  # the version
    files: list[ModelFile]  # what it was made of, for the audit
    history_hash: str  # the hash of its last history record


def version_of(asked: str | int | None) -> str | None:
    """The version as it is stored, None for none. A whole number is counted with; anything else that keeps VERSION_RULE
    is a string version: it is never numbered onward. Raises ValueError for what is neither."""
    if asked is None:
        return None
    text = str(asked)
    if isinstance(asked, bool) or not re.fullmatch(VERSION_PATTERN, text) or text.casefold() == LATEST:
        raise ValueError(f"{text!r} is not a version")
    if text.isdecimal() and (text.startswith("0") or len(text) > 18):
        raise ValueError(f"{text!r} is a number with a leading zero, or too large")
    return text
