"""XGBoost's models, alone or at the end of a scikit-learn pipeline, by onnxmltools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .from_sklearn import SklearnModel
from .rows import Rows
from .source import load_pickle

NATIVE = (".json", ".ubj", ".bst", ".xgb", ".model")  # XGBoost's own formats


def open_model(path: str, rows: Rows, threads: int) -> SklearnModel:
    """The model in a pickle, a joblib file or XGBoost's own format."""
    import xgboost

    _register(xgboost)
    if Path(path).suffix.lower() in NATIVE:
        model = _native(xgboost, path)
    else:
        model = load_pickle(path, ("predict",))
        if isinstance(model, xgboost.Booster):
            raise ValueError("a pickled Booster does not tell its task; save it by save_model, as .json or .ubj")
    if isinstance(model, xgboost.XGBModel):
        model.set_params(n_jobs=threads)
    return SklearnModel(model, rows)


def _native(xgboost: Any, path: str) -> Any:
    """The scikit-learn interface of a saved booster: its objective tells whether it has labels."""
    import json

    booster = xgboost.Booster(model_file=path)
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    model = xgboost.XGBClassifier() if objective.startswith(("binary:", "multi:")) else xgboost.XGBRegressor()
    model.load_model(path)
    return model


def _register(xgboost: Any) -> None:
    """Have skl2onnx convert XGBoost's models, in pipelines too."""
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    update_registered_converter(
        xgboost.XGBClassifier,
        "XGBoostXGBClassifier",
        calculate_linear_classifier_output_shapes,
        convert_xgboost,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        xgboost.XGBRegressor, "XGBoostXGBRegressor", calculate_linear_regressor_output_shapes, convert_xgboost
    )
