"""LightGBM's models, alone or at the end of a scikit-learn pipeline, by onnxmltools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .from_sklearn import SklearnModel
from .rows import MATRIX, Rows
from .source import Source, load_pickle

NATIVE = (".txt", ".lgb", ".model")  # LightGBM's own format


class BoosterModel:
    """A Booster, which knows no labels but their numbers."""

    def __init__(self, booster: Any, threads: int) -> None:
        self._booster = booster
        self._threads = threads
        self._objective = str(booster.dump_model(num_iteration=1)["objective"]).split()[0]

    def convert(self, opset: int | None) -> Any:
        """See Source."""
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        types = [(MATRIX, FloatTensorType([None, self._booster.num_feature()]))]
        return convert_lightgbm(self._booster, initial_types=types, target_opset=opset, zipmap=False)

    def outputs(self, rows: Rows) -> list[np.ndarray]:
        """See Source."""
        answer = np.asarray(self.predict(self.prepare(rows)))
        if self._objective == "binary":
            return [(answer > 0.5).astype(np.int64), np.column_stack([1 - answer, answer])]
        if self._objective.startswith("multiclass"):
            return [answer.argmax(axis=1), answer]
        return [answer]

    def prepare(self, rows: Rows) -> Any:
        """See Source."""
        return rows.matrix

    def predict(self, prepared: Any) -> Any:
        """See Source."""
        return self._booster.predict(prepared, num_threads=self._threads)


def open_model(path: str, rows: Rows, threads: int) -> Source:
    """The model in a pickle, a joblib file or LightGBM's own format."""
    import lightgbm

    _register(lightgbm)
    if Path(path).suffix.lower() in NATIVE:
        return BoosterModel(lightgbm.Booster(model_file=path), threads)
    model = load_pickle(path, ("predict",))
    if isinstance(model, lightgbm.Booster):
        return BoosterModel(model, threads)
    if isinstance(model, lightgbm.LGBMModel):
        model.set_params(n_jobs=threads)
    return SklearnModel(model, rows)


def _register(lightgbm: Any) -> None:
    """Have skl2onnx convert LightGBM's models, in pipelines too."""
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    update_registered_converter(
        lightgbm.LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        lightgbm.LGBMRegressor,
        "LightGbmLGBMRegressor",
        calculate_linear_regressor_output_shapes,
        convert_lightgbm,
        options={"split": None},
    )
