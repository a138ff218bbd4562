"""An ONNX file, by the onnx package's own checker. Runs in the worker process only."""

from __future__ import annotations

import math
import os
import posixpath
from collections.abc import Iterator
from typing import Any

MAX_PROBLEM = 500
MAX_ITEMS = 200  # inputs, outputs, external files
MAX_METADATA = 50
MAX_RANK = 64  # of a shape; a longer one is no tensor that a runtime has
MAX_COUNT = 2**63 - 1
MAX_LOCATION = 1024


def check(path: str) -> dict[str, Any]:
    """What is in the file, as OnnxInspection has it. Never raises for a bad model: that is `problem`."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    found: dict[str, Any] = {"path": path, "valid": False, "size_bytes": os.path.getsize(path)}
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError, UnicodeDecodeError) as error:
        return found | {"problem": f"it is not an ONNX file: {str(error)[:MAX_PROBLEM]}"}
    found |= _described(model)
    places = sorted(set(_external(model.graph)))
    found["external_data"] = [place[:MAX_LOCATION] for place in places[:MAX_ITEMS]]
    outside = [place for place in places if not _is_inside(place)]
    if outside:  # refused before the checker would open them
        return found | {"problem": f"it refers to data outside of its folder: {outside[0]!r}"[:MAX_PROBLEM]}
    folder = posixpath.dirname(path)
    for place in places:
        data = os.path.join(folder, place)
        found["size_bytes"] += os.path.getsize(data) if os.path.isfile(data) else 0
    try:
        onnx.checker.check_model(path)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        return found | {"problem": str(error).strip()[:MAX_PROBLEM] or type(error).__name__}
    return found | {"valid": True, "problem": None}


def _described(model: Any) -> dict[str, Any]:
    given = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in given]
    return {
        "ir_version": model.ir_version,
        "opsets": {(entry.domain or "ai.onnx")[:200]: entry.version for entry in model.opset_import[:MAX_ITEMS]},
        "producer": f"{model.producer_name} {model.producer_version}".strip()[:200],
        "inputs": [_tensor(value) for value in inputs[:MAX_ITEMS]],
        "outputs": [_tensor(value) for value in model.graph.output[:MAX_ITEMS]],
        "parameter_count": _parameter_count(model.graph),
        "metadata": {prop.key[:200]: prop.value[:1000] for prop in model.metadata_props[:MAX_METADATA]},
    }


def _parameter_count(graph: Any) -> int | None:
    """None when the dimensions are negative, or their product is no 64-bit number."""
    count = 0
    for tensor in graph.initializer:
        if len(tensor.dims) > MAX_RANK or any(length < 0 for length in tensor.dims):
            return None
        count += math.prod(tensor.dims)
    return count if count <= MAX_COUNT else None


def _tensor(value: Any) -> dict[str, Any]:
    kind = value.type.WhichOneof("value")
    shape = None
    if kind in ("tensor_type", "sparse_tensor_type") and getattr(value.type, kind).HasField("shape"):
        dimensions = getattr(value.type, kind).shape.dim
        shape = [_dimension(dim) for dim in dimensions] if len(dimensions) <= MAX_RANK else None
    return {"name": value.name[:200], "dtype": _type_name(value.type), "shape": shape}


def _dimension(dim: Any) -> int | str | None:
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    return str(dim.dim_param)[:100] or None


def _type_name(type_: Any, depth: int = 0) -> str:
    kind = type_.WhichOneof("value")
    if depth > 5 or kind is None:
        return "unknown"
    if kind in ("tensor_type", "sparse_tensor_type"):
        return _element(getattr(type_, kind).elem_type)
    if kind == "map_type":
        return f"map({_element(type_.map_type.key_type)}, {_type_name(type_.map_type.value_type, depth + 1)})"
    inner = getattr(type_, kind)
    if not hasattr(inner, "elem_type"):
        return str(kind).removesuffix("_type")
    return f"{kind.removesuffix('_type')}({_type_name(inner.elem_type, depth + 1)})"


def _element(number: int) -> str:
    import onnx

    names = {"FLOAT": "float32", "DOUBLE": "float64", "UNDEFINED": "unknown"}
    if number not in onnx.TensorProto.DataType.values():
        return "unknown"
    name = str(onnx.TensorProto.DataType.Name(number))
    return names.get(name, name.lower())


def _external(graph: Any, depth: int = 0) -> Iterator[str]:
    """Where tensors of the graph, and of graphs inside of its nodes, have their data outside."""
    from onnx.external_data_helper import uses_external_data

    tensors = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            if depth < 20:
                for inner in (attribute.g, *attribute.graphs):
                    yield from _external(inner, depth + 1)
    for tensor in tensors:
        if uses_external_data(tensor):
            yield next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def _is_inside(place: str) -> bool:
    normal = posixpath.normpath(place) if place else ".."
    return not (normal.startswith(("/", "..")) or "\\" in place or "\0" in place)
