"""ONNX itself: nothing to convert, but something to optimise."""

from __future__ import annotations

from typing import Any

import numpy as np

from .rows import Rows
from .source import plain


class OnnxModel:
    """An ONNX file."""

    def __init__(self, path: str, threads: int) -> None:
        from .sessions import session_of

        self._path = path
        self._session = session_of(path, threads)

    def convert(self, opset: int | None) -> Any:
        """See Source; with another opset than its own, the file is brought to that by onnx.version_converter."""
        import onnx

        model = onnx.load(self._path)
        if opset is None or any(one.domain == "" and one.version == opset for one in model.opset_import):
            return model
        return onnx.version_converter.convert_version(model, opset)

    def outputs(self, rows: Rows) -> list[np.ndarray]:
        """See Source."""
        return [plain(one) for one in self.predict(self.prepare(rows))]

    def prepare(self, rows: Rows) -> Any:
        """See Source."""
        return rows.feeds(self._session.get_inputs())

    def predict(self, prepared: Any) -> Any:
        """See Source."""
        return self._session.run(None, prepared)


def open_model(path: str, rows: Rows, threads: int) -> OnnxModel:
    """The model in an .onnx file."""
    return OnnxModel(path, threads)
