"""What every kind of source gives: the model in its own framework, and the same as ONNX."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .rows import Rows


class Source(Protocol):
    """A model that was opened by its framework."""

    def convert(self, opset: int | None) -> Any:
        """The model as an ONNX ModelProto; None: the newest opset that the converter knows."""
        ...

    def outputs(self, rows: Rows) -> list[np.ndarray]:
        """What it answers, in the order of the ONNX file's outputs."""
        ...

    def prepare(self, rows: Rows) -> Any:
        """The rows as `predict` takes them."""
        ...

    def predict(self, prepared: Any) -> Any:
        """The call that is measured: the one that people use."""
        ...


def open_source(module: str, path: str, rows: Rows, threads: int) -> Source:
    """The model in `path`, opened by workers.MODULE. This runs whatever a pickle in it says."""
    source: Source = importlib.import_module(f"workers.{module}").open_model(path, rows, threads)
    return source


def load_pickle(path: str, required: tuple[str, ...]) -> Any:
    """The object of a pickle or joblib file. Raises ValueError for one without the methods of a model."""
    try:
        import joblib

        model = joblib.load(path)
    except ImportError:
        model = pickle.loads(Path(path).read_bytes())  # noqa: S301 - the sandbox is there for this
    if not all(callable(getattr(model, name, None)) for name in required):
        raise ValueError(f"the file holds {type(model).__name__}, which is no model: it has no {', '.join(required)}")
    return model


def as_table(rows: Rows, names: Any) -> Any:
    """The rows as a pandas DataFrame, where the model knows its columns by name or the columns have types; else the
    matrix."""
    if len(rows.arrays) == 1 and names is None:
        return rows.matrix
    import pandas

    if len(rows.arrays) == 1:
        return pandas.DataFrame(rows.matrix, columns=list(rows.columns or names))
    return pandas.DataFrame(rows.arrays)


def plain(values: Any) -> np.ndarray:
    """Labels and numbers as an array that can be stored without a pickle."""
    array = np.asarray(values)
    return array.astype(str) if array.dtype == object else array
