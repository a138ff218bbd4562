"""Takes nodes out of a graph that its neighbours can do in passing: what ONNX Runtime's own optimisations leave, since
they do not look into ai.onnx.ml.

A scaler before a linear node is a part of it: ((x - o) * s) W + b = x (s W) + (b - (o * s) W). A normaliser behind a
softmax divides by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FLOAT = 1  # TensorProto.FLOAT


def fold(model: Any) -> int:
    """Change the ModelProto; how many nodes were taken out, 0 for one without such nodes."""
    graph, count = model.graph, 0
    for rule in (_fold_cast, _fold_scaler, _fold_normaliser):
        taken = [node for node in graph.node if rule(graph, node)]
        for node in taken:
            graph.node.remove(node)
        count += len(taken)
    return count


def _fold_cast(graph: Any, cast: Any) -> bool:
    """To float32, of what a scaler gives: that is float32."""
    writer = _writer(graph, cast.input[0])
    if cast.op_type != "Cast" or _attribute(cast, "to").i != FLOAT or writer is None or writer.op_type != "Scaler":
        return False
    if _only_reader(graph, cast.input[0]) is None or any(one.name == cast.output[0] for one in graph.output):
        return False
    writer.output[0] = cast.output[0]
    return True


def _fold_scaler(graph: Any, scaler: Any) -> bool:
    if scaler.op_type != "Scaler" or not _is_float_input(graph, scaler.input[0]):
        return False
    following = _only_reader(graph, scaler.output[0])
    folded = following is not None and following.op_type in _FOLDERS
    if not folded or not _FOLDERS[following.op_type](graph, following, *_scaling(scaler)):
        return False
    following.input[0] = scaler.input[0]
    return True


def _scaling(scaler: Any) -> tuple[np.ndarray, np.ndarray]:
    """Offset and scale, in the precision that products of them need."""
    return tuple(np.array(_attribute(scaler, name).floats, dtype=np.float64) for name in ("offset", "scale"))  # type: ignore[return-value]


def _into_linear(graph: Any, node: Any, offset: np.ndarray, scale: np.ndarray) -> bool:
    """LinearClassifier and LinearRegressor: a row of coefficients for each class or target."""
    coefficients, intercepts = _attribute(node, "coefficients"), _attribute(node, "intercepts")
    if coefficients is None or intercepts is None or not len(intercepts.floats):
        return False
    weights = np.array(coefficients.floats, dtype=np.float64).reshape(len(intercepts.floats), -1)
    shift = np.array(intercepts.floats, dtype=np.float64) - weights @ np.broadcast_to(offset * scale, weights.shape[1])
    coefficients.floats[:] = (weights * scale).astype(np.float32).ravel().tolist()
    intercepts.floats[:] = shift.astype(np.float32).tolist()
    return True


def _into_product(graph: Any, product: Any, offset: np.ndarray, scale: np.ndarray) -> bool:
    """A layer: MatMul with a weight, and Add with its bias, as skl2onnx writes MLPs."""
    addition = _only_reader(graph, product.output[0])
    if addition is None or addition.op_type != "Add":
        return False
    matrix, bias = (_weight(graph, node) for node in (product, addition))
    if matrix is None or bias is None or matrix.name == bias.name:
        return False
    from onnx import numpy_helper

    weights = numpy_helper.to_array(matrix).astype(np.float64)
    shift = numpy_helper.to_array(bias).astype(np.float64) - np.broadcast_to(offset * scale, len(weights)) @ weights
    scaled = np.broadcast_to(scale, len(weights))[:, None] * weights
    matrix.CopyFrom(numpy_helper.from_array(scaled.astype(np.float32), matrix.name))
    bias.CopyFrom(numpy_helper.from_array(shift.astype(np.float32), bias.name))
    return True


_FOLDERS: dict[str, Callable[[Any, Any, np.ndarray, np.ndarray], bool]] = {
    "LinearClassifier": _into_linear,
    "LinearRegressor": _into_linear,
    "MatMul": _into_product,
}


def _fold_normaliser(graph: Any, normaliser: Any) -> bool:
    """Behind a LinearClassifier whose scores are a softmax already."""
    if normaliser.op_type != "Normalizer" or _attribute(normaliser, "norm").s != b"L1":
        return False
    writer = _writer(graph, normaliser.input[0])
    if writer is None or writer.op_type != "LinearClassifier" or _readers(graph, normaliser.input[0]) != [normaliser]:
        return False
    transform = _attribute(writer, "post_transform")
    if transform is None or transform.s != b"SOFTMAX":
        return False
    writer.output[list(writer.output).index(normaliser.input[0])] = normaliser.output[0]
    return True


def _attribute(node: Any, name: str) -> Any:
    return next((one for one in node.attribute if one.name == name), None)


def _is_float_input(graph: Any, name: str) -> bool:
    return any(one.name == name and one.type.tensor_type.elem_type == FLOAT for one in graph.input)


def _writer(graph: Any, name: str) -> Any:
    return next((node for node in graph.node if name in node.output), None)


def _readers(graph: Any, name: str) -> list[Any]:
    return [node for node in graph.node if name in node.input]


def _only_reader(graph: Any, name: str) -> Any:
    """The node that reads this value, when it is the only use of it."""
    found = _readers(graph, name)
    is_output = any(one.name == name for one in graph.output)
    return found[0] if len(found) == 1 and not is_output and found[0].input[0] == name else None


def _weight(graph: Any, node: Any) -> Any:
    """The second input as an initializer that nobody else reads."""
    name = node.input[1]
    used_once = len(_readers(graph, name)) == 1
    return next((one for one in graph.initializer if one.name == name and used_once), None)
