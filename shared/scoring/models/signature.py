"""What a model takes and gives: names, types and shapes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.scoring.errors import StartError

Array = NDArray[Any]

# Types of ONNX and of the Open Inference Protocol v2 (its section "Tensor Data Types").
_TYPES: dict[str, tuple[str, str]] = {
    "tensor(bool)": ("bool", "BOOL"),
    "tensor(uint8)": ("uint8", "UINT8"),
    "tensor(uint16)": ("uint16", "UINT16"),
    "tensor(uint32)": ("uint32", "UINT32"),
    "tensor(uint64)": ("uint64", "UINT64"),
    "tensor(int8)": ("int8", "INT8"),
    "tensor(int16)": ("int16", "INT16"),
    "tensor(int32)": ("int32", "INT32"),
    "tensor(int64)": ("int64", "INT64"),
    "tensor(float16)": ("float16", "FP16"),
    "tensor(float)": ("float32", "FP32"),
    "tensor(double)": ("float64", "FP64"),
    "tensor(string)": ("object", "BYTES"),
}


class Layout(enum.Enum):
    """How rows of a table become a model's inputs."""

    MATRIX = "one input, a column of it for each column"
    COLUMNS = "one input for each column"
    TENSORS = "no table: tensors by name"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output. None in `shape` is any size; `dtype` is object for texts, "" for what is no tensor."""

    name: str
    dtype: str
    datatype: str  # of the Open Inference Protocol
    shape: tuple[int | None, ...]

    @property
    def type_name(self) -> str:
        """The type in messages: "float32", "string"."""
        return "string" if self.dtype == "object" else self.dtype

    @property
    def shape_text(self) -> str:
        """The shape in messages: "[any, 30]"."""
        return f"[{', '.join('any' if size is None else str(size) for size in self.shape)}]"


@dataclass(frozen=True, slots=True)
class Signature:
    """Of one model. `columns` are the names of a table's columns, () when the model does not name them."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    layout: Layout
    columns: tuple[str, ...]

    @property
    def width(self) -> int | None:
        """How many columns a table has; None when any number will do."""
        return self.inputs[0].shape[1] if self.layout is Layout.MATRIX else len(self.inputs)

    @property
    def batchable(self) -> bool:
        """Whether several requests can be one call: every first dimension is free."""
        return all(tensor.shape[:1] == (None,) for tensor in (*self.inputs, *self.outputs) if tensor.dtype)


def tensor(name: str, onnx_type: str, shape: list[Any]) -> Tensor:
    """The tensor of an ONNX type. Sequences and maps (of outputs) have the dtype ""."""
    dtype, datatype = _TYPES.get(onnx_type, ("", "BYTES"))
    sizes = tuple(size if isinstance(size, int) and size >= 0 else None for size in shape)
    return Tensor(name, dtype, datatype, sizes)


def signature(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], columns: tuple[str, ...]) -> Signature:
    """The signature with its layout. `columns` name those of a matrix. Raises StartError for a model without inputs,
    with an input that is no tensor, or with another number of columns than it names."""
    if not inputs:
        raise StartError("the model has no inputs")
    for each in inputs:
        if not each.dtype:
            raise StartError(f"the input {each.name} is no tensor of {', '.join(_TYPES)}")
    layout = _layout(inputs)
    if layout is Layout.COLUMNS:
        columns = tuple(each.name for each in inputs)
    elif layout is Layout.TENSORS:
        columns = ()
    elif columns and inputs[0].shape[1] not in (None, len(columns)):
        raise StartError(f"the model names {len(columns)} columns and takes {inputs[0].shape[1]}")
    return Signature(inputs, outputs, layout, columns)


def _layout(inputs: tuple[Tensor, ...]) -> Layout:
    if len(inputs) == 1 and len(inputs[0].shape) == 2:
        return Layout.MATRIX
    if all(len(each.shape) == 1 or (len(each.shape) == 2 and each.shape[1] == 1) for each in inputs):
        return Layout.COLUMNS
    return Layout.TENSORS


def zeros(each: Tensor, rows: int) -> Array:
    """An input of that many rows, for warm-up and samples: zeros, or empty texts; free sizes beyond the first are 1."""
    sizes = [
        rows if index == 0 and size is None else 1 if size is None else size for index, size in enumerate(each.shape)
    ]
    return np.full(sizes, "", dtype=object) if each.dtype == "object" else np.zeros(sizes, dtype=each.dtype)
