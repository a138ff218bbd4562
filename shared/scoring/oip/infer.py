"""Inference requests and responses (Open Inference Protocol v2, specification/protocol/inference_rest.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.scoring.errors import BadRequest, InputFault, InvalidInput
from shared.scoring.inputs.arrays import Feeds, check_rows, check_shape
from shared.scoring.inputs.faults import cell_faults
from shared.scoring.models.onnx_model import OnnxModel, Outputs
from shared.scoring.models.results import dump
from shared.scoring.models.signature import Array, Tensor
from shared.scoring.oip import binary


@dataclass(slots=True)
class Inference:
    """A request that was read: the id it came with, and for each wanted output whether it goes back as bytes."""

    id: str | None
    feeds: Feeds
    wanted: dict[str, bool]


def read(document: Any, raw: bytes, model: OnnxModel) -> Inference:
    """The inputs. Raises BadRequest for what is no inference request, InvalidInput for tensors the model can't take."""
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list):
        raise BadRequest("an inference request is an object with a list of inputs")
    identity = document.get("id")
    if identity is not None and not isinstance(identity, str):
        raise BadRequest("id is no text")
    tensors = {each.name: each for each in model.signature.inputs}
    feeds: Feeds = {}
    place = 0
    for given in document["inputs"]:
        each = _known(given, tensors)
        size = _size(given, "binary_data_size")
        data = raw[place : place + size] if size is not None else None
        place += size or 0
        if each.name in feeds:
            raise BadRequest(f"{each.name} is given twice")
        feeds[each.name] = _tensor(given, each, data)
    if place != len(raw):
        raise BadRequest(f"inputs name {place} bytes of binary data, the body has {len(raw)}")
    missing = [name for name in tensors if name not in feeds]
    if missing:
        raise InvalidInput(f"inputs are missing: {', '.join(missing)}")
    check_rows(feeds, model.signature)
    return Inference(identity, feeds, _wanted(document, model))


def _known(given: Any, tensors: dict[str, Tensor]) -> Tensor:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise BadRequest("an input is an object with name, shape, datatype and data")
    name = given["name"]
    if name not in tensors:
        raise InvalidInput(f"no input {name!r}; there are: {', '.join(tensors)}")
    return tensors[name]


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    parameters = given.get("parameters", {})
    if not isinstance(parameters, dict):
        raise BadRequest("parameters is no object")
    return parameters


def _size(given: dict[str, Any], name: str) -> int | None:
    size = _parameters(given).get(name)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise BadRequest(f"{name} is no number of bytes")
    return size


def _tensor(given: dict[str, Any], each: Tensor, data: bytes | None) -> Array:
    shape, datatype = given.get("shape"), given.get("datatype")
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise BadRequest(f"{each.name} has no shape that is a list of sizes")
    if datatype != each.datatype:
        fault = InputFault(f"its datatype is {datatype}", each.name, expected=each.datatype)
        raise InvalidInput(f"{each.name} has another datatype than the model takes", faults=(fault,))
    check_shape(tuple(shape), each)
    if data is not None:
        array = binary.decode(data, each.dtype, tuple(shape), each.name)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InvalidInput(f"{each.name} has values that are not finite")
        return array
    flat = _flat(given.get("data"))
    count = int(np.prod(shape, dtype=np.int64))
    if len(flat) != count:
        fault = InputFault(f"has {len(flat)} values", each.name, expected=f"{count}, by its shape")
        raise InvalidInput(f"{each.name} has not as many values as its shape", faults=(fault,))
    faults, _ = cell_faults([[cell] for cell in flat], each, [each.name], 1)
    if faults:
        raise InvalidInput("the data do not fit the model", faults=tuple(faults))
    return np.array(flat, dtype=each.dtype).reshape(shape)


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise BadRequest("an input has neither data (a list) nor binary data")
    while data and isinstance(data[0], list):
        if not all(isinstance(each, list) for each in data):
            raise BadRequest("data is nested unevenly")
        data = [cell for each in data for cell in each]
    return list(data)


def _wanted(document: dict[str, Any], model: OnnxModel) -> dict[str, bool]:
    all_binary = _parameters(document).get("binary_data_output") is True
    outputs = document.get("outputs")
    known = [each.name for each in model.signature.outputs]
    if outputs is None or outputs == []:
        return dict.fromkeys(known, all_binary)
    if not isinstance(outputs, list) or not all(isinstance(each, dict) for each in outputs):
        raise BadRequest("outputs is no list of objects")
    wanted: dict[str, bool] = {}
    for each in outputs:
        name = each.get("name")
        if name not in known:
            raise InvalidInput(f"no output {name!r}; there are: {', '.join(known)}")
        wanted[name] = _parameters(each).get("binary_data", all_binary) is True
    return wanted


def write(inference: Inference, outputs: Outputs, model: OnnxModel) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON when tensors follow as bytes. Outputs that are no tensors (maps of
    classifiers) go as texts of JSON."""
    datatypes = {each.name: each.datatype for each in model.signature.outputs}
    described, tails = [], []
    for name, as_bytes in inference.wanted.items():
        values = outputs[name]
        if not isinstance(values, np.ndarray | np.generic):
            values = np.array([dump(each).decode() for each in values], dtype=object)
        one: dict[str, Any] = {"name": name, "datatype": datatypes[name], "shape": list(values.shape)}
        if as_bytes:
            tails.append(binary.encode(values))
            one["parameters"] = {"binary_data_size": len(tails[-1])}
        else:
            flat = np.ascontiguousarray(values).reshape(-1)
            one["data"] = flat.tolist() if values.dtype == object else flat
        described.append(one)
    document: dict[str, Any] = {"model_name": model.name, "model_version": model.version, "outputs": described}
    if inference.id is not None:
        document["id"] = inference.id
    head = dump(document)
    return head + b"".join(tails), len(head) if tails else None
