"""Schemas of a model's input and output, by its own names, types and sample."""

from __future__ import annotations

from typing import Any

from shared.scoring.models.onnx_model import OnnxModel
from shared.scoring.models.signature import Layout, Signature, Tensor, zeros

Schema = dict[str, Any]
_FORMATS = {"float32": "float", "float64": "double", "int32": "int32", "int64": "int64"}


def model_schemas(model: OnnxModel, version: str) -> tuple[Schema, Schema]:
    """Of the body with Inputs and GlobalParameters, and of the answer with Results, in a version of the document: 2, 3
    or 3.1. A result that is a float may be null: NaN and Infinity, which JSON does not have, are answered so."""
    rows = _rows(model.signature)
    example = _example(model)
    taken = {
        "type": "object",
        "required": ["Inputs"],
        "properties": {"Inputs": rows, "GlobalParameters": {"type": "object"}},
        "example": {"Inputs": example, "GlobalParameters": {}},
    }
    given = {
        "type": "object",
        "properties": {"Results": {"type": "array", "items": _result(model.signature, version)}},
        "example": {"Results": []},
    }
    return taken, given


def _scalar(each: Tensor) -> Schema:
    if each.dtype in ("object", "bool"):
        return {"type": "string" if each.dtype == "object" else "boolean"}
    kind = "number" if each.dtype.startswith("float") else "integer"
    return {"type": kind, "format": _FORMATS[each.dtype]} if each.dtype in _FORMATS else {"type": kind}


def _or_null(schema: Schema, version: str) -> Schema:
    if schema["type"] != "number":
        return schema
    if version == "3.1":
        return schema | {"type": ["number", "null"]}
    return schema | {"x-nullable" if version == "2" else "nullable": True}


def _nested(each: Tensor, from_axis: int) -> Schema:
    return _array(_scalar(each), each, from_axis)


def _array(schema: Schema, each: Tensor, from_axis: int) -> Schema:
    for size in reversed(each.shape[from_axis:]):
        schema = {"type": "array", "items": schema} | ({} if size is None else {"minItems": size, "maxItems": size})
    return schema


def _rows(signature: Signature) -> Schema:
    if signature.layout is Layout.TENSORS:
        properties = {each.name: _nested(each, 0) for each in signature.inputs}
        return {"type": "object", "required": list(properties), "properties": properties}
    if signature.columns:
        by_name = {each.name: each for each in signature.inputs}
        properties = {name: _scalar(by_name.get(name, signature.inputs[0])) for name in signature.columns}
        row: Schema = {"type": "object", "required": list(properties), "properties": properties}
    else:
        row = _nested(signature.inputs[0], 1)
    return {"type": "array", "items": row, "minItems": 1}


def _example(model: OnnxModel) -> Any:
    signature = model.signature
    if model.sample is not None:
        sample = model.sample
        return sample["Inputs"] if isinstance(sample, dict) and "Inputs" in sample else sample
    if signature.layout is Layout.TENSORS:
        return {each.name: zeros(each, 1).tolist() for each in signature.inputs}
    by_name = {each.name: each for each in signature.inputs}
    if signature.columns:
        return [{name: _zero(by_name.get(name, signature.inputs[0])) for name in signature.columns}]
    return zeros(signature.inputs[0], 1).tolist()


def _zero(each: Tensor) -> Any:
    return zeros(each, 1).reshape(-1).tolist()[0]


def _result(signature: Signature, version: str) -> Schema:
    schemas = {each.name: _output(each, version) for each in signature.outputs}
    return next(iter(schemas.values())) if len(schemas) == 1 else {"type": "object", "properties": schemas}


def _output(each: Tensor, version: str) -> Schema:
    if not each.dtype:
        return {"type": "object"}
    scalar = _or_null(_scalar(each), version)
    return scalar if each.shape[1:] == (1,) else _array(scalar, each, 1)
