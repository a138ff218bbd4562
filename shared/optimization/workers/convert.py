"""Converts a model to ONNX, checks it, and keeps what the original answers to the sample."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from .entry import say
from .rows import read_rows
from .source import open_source

PACKAGES = (
    *("scikit-learn", "xgboost-cpu", "xgboost", "lightgbm", "torch", "tensorflow-cpu", "tensorflow", "keras"),
    *("skl2onnx", "onnxmltools", "tf2onnx", "onnx", "onnxscript", "onnxruntime", "numpy"),
)
TREES_OPSET = 9  # for a model without an operator of the main set
TARGET, EXPECTED = "onnx.onnx", "expected.npz"


def run(request: dict[str, Any]) -> dict[str, Any]:
    """{"opsets", "packages", "outputs"}; writes TARGET, and EXPECTED with the original's answers by output. Raises
    ValueError for a conversion that has not the original's outputs, and what onnx.checker and shape inference raise."""
    import onnx

    rows = read_rows(request["sample"])
    say(f"opening the model and converting it ({request['module']})")
    source = open_source(request["module"], request["model"], rows, request["threads"])
    converted = _one_opset(_open_batch(source.convert(request["opset"])))
    onnx.save(converted, TARGET)
    onnx.checker.check_model(TARGET, full_check=True)  # with strict shape inference
    names = [output.name for output in converted.graph.output]
    say(f"asking the original about {len(rows)} rows")
    answers = source.outputs(rows)
    if len(answers) != len(names):
        raise ValueError(f"the ONNX file has the outputs {', '.join(names)}, the original gives {len(answers)}")
    np.savez(EXPECTED, **dict(zip(names, answers, strict=True)))
    opsets = {one.domain or "ai.onnx": one.version for one in converted.opset_import}
    return {"opsets": opsets, "packages": _versions(), "outputs": names}


def _open_batch(model: Any) -> Any:
    """The outputs of a model may have as many rows as its inputs: converters of trees write 1 for them."""
    for output in model.graph.output:
        dimensions = output.type.tensor_type.shape.dim
        if dimensions and dimensions[0].HasField("dim_value") and _has_open_batch(model):
            dimensions[0].dim_param = "rows"
    return model


def _one_opset(model: Any) -> Any:
    """Each operator set once, the main one too: skl2onnx may write one twice, converters of trees leave it out, and
    quantisation refuses both."""
    newest: dict[str, int] = {}
    for one in model.opset_import:
        newest[one.domain] = max(one.version, newest.get(one.domain, 0))
    newest.setdefault("", TREES_OPSET)
    del model.opset_import[:]
    for domain, number in newest.items():
        model.opset_import.add(domain=domain, version=number)
    return model


def _has_open_batch(model: Any) -> bool:
    first = [one.type.tensor_type.shape.dim[:1] for one in model.graph.input]
    return any(dimensions and not dimensions[0].HasField("dim_value") for dimensions in first)


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # of another kind's environment
            continue
    return found
