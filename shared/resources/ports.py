"""Inputs and outputs of components and jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from shared.resources.paths_in_files import AnyPath
from shared.resources.shapes import (
    AnyCase,
    BoundText,
    Number,
    Shape,
    Version,
    fold,
    known_type,
    may,
    must,
    refuse,
    shown,
    told,
)

PRIMITIVES = ("boolean", "integer", "number", "string")
ASSETS = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model", "path")
AssetType = Annotated[
    Literal["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model", "path"], AnyCase()
]
BindableAssetType = Annotated[
    Literal["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model", "path"],
    AnyCase(bindable=True),
]
Mode = Annotated[
    Literal["direct", "download", "eval_download", "eval_mount", "mount", "ro_mount", "rw_mount", "upload", "link"],
    AnyCase(bindable=True),
]


def _plain(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise refuse(f"{shown(value)}: not accepted", "a number, a text or a boolean")
    return value


def _text_or_number(value: Any) -> str:
    return "<text>" if isinstance(value, str) else "<number>"


Scalar = Annotated[bool | int | float | str, BeforeValidator(_plain)]
MapKey = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=255)]


class Parameter(Shape):
    """A value that a component takes."""

    type: Annotated[Literal["boolean", "integer", "number", "string"], AnyCase()] = must("type of the value")
    default: Scalar | None = may("the value when none is given")
    optional: bool | None = may("whether it may be left out")
    min: Number | None = may("least number accepted")
    max: Number | None = may("greatest number accepted")
    enum: list[Scalar] | None = may("the values accepted")
    description: str | None = may("free text")


class InputPort(Shape):
    """Data or a model that a component takes."""

    type: AssetType = must("what is expected")
    mode: Mode | None = may("how it reaches the process")
    default: str | None = may("what is taken when nothing is given")
    optional: bool | None = may("whether it may be left out")
    description: str | None = may("free text")


class OutputPort(Shape):
    """What a component makes."""

    type: Annotated[
        Literal[
            "uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model", "path",
            "boolean", "integer", "number", "string",
        ],
        AnyCase(),
    ] = must("what is made")  # fmt: skip
    mode: Mode | None = may("how it leaves the process")
    description: str | None = may("free text")


def _port(value: Any) -> str:
    return "<parameter>" if fold(told(value)) in PRIMITIVES else "<port>"


ComponentInput = Annotated[
    Annotated[Parameter, Tag("<parameter>")] | Annotated[InputPort, Tag("<port>")],
    Discriminator(_port),
    known_type(*PRIMITIVES, *ASSETS),
]
ComponentInputs = dict[MapKey, ComponentInput]
ComponentOutputs = dict[MapKey, Annotated[OutputPort, known_type(*ASSETS, *PRIMITIVES)]]


class JobInput(Shape):
    """Data or a model given to a job; `value` gives a plain value in its place."""

    type: BindableAssetType | None = may("what is at the path; left out, uri_folder")
    path: AnyPath | None = may("where it is: a reference, a URL, or a path relative to this file")
    mode: Mode | None = may("how it reaches the process")
    path_on_compute: str | None = may("where it is mounted")
    datastore: str | None = may("datastore that local files are uploaded to")
    value: Scalar | None = may("a plain value; nothing else may stand beside it")

    @model_validator(mode="after")
    def _path_or_value(self) -> JobInput:
        if self.value is not None and self.path is not None:
            raise refuse("`path` and `value` exclude each other", "one of path, value", at="value")
        return self


class JobOutput(Shape):
    """Where an output of a job goes, and under which name it is registered."""

    type: BindableAssetType | None = may("what is written; left out, uri_folder")
    path: BoundText | None = may("where it goes; left out, the default datastore")
    mode: Mode | None = may("how it leaves the process")
    name: str | None = may("registers the output as an asset of this name")
    version: Version | None = may("version of that asset")
    description: str | None = may("free text")


def _given(value: Any) -> str:
    return "<mapping>" if isinstance(value, Mapping | JobInput | JobOutput) else "<value>"


PlainValue = Annotated[
    Annotated[bool | int | float | None, BeforeValidator(_plain), Tag("<number>")]
    | Annotated[BoundText, Tag("<text>")],
    Discriminator(_text_or_number),
]
JobInputs = dict[
    MapKey,
    Annotated[Annotated[PlainValue, Tag("<value>")] | Annotated[JobInput, Tag("<mapping>")], Discriminator(_given)],
]
JobOutputs = dict[
    MapKey,
    Annotated[
        Annotated[BoundText | None, Tag("<value>")] | Annotated[JobOutput, Tag("<mapping>")], Discriminator(_given)
    ],
]
