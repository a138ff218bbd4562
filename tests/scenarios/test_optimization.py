"""Real models, converted, verified and measured; models that differ, or attack, are refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from shared.errors import Invalid, Permanent
from shared.optimization.environment import BuiltEnvironment
from shared.optimization.kinds import recognise
from shared.optimization.optimize import optimize
from shared.optimization.plan import Plan
from shared.resources.optimization import OptimizationResult, Tolerances, Variant, VariantResult
from tests.benchmarks.report import ROOT
from tests.scenarios.optimization_models import ENVIRONMENTS, OWN, built, plan_of, train

FOREST = """
import joblib, numpy
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
X, y = load_iris(return_X_y=True)
numpy.save("rows.npy", X)
joblib.dump(RandomForestClassifier(20, random_state=0).fit(X, y), "model.joblib")
"""
# float32 cannot tell these rows apart, which the original does.
FINE = """
import joblib, numpy
from sklearn.linear_model import LinearRegression
X = 1e9 + numpy.arange(40.0).reshape(-1, 1)
numpy.save("rows.npy", X)
joblib.dump(LinearRegression().fit(X, numpy.arange(40.0)), "model.joblib")
"""


def variant(result: OptimizationResult, name: Variant) -> VariantResult:
    return next(one for one in result.variants if one.variant == name)


@pytest.mark.slow
async def test_a_model_is_optimised_by_the_command(tmp_path: Path) -> None:
    environment = await built("sklearn")
    await train(environment, tmp_path, FOREST)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.optimization", "--model", str(tmp_path / "model.joblib"), "--json"),
        *("--sample", str(tmp_path / "rows.npy"), "--out", str(tmp_path / "out"), "--environments", str(ENVIRONMENTS)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, progress = await process.communicate()
    assert process.returncode == 0, progress.decode()
    result = OptimizationResult.model_validate(json.loads(out))
    assert result == OptimizationResult.model_validate_json((tmp_path / "out" / "optimization.json").read_bytes())
    assert result.best in (Variant.ONNX, Variant.GRAPH)
    best = variant(result, result.best)
    assert best.gain is not None
    assert best.gain.low > 1
    assert [one.rows for one in best.latencies] == [1, 100, 10_000]
    assert "cannot" in variant(result, Variant.FLOAT16).reason  # trees have no half precision
    content = (tmp_path / "out" / best.path).read_bytes()
    assert (best.sha256, best.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    proof = result.proof
    assert (proof.rows_compared, proof.threads, set(proof.opsets)) == (150, 1, {"ai.onnx", "ai.onnx.ml"})
    assert {"scikit-learn", "skl2onnx", "onnx", "onnxruntime"} <= set(proof.packages)
    assert proof.max_abs is not None
    assert proof.max_abs <= proof.tolerances.max_abs
    assert b"measuring 10,000 rows" in progress
    session = onnxruntime.InferenceSession(content)
    labels, _ = session.run(None, {"input": np.load(tmp_path / "rows.npy").astype(np.float32)})
    assert set(labels) == {0, 1, 2}


async def test_a_model_whose_conversion_differs_is_refused_with_its_rows(tmp_path: Path) -> None:
    await train(OWN, tmp_path, FINE)
    result = await optimize(plan_of(tmp_path, "model.joblib"))
    assert result.best is None
    assert "same answers" in result.reason
    converted = variant(result, Variant.ONNX)
    assert not converted.verified
    assert "rows differ by more than 0.0001 + 0.001 * |expected|" in converted.reason
    shown = converted.differing[0]
    assert abs(float(shown.expected.strip("[]")) - float(shown.got.strip("[]"))) > 0.001
    assert (converted.latencies, converted.gain, converted.path) == ([], None, "")
    assert not list((tmp_path / "out").iterdir())


def write_network(folder: Path) -> None:
    """A layer with weights of very different sizes: int8 with a scale for each matrix is coarse."""
    random = np.random.default_rng(0)
    weights = random.normal(size=(16, 4)).astype(np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["h"])
    softmax = helper.make_node("Softmax", ["h"], ["y"])
    graph = helper.make_graph(
        [node, softmax],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 4])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    np.save(folder / "rows.npy", random.normal(size=(200, 16)))


async def test_precision_is_given_up_only_within_the_tolerances(tmp_path: Path) -> None:
    write_network(tmp_path)
    plan = plan_of(tmp_path, "model.onnx")
    loose = await optimize(Plan(plan.model, plan.sample, OWN, plan.out, row_counts=(1,), measure_s=0.2, opset=20,
                                reduced_tolerances=Tolerances(max_abs=0.2)))  # fmt: skip
    assert all(one.verified for one in loose.variants), loose.variants
    assert loose.proof.opsets == {"ai.onnx": 20}
    kinds = {node.op_type for node in onnx.load(tmp_path / "out" / "int8-static.onnx").graph.node}
    assert "DequantizeLinear" in kinds
    tight = await optimize(Plan(plan.model, plan.sample, OWN, tmp_path / "tight", row_counts=(1,), measure_s=0.2,
                                reduced_tolerances=Tolerances(max_abs=1e-7, max_rel=0)))  # fmt: skip
    assert {one.variant for one in tight.variants if one.verified} == {Variant.ONNX, Variant.GRAPH}
    assert all(variant(tight, name).differing for name in (Variant.FLOAT16, Variant.INT8_DYNAMIC, Variant.INT8_STATIC))


async def test_a_plan_that_is_wrong_names_each_fault(tmp_path: Path) -> None:
    write_network(tmp_path)
    model = recognise(tmp_path / "model.onnx")
    with pytest.raises(Invalid) as raised:
        await optimize(Plan(model, tmp_path / "gone.csv", OWN, tmp_path, opset=99, row_counts=(), timeout_s=0))
    assert [fault.pointer for fault in raised.value.faults] == ["/sample", "/opset", "/row_counts", "/timeout_s"]


async def test_what_is_no_model_ends_with_the_reason(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((2, 2)))
    (tmp_path / "model.onnx").write_bytes(b"no protobuf")
    with pytest.raises(Permanent, match="convert: InvalidProtobuf"):
        await optimize(plan_of(tmp_path, "model.onnx"))
    (tmp_path / "model.joblib").write_bytes(b"\x80\x04]\x94.")  # an empty list
    with pytest.raises(Permanent, match="the file holds list, which is no model"):
        await optimize(plan_of(tmp_path, "model.joblib"))


async def test_an_environment_without_the_tools_says_so(tmp_path: Path) -> None:
    write_network(tmp_path)
    bare = BuiltEnvironment(Path(sys.base_prefix), "bare", ())
    with pytest.raises(Permanent, match="No module named"):
        await optimize(plan_of(tmp_path, "model.onnx", bare))
