"""Sessions of ONNX Runtime on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def session_of(path: str | Path, threads: int) -> Any:
    """An InferenceSession that computes with so many threads, and does not spin while it waits: what is measured
    beside it keeps its core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
