"""Each kind by its own framework, in its own locked environment."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.optimization.optimize import optimize
from shared.resources.optimization import OptimizationResult, Variant
from tests.scenarios.optimization_models import ENVIRONMENTS, built, plan_of, train

pytestmark = pytest.mark.slow

BOOSTED = """
import joblib, numpy
from sklearn.datasets import load_{data}
import {module}
X, y = load_{data}(return_X_y=True)
numpy.save("rows.npy", X)
model = {module}.{model}(n_estimators=20).fit(X, y)
joblib.dump(model, "model.joblib")
{saved}
"""
PIPELINE = """
import joblib, numpy, xgboost
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.impute import SimpleImputer
X, y = load_wine(return_X_y=True)
numpy.save("rows.npy", X)
for first, name in ((SimpleImputer(), "exact.joblib"), (StandardScaler(), "rounded.joblib")):
    joblib.dump(make_pipeline(first, xgboost.XGBClassifier(n_estimators=20)).fit(X, y), name)
"""
COLUMNS = """
import joblib, pandas
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
rows = pandas.DataFrame({"size": [1.0, 2.5, 3.0, 4.5] * 9, "colour": ["red", "blue", "blue", "green"] * 9})
rows.to_csv("rows.csv", index=False)
columns = make_column_transformer((StandardScaler(), ["size"]), (OneHotEncoder(), ["colour"]))
joblib.dump(make_pipeline(columns, LogisticRegression()).fit(rows, ["yes", "no", "yes", "no"] * 9), "model.joblib")
"""
TORCH = """
import numpy, torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3)).eval()
rows = torch.randn(50, 8)
numpy.save("rows.npy", rows.numpy())
torch.save(model, "model.pth")
torch.jit.trace(model, rows).save("traced.pt")
shapes = ({0: torch.export.Dim("rows")},)
torch.export.save(torch.export.export(model, (rows,), dynamic_shapes=shapes), "exported.pt2")
"""
KERAS = """
import numpy, keras
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(3, "softmax")])
numpy.save("rows.npy", numpy.random.default_rng(0).normal(size=(50, 8)).astype("float32"))
model.save("model.keras")
model.export("saved")
"""


def verified(result: OptimizationResult) -> set[Variant]:
    found = {one.variant for one in result.variants if one.verified}
    assert {Variant.ONNX, Variant.GRAPH} <= found, [(one.variant, one.reason) for one in result.variants]
    return found


@pytest.mark.parametrize(
    ("kind", "model", "data", "saved"),
    [
        ("xgboost", "XGBClassifier", "iris", 'model.save_model("model.ubj")'),
        ("xgboost", "XGBRegressor", "diabetes", 'model.save_model("model.ubj")'),
        ("lightgbm", "LGBMClassifier", "breast_cancer", 'model.booster_.save_model("model.txt")'),
        ("lightgbm", "LGBMRegressor", "diabetes", 'model.booster_.save_model("model.txt")'),
    ],
)
async def test_boosted_trees(tmp_path: Path, kind: str, model: str, data: str, saved: str) -> None:
    environment = await built(kind)
    await train(environment, tmp_path, BOOSTED.format(module=kind, model=model, data=data, saved=saved))
    for name in ("model.joblib", "model.ubj" if kind == "xgboost" else "model.txt"):
        plan = plan_of(tmp_path, name, environment)
        assert plan.model.kind.name == kind
        result = await optimize(plan)
        verified(result)
        assert result.best


async def test_a_pipeline_that_ends_in_xgboost(tmp_path: Path) -> None:
    """XGBoost splits at the values of the data. Scaled in float32 instead of float64, some rows fall on the other side:
    that is no longer the same model, and a few rows of a few labels would not show it."""
    environment = await built("xgboost")
    await train(environment, tmp_path, PIPELINE)
    plan = plan_of(tmp_path, "exact.joblib", environment)
    assert plan.model.kind.name == "xgboost"
    verified(await optimize(plan))
    rounded = await optimize(plan_of(tmp_path, "rounded.joblib", environment))
    assert rounded.best is None
    assert {one.output for one in rounded.variants[0].differing} == {"probabilities"}


async def test_columns_of_numbers_and_texts(tmp_path: Path) -> None:
    environment = await built("sklearn")
    await train(environment, tmp_path, COLUMNS)
    plan = replace(plan_of(tmp_path, "model.joblib", environment), sample=tmp_path / "rows.csv")
    verified(await optimize(plan))


@pytest.mark.parametrize("name", ["model.pth", "traced.pt", "exported.pt2"])
async def test_pytorch(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index has a build of PyTorch with CUDA, of several GB: only one for the processor alone is taken."""
    found = [
        path for place in os.environ.get("PIP_FIND_LINKS", "").split() for path in Path(place).glob("torch-*+cpu-*")
    ]
    if not found:
        pytest.skip("no wheel of PyTorch for the processor alone is here (PIP_FIND_LINKS)")
    monkeypatch.setenv("UV_FIND_LINKS", str(found[0].parent))
    environment = await built("pytorch", found[0].name.split("-")[1].partition("+")[0])
    await train(environment, tmp_path, TORCH)
    result = await optimize(plan_of(tmp_path, name, environment))
    assert Variant.FLOAT16 in verified(result)


@pytest.mark.parametrize("name", ["model.keras", "saved"])
async def test_tensorflow(tmp_path: Path, name: str) -> None:
    environment = await built("tensorflow")
    await train(environment, tmp_path, KERAS)
    assert np.load(tmp_path / "rows.npy").shape == (50, 8)
    result = await optimize(plan_of(tmp_path, name, environment))
    assert Variant.FLOAT16 in verified(result)
    assert ENVIRONMENTS in environment.folder.parents
