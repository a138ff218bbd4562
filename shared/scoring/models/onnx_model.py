"""One ONNX model in one onnxruntime session."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from shared.scoring.errors import StartError
from shared.scoring.models.cpus import usable_threads
from shared.scoring.models.signature import Array, Signature, signature, tensor, zeros

_COLUMNS = ("columns", "feature_names")  # keys of the model's own metadata that name a matrix's columns
_SAMPLES = ("sample_input.json", "input_example.json")
_SLOW_S = 0.001  # a row of a faster model costs less than waking further threads for it
_PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")
Outputs = dict[str, Any]  # an array, or a list with an item for each row (of sequences and maps)


class OnnxModel:
    """A loaded model. `run` may be called from several threads."""

    def __init__(self, name: str, version: str, path: Path, threads: int = 0) -> None:
        """With 0 threads `warm_up` decides. Raises StartError when the file is no model that onnxruntime can run."""
        self.name = name
        self.version = version
        self.path = path
        self.threads = threads or 1
        self._undecided = threads == 0
        self.row_s = 0.0  # for one row, after warm-up
        self._session = _open(path, self.threads)
        self.signature = _signature_of(self._session)
        self.sample = _sample_beside(path)
        self.providers: list[str] = list(self._session.get_providers())
        self._names = [each.name for each in self.signature.outputs]

    def run(self, feeds: dict[str, Array]) -> Outputs:
        """Outputs by name. Raises what onnxruntime raises."""
        return dict(zip(self._names, self._session.run(self._names, feeds), strict=True))

    def warm_up(self) -> bool:
        """Run zeros, and take more threads when that is slow; whether rows of several requests can be one call: the
        model says that any number is taken, and gives a row for each. Raises StartError."""
        if self._try(1) is None:
            return False
        self.row_s = self._timed()
        threads = usable_threads()
        if self._undecided and threads > 1 and self.row_s > _SLOW_S:
            self.threads = threads
            self._session = _open(self.path, threads)
            self._try(1)
            self.row_s = self._timed()
        if not self.signature.batchable:
            return False
        double = self._try(2)
        return double is not None and all(np.ndim(output) and len(output) == 2 for output in double.values())

    def _timed(self) -> float:
        began = time.perf_counter()
        self._try(1)
        return time.perf_counter() - began

    def _try(self, rows: int) -> Outputs | None:
        try:
            return self.run({each.name: zeros(each, rows) for each in self.signature.inputs})
        except Exception:  # noqa: BLE001 - zeros or a free size of 1 need not suit every model
            return None


def _open(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Raises StartError when the file is no model that onnxruntime can run."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    available = onnxruntime.get_available_providers()
    providers = [name for name in _PREFERRED if name in available]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        raise StartError(f"{path.name} is no ONNX model that onnxruntime can run: {error}") from error


def _signature_of(session: onnxruntime.InferenceSession) -> Signature:
    inputs = tuple(tensor(each.name, each.type, each.shape) for each in session.get_inputs())
    outputs = tuple(tensor(each.name, each.type, each.shape or [None]) for each in session.get_outputs())
    metadata = session.get_modelmeta().custom_metadata_map
    return signature(inputs, outputs, _columns_of(metadata))


def _columns_of(metadata: dict[str, str]) -> tuple[str, ...]:
    text = next((metadata[key] for key in _COLUMNS if key in metadata), "")
    if not text:
        return ()
    try:
        names = json.loads(text)
    except ValueError:
        names = [name.strip() for name in text.split(",")]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StartError(f"the model's metadata name no columns: {text[:80]!r}; expected: a JSON list of texts")
    return tuple(names)


def _sample_beside(path: Path) -> Any:
    """The document of a sample file beside the model, None when there is none. Raises StartError when it is no JSON."""
    for name in _SAMPLES:
        sample = path.with_name(name)
        if sample.is_file():
            try:
                return json.loads(sample.read_text(encoding="utf-8"))
            except ValueError as error:
                raise StartError(f"{name} is no JSON: {error}") from error
    return None


def rows_of(feeds: dict[str, Array]) -> int:
    """How many rows a call has: the first dimension of its first input; 1 for a scalar."""
    first = next(iter(feeds.values()))
    return int(first.shape[0]) if first.ndim else 1


def concatenated(calls: list[dict[str, Array]]) -> dict[str, Array]:
    """The inputs of several calls as those of one. Raises ValueError when other dimensions differ."""
    return {name: np.concatenate([feeds[name] for feeds in calls]) for name in calls[0]}
