"""What must hold for any bytes, parser by parser: arrays that fit the model, or an error of the 4xx kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from shared.scoring.errors import RequestError
from shared.scoring.http.messages import Request
from shared.scoring.inputs.arrays import Feeds
from shared.scoring.inputs.bodies import read
from shared.scoring.inputs.forms import load
from shared.scoring.models.results import body_of
from shared.scoring.models.signature import Signature, signature, tensor
from shared.scoring.oip import binary, infer
from tests.scoring_fuzz.http_front import check_http

MAX_BYTES = 100_000
_MIXED = {"age": "tensor(float)", "visits": "tensor(int64)", "city": "tensor(string)", "member": "tensor(bool)"}


@dataclass(frozen=True)
class Served:
    """As much of a model as parsers know."""

    signature: Signature
    name: str = "m"
    version: str = "1"


def _one(name: str, kind: str, shape: list[Any], columns: tuple[str, ...] = ()) -> Served:
    output = tensor("y", kind, shape)
    return Served(signature((tensor(name, kind, shape),), (output,), columns))


def _columns() -> Served:
    inputs = tuple(tensor(name, kind, ["n", 1]) for name, kind in _MIXED.items())
    return Served(signature(inputs, inputs, ()))


MODELS = (
    _one("x", "tensor(float)", ["n", 3], ("age", "income", "score")),
    _one("x", "tensor(float16)", ["n", None]),
    _columns(),
    _one("pixels", "tensor(uint8)", ["n", 2, 2, 3]),
    _one("x", "tensor(uint64)", ["n", 2]),
    _one("x", "tensor(int64)", []),
    _one("x", "tensor(string)", ["n", 2], ("a", "b")),
)


def check_body(model: Served, body: bytes, content_type: bytes) -> None:
    """A body of /score."""
    request = Request(b"POST", b"/score", [(b"Content-Type", content_type)])
    request.body = body
    names = frozenset(each.name for each in model.signature.inputs)
    try:
        feeds, key = read(request, model.signature, names, MAX_BYTES)
    except RequestError as error:
        _told(error)
        return
    _fits(model, feeds)
    orjson.loads(body_of(dict(feeds), key))


def check_query(model: Served, query: bytes) -> None:
    """The query of a GET."""
    request = Request(b"GET", b"/score?" + query, [])
    names = frozenset(each.name for each in model.signature.inputs)
    try:
        feeds, _ = read(request, model.signature, names, MAX_BYTES)
    except RequestError as error:
        _told(error)
        return
    _fits(model, feeds)


def check_inference(model: Served, body: bytes, head_bytes: int | None) -> None:
    """A request of the Open Inference Protocol; with head_bytes the rest of the body are tensors."""
    request = Request(b"POST", b"/v2/models/m/infer", [])
    if head_bytes is not None:
        request.headers[binary.HEADER] = str(head_bytes).encode()
    try:
        head, raw = binary.split(request, body)
        inference = infer.read(load(head), raw, model)  # type: ignore[arg-type]
    except RequestError as error:
        _told(error)
        return
    _fits(model, inference.feeds)
    outputs = {each.name: next(iter(inference.feeds.values())) for each in model.signature.outputs}
    written, head_length = infer.write(inference, outputs, model)  # type: ignore[arg-type]
    orjson.loads(written[:head_length])


def _told(error: RequestError) -> None:
    assert 400 <= error.status < 500, error
    assert len(error.faults) <= 20
    orjson.dumps([error.message, [fault.as_dict() for fault in error.faults]])


def _fits(model: Served, feeds: Feeds) -> None:
    for each in model.signature.inputs:
        array = feeds[each.name]
        assert array.dtype == np.dtype(each.dtype), (array.dtype, each)
        assert len(array.shape) == len(each.shape)
        assert all(size in (None, got) for size, got in zip(each.shape, array.shape, strict=True)), (array.shape, each)
        assert array.flags.c_contiguous
        if array.dtype.kind == "f":
            assert np.isfinite(array).all()
        if array.dtype == object:
            assert all(isinstance(text, str) for text in array.reshape(-1).tolist())


def _chosen(data: bytes) -> tuple[Served, bytes]:
    return MODELS[data[0] % len(MODELS)], data[1:]


def json_tensors(data: bytes) -> None:
    """JSON bodies."""
    check_body(*_chosen(data), b"application/json")


def pandas_forms(data: bytes) -> None:
    """The same under the keys of pandas' split and records, so that the rest of the form is found sooner."""
    model, rest = _chosen(data)
    for body in (
        b'{"dataframe_split":' + rest + b"}",
        b'{"dataframe_records":' + rest + b"}",
        b'{"data":' + rest + b"}",
    ):
        check_body(model, body, b"application/json")


def csv_bodies(data: bytes) -> None:
    """CSV bodies, and those with the header line of the model."""
    model, rest = _chosen(data)
    check_body(model, rest, b"text/csv")
    header = ",".join(model.signature.columns) or "0"
    check_body(model, header.encode() + b"\n" + rest, b"text/csv")


def queries(data: bytes) -> None:
    """Query strings."""
    check_query(*_chosen(data))


def oip_json(data: bytes) -> None:
    """Inference requests in JSON."""
    model, rest = _chosen(data)
    check_inference(model, rest, None)


def oip_binary(data: bytes) -> None:
    """Inference requests with tensors as bytes: the second and third byte are the length of the JSON."""
    model, rest = _chosen(data)
    check_inference(model, rest[2:], int.from_bytes(rest[:2], "big"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "json_tensors": json_tensors,
    "pandas_forms": pandas_forms,
    "csv_bodies": csv_bodies,
    "queries": queries,
    "oip_json": oip_json,
    "oip_binary": oip_binary,
    "http_front": check_http,
}
