"""The models that all servers of the benchmark serve: gradient boosting and a network, 30 features each."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingRegressor

FEATURES = 30
HIDDEN = 1024  # three layers of it: 2.1 million parameters
SEED = 20261125
OPSETS = {"": 17, "ai.onnx.ml": 3}


def make(folder: Path) -> dict[str, Path]:
    """Name -> folder with model.onnx, made when it is not there: input `input` (n, 30) float32, one output (n, 1)."""
    made = {"gradient boosting": folder / "gb", "MLP": folder / "mlp"}
    for path, build in zip(made.values(), (_boosting, _network), strict=True):
        path.mkdir(parents=True, exist_ok=True)
        if not (path / "model.onnx").exists():
            (path / "model.onnx").write_bytes(build())
    return made


def _boosting() -> bytes:
    random = np.random.default_rng(SEED)
    rows = random.normal(size=(2_000, FEATURES)).astype(np.float32)
    target = 2 * rows[:, 0] + rows[:, 1] ** 2 + random.normal(size=len(rows))
    model = GradientBoostingRegressor(n_estimators=100, max_depth=3, random_state=SEED).fit(rows, target)
    types = [("input", FloatTensorType([None, FEATURES]))]
    exported: bytes = to_onnx(model, initial_types=types, target_opset=OPSETS).SerializeToString()
    return exported


def _network() -> bytes:
    random = np.random.default_rng(SEED)
    sizes = [FEATURES, HIDDEN, HIDDEN, HIDDEN, 1]
    nodes, weights, name = [], [], "input"
    for index, (rows, columns) in enumerate(pairwise(sizes)):
        values = (random.normal(size=(rows, columns)) / rows**0.5).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{index}"))
        last = index == len(sizes) - 2
        nodes.append(helper.make_node("MatMul", [name, f"w{index}"], ["output" if last else f"m{index}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"m{index}"], [f"a{index}"]))
        name = f"a{index}"
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, FEATURES])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [None, 1])],
        weights,
    )
    opsets = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    onnx.checker.check_model(content)
    return content
