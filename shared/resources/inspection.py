"""What was found in a model's files by looking at them, without running or loading anything."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shared.resources.base import Document

Severity = Literal["safe", "suspicious", "dangerous", "unreadable"]


class TensorInfo(Document):
    """An input or output of an ONNX graph."""

    name: str = Field(description="its name in the graph")
    dtype: str = Field(description="float32, int64, string...; sequence(...), map(...), optional(...) for others")
    shape: list[int | str | None] | None = Field(
        description="a number, the name of a symbol, or null for an unknown length; null as a whole: no shape "
        "is given, or one of more than 64 dimensions"
    )


class OnnxInspection(Document):
    """An ONNX file."""

    path: str = Field(description="which file")
    valid: bool = Field(description="whether onnx.checker accepts it")
    problem: str | None = Field(default=None, description="what the checker says; null when it is valid")
    ir_version: int | None = Field(default=None, description="version of the intermediate representation")
    opsets: dict[str, int] = Field(default_factory=dict, description="operator set -> its version")
    producer: str = Field(default="", description="what wrote it, with its version")
    inputs: list[TensorInfo] = Field(default_factory=list, description="without those that have a value in the file")
    outputs: list[TensorInfo] = Field(default_factory=list)
    parameter_count: int | None = Field(
        default=0, description="numbers in the initializers of the main graph; null when they are no sizes of anything"
    )
    size_bytes: int = Field(default=0, description="of the file and its external data together")
    external_data: list[str] = Field(default_factory=list, description="files with its weights, relative to it")
    metadata: dict[str, str] = Field(default_factory=dict, description="its metadata_props, cut to 50 of 1,000 letters")


class PickleInspection(Document):
    """A file that Python's pickle would execute when it is loaded."""

    path: str = Field(description="which file")
    severity: Severity = Field(
        description="dangerous: it calls what can run commands; suspicious: it calls what is not known to be harmless; "
        "unreadable: it could not be looked into; safe: neither"
    )
    globals: list[str] = Field(default_factory=list, description="what it would import, worst first, at most 100")
    member: str | None = Field(default=None, description="of which member of the archive the severity is said")
    problem: str | None = Field(default=None, description="why it could not be looked into as a whole")


class MlflowInspection(Document):
    """What an MLmodel file says."""

    path: str = Field(description="which file")
    flavors: dict[str, Any] = Field(default_factory=dict, description="how MLflow can load it")
    signature: dict[str, Any] | None = Field(default=None, description="inputs, outputs and params, read from JSON")
    run_id: str | None = Field(default=None, description="the MLflow run that logged it")
    model_uuid: str | None = Field(default=None, description="MLflow's id of it")
    mlflow_version: str | None = Field(default=None, description="the MLflow that wrote it")
    utc_time_created: str | None = Field(default=None, description="when it was logged")
    artifact_path: str | None = Field(default=None, description="its folder in the run's artifacts")
    model_id: str | None = Field(default=None, description="MLflow 3's id of the logged model")
    saved_input_example_info: dict[str, Any] | None = Field(
        default=None, description="where an example of its input is, and in which format"
    )


class SkippedFile(Document):
    """A file that was not looked into."""

    path: str = Field(description="which file")
    reason: str = Field(description="why not")


class ModelInspection(Document):
    """What was found in all files of a version."""

    onnx: list[OnnxInspection] = Field(default_factory=list)
    pickles: list[PickleInspection] = Field(default_factory=list)
    mlflow: MlflowInspection | None = None
    skipped: list[SkippedFile] = Field(default_factory=list, description="files that should have been looked into")

    @property
    def complete(self) -> bool:
        """Whether everything that should have been looked into was."""
        return not self.skipped
