"""scikit-learn's estimators and pipelines, by skl2onnx."""

from __future__ import annotations

from typing import Any

import numpy as np

from .rows import MATRIX, Rows
from .source import as_table, load_pickle, plain

ML_OPSET = 3  # the newest that the converters of XGBoost and LightGBM write


class SklearnModel:
    """A fitted estimator. The outputs are label and probabilities, label alone, or the value."""

    def __init__(self, model: Any, rows: Rows) -> None:
        self._model = model
        self._rows = rows
        self._names = getattr(model, "feature_names_in_", None)
        self._has_labels = hasattr(model, "classes_")
        self._has_probabilities = self._has_labels and hasattr(model, "predict_proba")

    def convert(self, opset: int | None) -> Any:
        """See Source."""
        from skl2onnx import convert_sklearn
        from skl2onnx.proto import get_latest_tested_opset_version

        options = {id(self._model): {"zipmap": False}} if self._has_labels else None
        target = {"": opset or get_latest_tested_opset_version(), "ai.onnx.ml": ML_OPSET}
        converted = convert_sklearn(self._model, initial_types=_types(self._rows), options=options, target_opset=target)
        if self._has_labels and not self._has_probabilities:
            del converted.graph.output[1:]  # scores, whose meaning differs between the two
        return converted

    def outputs(self, rows: Rows) -> list[np.ndarray]:
        """See Source."""
        prepared = self.prepare(rows)
        answers = [plain(self._model.predict(prepared))]
        if self._has_probabilities:
            answers.append(plain(self._model.predict_proba(prepared)))
        return answers

    def prepare(self, rows: Rows) -> Any:
        """See Source."""
        return as_table(rows, self._names)

    def predict(self, prepared: Any) -> Any:
        """See Source."""
        return self._model.predict(prepared)


def open_model(path: str, rows: Rows, threads: int) -> SklearnModel:
    """The estimator in a pickle or joblib file."""
    return SklearnModel(load_pickle(path, ("predict",)), rows)


def _types(rows: Rows) -> list[tuple[str, Any]]:
    """One input of float32 for numbers alone; one for each column otherwise."""
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    if len(rows.arrays) == 1:
        return [(MATRIX, FloatTensorType([None, *rows.matrix.shape[1:]]))]
    return [
        (name, StringTensorType([None, 1]) if array.dtype == object else FloatTensorType([None, 1]))
        for name, array in rows.arrays.items()
    ]
