"""From a model's outputs to the JSON of an answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from shared.scoring.models.onnx_model import Outputs

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def dump(document: Any) -> bytes:
    """JSON of documents with arrays; NaN and Infinity become null."""
    return orjson.dumps(document, option=_OPTIONS)


def values_of(output: Any) -> Any:
    """An output as JSON takes it: an item for each row; rows of one value are that value."""
    if not isinstance(output, np.ndarray):
        return output
    if output.ndim == 0:
        return output.item()
    if output.ndim == 2 and output.shape[1] == 1:
        output = output.reshape(-1)
    if output.dtype == object:
        return output.tolist()
    return np.ascontiguousarray(output)


def columns(outputs: Outputs) -> Any:
    """The only output's values, or the values of each output by its name."""
    if len(outputs) == 1:
        return values_of(next(iter(outputs.values())))
    return {name: values_of(output) for name, output in outputs.items()}


def records(outputs: Outputs) -> Any:
    """A list with an item for each row: the only output's value, or an object with those of all outputs."""
    if len(outputs) == 1:
        return values_of(next(iter(outputs.values())))
    names = list(outputs)
    lists = [_listed(values_of(output)) for output in outputs.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=False)]


def _listed(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def body_of(outputs: Outputs, key: str) -> bytes:
    """The answer of /score. To Power BI's Inputs it is Results (both names by Azure ML's contract); to anything else it
    is the bare values, as an entry script would return them."""
    if key == "Inputs":
        return dump({"Results": records(outputs)})
    return dump(columns(outputs))
