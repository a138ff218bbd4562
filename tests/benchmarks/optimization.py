"""What converting a model to ONNX and optimising it gains: original predict latency by that of the best variant, for
scikit-learn's bundled data sets and seven kinds of models, each trained, converted, verified and measured."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from shared.errors import SlipwayError
from shared.optimization.optimize import optimize
from shared.optimization.plan import ROW_COUNTS
from shared.resources.optimization import OptimizationResult, VariantResult
from tests.benchmarks.report import Result, Table
from tests.scenarios.optimization_models import built, plan_of, train

GOAL = 2.0
DATA = ("iris", "wine", "breast_cancer", "digits", "diabetes")  # the last one is a regression
# Environment, and the estimator with {} for Classifier or Regressor.
MODELS = {
    "linear, scaled": ("sklearn", "make_pipeline(StandardScaler(), {linear}())"),
    "MLP, scaled": ("sklearn", "make_pipeline(StandardScaler(), MLP{}(max_iter=200, random_state=0))"),
    "SVM, scaled": ("sklearn", "make_pipeline(StandardScaler(), {svm}())"),
    "random forest": ("sklearn", "RandomForest{}(random_state=0)"),
    "gradient boosting": ("sklearn", "GradientBoosting{}(random_state=0)"),
    "XGBoost": ("xgboost", "xgboost.XGB{}(n_estimators=100)"),
    "LightGBM": ("lightgbm", "lightgbm.LGBM{}(n_estimators=100, verbose=-1)"),
}
CODE = """
import warnings; warnings.simplefilter("ignore")
import joblib, numpy
from sklearn import datasets
from sklearn.ensemble import *
from sklearn.linear_model import *
from sklearn.neural_network import *
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import *
{more}
X, y = datasets.load_{data}(return_X_y=True)
numpy.save("rows.npy", X)
joblib.dump({model}.fit(X, y), "model.joblib")
"""


async def measure(quick: bool) -> Result:
    """Every kind on every data set; `quick`: two of the kinds on two of the sets."""
    kinds = dict(list(MODELS.items())[:: 3 if quick else 1])
    data = DATA[:2] if quick else DATA
    results = {kind: {name: await _optimized(kind, name, quick) for name in data} for kind in kinds}
    samples = {
        kind: {name: one.model_dump(mode="json") if one else None for name, one in found.items()}
        for kind, found in results.items()
    }
    return Result("optimization", [_gains(results), _best(results)], samples)


async def _optimized(kind: str, data: str, quick: bool) -> OptimizationResult | None:
    """None when it cannot be converted; why is printed."""
    name, form = MODELS[kind]
    environment = await built(name)
    folder = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    try:
        await train(environment, folder, _code(name, form, data))
        plan = plan_of(folder, "model.joblib", environment)
        plan = replace(plan, row_counts=ROW_COUNTS, measure_s=0.5 if quick else 2.0, timeout_s=600)
        result = await optimize(plan)
        print(f"{kind}, {data}: {result.reason} ({result.duration_s:.0f} s)", flush=True)
        return result
    except SlipwayError as error:
        print(f"{kind}, {data}: {error}", flush=True)
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _code(environment: str, form: str, data: str) -> str:
    regression = data == "diabetes"
    words = (
        {"linear": "LinearRegression", "svm": "SVR"} if regression else {"linear": "LogisticRegression", "svm": "SVC"}
    )
    model = form.format("Regressor" if regression else "Classifier", **words)
    more = f"import {environment}" if environment != "sklearn" else ""
    return CODE.format(more=more, data=data, model=model)


def _shown(result: OptimizationResult | None) -> VariantResult | None:
    """The best one; where nothing is faster, the plain conversion: it is not left out of the mean."""
    if result is None:
        return None
    wanted = result.best or "onnx"
    return next((one for one in result.variants if one.variant == wanted and one.verified), None)


def _gains(results: dict[str, dict[str, OptimizationResult | None]]) -> Table:
    rows, missed = [], []
    for kind, found in results.items():
        shown = [one for one in map(_shown, found.values()) if one is not None]
        cells = []
        for place, count in enumerate(ROW_COUNTS):
            gains = [one.latencies[place].gain.value for one in shown]
            mean = statistics.geometric_mean(gains)
            cells.append(f"{mean:.2f} ({min(gains):.2f}-{max(gains):.2f})")
            if mean < GOAL:
                missed.append(f"{kind} at {count:,} rows ({mean:.2f})")
        rows.append((kind, *cells, f"{len(shown)} of {len(found)}"))
    columns = ("kind", *(f"{count:,} row{'s' if count > 1 else ''}" for count in ROW_COUNTS), "verified")
    note = f"Goal: above {GOAL:g} everywhere: {'missed by ' + ', '.join(missed) if missed else 'reached'}."
    title = "Original predict latency / best ONNX variant's, one thread each: geometric mean over data sets (range)"
    return Table(title, columns, rows, note)


def _best(results: dict[str, dict[str, OptimizationResult | None]]) -> Table:
    columns = ("kind", *next(iter(results.values())))
    rows = [(kind, *(_choice(one) for one in found.values())) for kind, found in results.items()]
    return Table("The best variant, and its gain over all numbers of rows with its 95 % interval", columns, rows)


def _choice(result: OptimizationResult | None) -> str:
    best = _shown(result) if result and result.best else None
    if best is None or best.gain is None:
        return "none" if result else "not converted"
    return f"{best.variant} {best.gain.value:.1f} ({best.gain.low:.1f}-{best.gain.high:.1f})"
