"""Small ONNX models, made here: what they compute is known without running them."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from shared.scoring.models.onnx_model import OnnxModel

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
COLUMNS = ["age", "income", "score"]


def save(folder: Path, graph: onnx.GraphProto, columns: list[str] | None = None) -> OnnxModel:
    """The graph as a model in a file, loaded."""
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=9)
    if columns is not None:
        helper.set_model_props(model, {"columns": json.dumps(columns)})
    onnx.checker.check_model(model)
    path = folder / f"{graph.name}.onnx"
    onnx.save(model, str(path))
    return OnnxModel(graph.name, "1", path, threads=1)


def sums(folder: Path, *, columns: list[str] | None = None, kind: int = TensorProto.FLOAT) -> OnnxModel:
    """Input x [any, 3], output y [any, 1]: the sum of each row."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=1)],
        "sums",
        [helper.make_tensor_value_info("x", kind, ["n", 3])],
        [helper.make_tensor_value_info("y", kind, ["n", 1])],
        [axes],
    )
    return save(folder, graph, columns)


def mixed(folder: Path) -> OnnxModel:
    """Columns age (float32), visits (int64), city (string), member (bool), each [any, 1], and each given back."""
    kinds = {
        "age": TensorProto.FLOAT,
        "visits": TensorProto.INT64,
        "city": TensorProto.STRING,
        "member": TensorProto.BOOL,
    }
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in kinds],
        "mixed",
        [helper.make_tensor_value_info(name, kind, ["n", 1]) for name, kind in kinds.items()],
        [helper.make_tensor_value_info(f"{name}_out", kind, ["n", 1]) for name, kind in kinds.items()],
    )
    return save(folder, graph)


def image(folder: Path) -> OnnxModel:
    """Input pixels uint8 [any, 2, 2, 3], output the same."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["pixels"], ["same"])],
        "image",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 2, 2, 3])],
        [helper.make_tensor_value_info("same", TensorProto.UINT8, ["n", 2, 2, 3])],
    )
    return save(folder, graph)


def total(folder: Path) -> OnnxModel:
    """Input x [any, 3], output y [1]: the sum of everything, so that rows of two requests must not be mixed."""
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)],
        "total",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
    )
    return save(folder, graph)


def classes(folder: Path) -> OnnxModel:
    """Input x [any, 2]; outputs label (int64) and a map of probabilities for each row, as scikit-learn's export has."""
    graph = helper.make_graph(
        [
            helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
            helper.make_node("ZipMap", ["x"], ["probabilities"], domain="ai.onnx.ml", classlabels_int64s=[0, 1]),
        ],
        "classes",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
            helper.make_value_info(
                "probabilities",
                helper.make_sequence_type_proto(
                    helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
                ),
            ),
        ],
    )
    return save(folder, graph)


def slow(folder: Path) -> OnnxModel:
    """Input x [any, 3], output y [any, 1]: the sum of each row, after many milliseconds of multiplying a matrix."""
    size, times = 512, 40
    weights = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("shape", TensorProto.INT64, [2], [size, size]),
    ]
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["all"], keepdims=0),
        helper.make_node("Expand", ["all", "shape"], ["m0"]),
        *(helper.make_node("MatMul", [f"m{index}", f"m{index}"], [f"m{index + 1}"]) for index in range(times)),
        helper.make_node("ReduceMax", [f"m{times}"], ["most"], keepdims=0),
        helper.make_node("Min", ["most", "zero"], ["low"]),
        helper.make_node("Max", ["low", "zero"], ["nothing"]),
        helper.make_node("ReduceSum", ["x", "axes"], ["sum"], keepdims=1),
        helper.make_node("Add", ["sum", "nothing"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        weights,
    )
    return save(folder, graph)
