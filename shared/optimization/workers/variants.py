"""Makes variants of an ONNX file and verifies each on the sample, against what the original answered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .compare import compare_outputs
from .convert import EXPECTED, TARGET
from .entry import say
from .folding import fold
from .rows import Rows, read_rows
from .sessions import session_of

CHUNK_ROWS = 1000
FOLDED = "folded.onnx"
PRODUCTS = ["MatMul", "Gemm", "Conv"]
# ONNX Runtime's "Quantize ONNX Models": an x86 processor without VNNI adds two products of 8 bits in 16 and saturates,
# so that a model verified on one machine would answer wrongly on another. With weights of 7 bits nothing overflows.
SEVEN_BITS = True


class NotApplicableError(Exception):
    """The variant would be the same model again."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """{"variants": [...]}: for each asked for, "variant", "path", "size_bytes", "verified", "reason", "outputs",
    "differing"; the file of each lies in the working directory."""
    rows = read_rows(request["sample"])
    calibration = read_rows(request["calibration"])
    with np.load(EXPECTED, allow_pickle=False) as found:
        expected = {name: found[name] for name in request["outputs"]}
    results = []
    for name in request["variants"]:
        say(f"making and verifying {name}")
        tolerances = request["tolerances" if name in request["exact"] else "reduced_tolerances"]
        results.append({"variant": name, **_one(name, rows, calibration, expected, tolerances)})
    return {"variants": results, "calibration_rows": len(calibration)}


def _one(
    name: str, rows: Rows, calibration: Rows, expected: dict[str, np.ndarray], tolerances: dict[str, float]
) -> dict[str, Any]:
    target = f"{name}.onnx"
    try:
        MAKERS[name](target, calibration)
        got = _answers(target, rows)
    except NotApplicableError as error:
        return {"verified": False, "reason": f"not applicable: {error}"}
    except Exception as error:  # noqa: BLE001 - a variant that cannot be made is one line of the table
        return {"verified": False, "reason": f"{type(error).__name__}: {str(error)[:500]}"}
    return {"path": target, "size_bytes": os.path.getsize(target), **compare_outputs(expected, got, tolerances)}


def _answers(path: str, rows: Rows) -> dict[str, np.ndarray]:
    session = session_of(path, 1)
    names = [output.name for output in session.get_outputs()]
    feeds = rows.feeds(session.get_inputs())
    parts = [
        session.run(names, {name: array[begin : begin + CHUNK_ROWS] for name, array in feeds.items()})
        for begin in range(0, len(rows), CHUNK_ROWS)
    ]
    return {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(names)}


def _as_converted(target: str, calibration: Rows) -> None:
    if not Path(target).exists():
        raise FileNotFoundError(target)


def _graph(target: str, calibration: Rows) -> None:
    """Extended, not all: layouts of the last level fit only the processor that they were made on."""
    import onnx
    import onnxruntime

    model = onnx.load(TARGET)
    folded = fold(model)
    onnx.save(model, FOLDED)
    if folded:
        onnx.checker.check_model(FOLDED, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = target
    options.log_severity_level = 4
    onnxruntime.InferenceSession(FOLDED, options, providers=["CPUExecutionProvider"])


def _float16(target: str, calibration: Rows) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(onnx.load(TARGET), keep_io_types=True)
    if not any(one.data_type == onnx.TensorProto.FLOAT16 for one in model.graph.initializer):
        raise NotApplicableError("no weight of it can be in half precision; trees and vectors of ai.onnx.ml cannot")
    onnx.save(model, target)


def _int8_dynamic(target: str, calibration: Rows) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(TARGET, target, weight_type=QuantType.QInt8, reduce_range=SEVEN_BITS)
    _require_quantised(target)


def _int8_static(target: str, calibration: Rows) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = "prepared.onnx"
    quant_pre_process(TARGET, prepared, skip_symbolic_shape=True)
    reader = _CalibrationReader(calibration.feeds(session_of(TARGET, 1).get_inputs()))
    quantize_static(
        prepared,
        target,
        reader,
        op_types_to_quantize=PRODUCTS,  # nothing is gained by others, and some outputs of theirs cannot be
        quant_format=QuantFormat.QDQ,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=SEVEN_BITS,
    )
    _require_quantised(target)


class _CalibrationReader:
    """onnxruntime.quantization's CalibrationDataReader: batches, then None."""

    def __init__(self, feeds: dict[str, np.ndarray]) -> None:
        self._batches = self._split(feeds)

    def _split(self, feeds: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        count = len(next(iter(feeds.values())))
        for begin in range(0, count, CHUNK_ROWS):
            yield {name: array[begin : begin + CHUNK_ROWS] for name, array in feeds.items()}

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch, None after the last."""
        return next(self._batches, None)


def _require_quantised(target: str) -> None:
    import onnx

    quantised = {"QLinearMatMul", "MatMulInteger", "ConvInteger", "QLinearConv", "QGemm", "DequantizeLinear"}
    quantised |= {"DynamicQuantizeMatMul", "DynamicQuantizeLSTM"}
    if not any(node.op_type in quantised for node in onnx.load(target).graph.node):
        raise NotApplicableError("it has no operator that can be quantised (matrix products, convolutions)")


MAKERS: dict[str, Callable[[str, Rows], None]] = {
    "onnx": _as_converted,
    "graph": _graph,
    "float16": _float16,
    "int8-dynamic": _int8_dynamic,
    "int8-static": _int8_static,
}
