"""Graphs say the same after nodes were folded into their neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from shared.optimization.workers.folding import fold
from shared.optimization.workers.from_sklearn import SklearnModel
from shared.optimization.workers.rows import MATRIX, Rows


def answers(model: Any, rows: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, {session.get_inputs()[0].name: rows.astype(np.float32)})
    return found


@pytest.mark.parametrize(
    ("estimator", "load", "gone"),
    [
        (LogisticRegression(), load_iris, {"Scaler", "Normalizer"}),
        (LinearRegression(), load_diabetes, {"Scaler"}),
        (MLPRegressor(hidden_layer_sizes=(8,), max_iter=2000, random_state=0), load_diabetes, {"Scaler"}),
    ],
)
def test_a_scaler_is_folded_into_what_follows(estimator: Any, load: Any, gone: set[str]) -> None:
    rows, wanted = load(return_X_y=True)
    rows = rows + np.arange(rows.shape[1])  # offsets of their own
    pipeline = make_pipeline(StandardScaler(), estimator).fit(rows, wanted)
    source = SklearnModel(pipeline, Rows({MATRIX: rows}))
    model = source.convert(None)
    assert gone <= {node.op_type for node in model.graph.node}
    assert fold(model) >= len(gone)
    assert not gone & {node.op_type for node in model.graph.node}
    onnx.checker.check_model(model, full_check=True)
    for got, expected in zip(answers(model, rows), source.outputs(Rows({MATRIX: rows})), strict=True):
        np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=1e-3, atol=1e-4)
    assert fold(model) == 0


def test_trees_and_values_that_others_read_stay() -> None:
    rows, labels = load_iris(return_X_y=True)
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(3)).fit(rows, labels)
    assert fold(SklearnModel(forest, Rows({MATRIX: rows})).convert(None)) == 0
    scaler = helper.make_node("Scaler", ["x"], ["s"], domain="ai.onnx.ml", offset=[1.0], scale=[2.0])
    linear = helper.make_node(
        "LinearRegressor", ["s"], ["y"], domain="ai.onnx.ml", coefficients=[3.0], intercepts=[4.0]
    )
    x, y, s = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in "xys")
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    for outputs, count in (([y, s], 0), ([y], 1)):
        graph = helper.make_graph([scaler, linear], "g", [x], outputs)
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        assert fold(model) == count
        assert answers(model, np.array([[5.0]]))[0] == pytest.approx(28.0)
