"""The data that monitors look at."""

from __future__ import annotations

from typing import Annotated, Literal

from shared.resources.paths_in_files import AnyPath
from shared.resources.shapes import AnyCase, Shape, may, must, some

Context = Annotated[
    Literal["model_inputs", "model_outputs", "training", "test", "validation", "ground_truth"], AnyCase()
]


class InputData(Shape):
    """Data by reference."""

    type: Annotated[Literal["uri_folder", "uri_file", "mltable"], AnyCase()] = may("what is at the path", "uri_folder")
    path: AnyPath = must("azureml:NAME:VERSION, azureml://datastores/D/paths/P, or a URL")
    mode: Annotated[Literal["download", "ro_mount", "eval_mount", "eval_download", "direct"], AnyCase()] | None = may(
        "how it reaches the process"
    )
    datastore: str | None = may("datastore that local files are uploaded to")
    path_on_compute: str | None = may("where it is mounted")


class DataWindow(Shape):
    """Which times count: the last ones, or between two."""

    lookback_window_size: str | None = may("how long, as an ISO 8601 duration, e.g. P7D; or default")
    lookback_window_offset: str | None = may("how long ago it ends, e.g. P0D")
    window_start: str | None = may("when it begins")
    window_end: str | None = may("when it ends")


class MonitoredData(Shape):
    """Data of production."""

    input_data: InputData | None = may("the data; left out, what the deployment collects")
    data_context: Context | None = may("what the data are")
    data_column_names: dict[str, str] = some("columns by their meaning: prediction, correlation_id...")
    data_window: DataWindow | None = may("which times count")
    pre_processing_component: str | None = may("component that makes the data ready")


class ReferenceData(MonitoredData):
    """Data that production is compared with."""


class LlmData(Shape):
    """Prompts and answers."""

    input_data: InputData | None = may("the data")
    data_column_names: dict[str, str] = some("columns by their meaning: prompt, completion, context...")
    data_window: DataWindow | None = may("which times count")
