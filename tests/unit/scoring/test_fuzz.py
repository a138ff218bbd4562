"""Whatever arrives, parsers give arrays that fit the model, or say what was wrong. Found inputs become tests of their
own; `pytest -m slow` looks longer."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.scoring.errors import RequestError
from shared.scoring.http.messages import Request
from shared.scoring.inputs.bodies import read
from shared.scoring.inputs.forms import KEYS, load
from shared.scoring.models.onnx_model import OnnxModel, rows_of
from shared.scoring.models.results import body_of
from shared.scoring.oip import binary, infer
from tests.unit.scoring.onnx_models import COLUMNS, image, mixed, sums

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=4)
NAMES = [*COLUMNS, *KEYS, "columns", "index", "x", "pixels", "city"]
CELLS = st.text(max_size=5) | st.floats().map(str) | st.integers().map(str)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*COLUMNS, *KEYS, "columns", "index", "x", "pixels", "city"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)
ROW = st.lists(NUMBERS | SCALARS, min_size=2, max_size=4)
TABLES = st.lists(ROW | st.fixed_dictionaries({name: SCALARS for name in COLUMNS}), max_size=4)
DOCUMENTS = VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES | TABLES, min_size=1, max_size=2) | TABLES
TYPES = st.sampled_from(["application/json", "text/csv", "", "text/plain", "image/png", "application/x+json"])
MAX_BYTES = 100_000
QUICK = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
LONG = settings(QUICK, max_examples=20_000)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[OnnxModel]:
    folder = tmp_path_factory.mktemp("models")
    return [sums(folder, columns=COLUMNS), mixed(folder), image(folder)]


def score(model: OnnxModel, body: bytes, content_type: str = "application/json", encoding: str = "") -> None:
    headers = [(b"Content-Type", content_type.encode())]
    headers += [(b"Content-Encoding", encoding.encode())] if encoding else []
    request = Request(b"POST", b"/score", headers)
    request.body = body
    names = frozenset(each.name for each in model.signature.inputs)
    try:
        feeds, key = read(request, model.signature, names, MAX_BYTES)
    except RequestError as error:
        told(error, 400, 413, 415, 422)
        return
    check(model, feeds)
    orjson.loads(body_of(model.run(feeds), key))


def told(error: RequestError, *statuses: int) -> None:
    assert error.status in statuses
    assert len(error.faults) <= 20


def check(model: OnnxModel, feeds: dict[str, Any]) -> None:
    assert rows_of(feeds) > 0
    for each in model.signature.inputs:
        array = feeds[each.name]
        assert array.dtype == np.dtype(each.dtype)
        assert all(size in (None, got) for size, got in zip(each.shape, array.shape, strict=True))
        if array.dtype.kind == "f":
            assert np.isfinite(array).all()


@QUICK
@given(document=DOCUMENTS, index=st.integers(0, 2))
def test_any_json(models: list[OnnxModel], document: Any, index: int) -> None:
    try:
        body = orjson.dumps(document)
    except TypeError:  # integers beyond 64 bits: written by hand
        body = str(document).replace("'", '"').encode("utf-8", "replace")
    score(models[index], body)


@QUICK
@given(body=st.binary(max_size=200), content_type=TYPES, encoding=st.sampled_from(["", "gzip", "br"]))
def test_any_bytes(models: list[OnnxModel], body: bytes, content_type: str, encoding: str) -> None:
    for model in models:
        score(model, body, content_type, encoding)


@QUICK
@given(
    cells=st.lists(
        st.lists(st.text(max_size=5) | st.floats().map(str) | st.integers().map(str), max_size=4), max_size=4
    ),
    index=st.integers(0, 2),
)
def test_any_csv(models: list[OnnxModel], cells: list[list[str]], index: int) -> None:
    lines = [",".join(row) for row in [COLUMNS, *cells]]
    score(models[index], "\n".join(lines).encode(), "text/csv")


@QUICK
@given(
    head=st.dictionaries(
        st.sampled_from(["inputs", "outputs", "id", "parameters"]),
        VALUES
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["x", "y"]) | SCALARS,
                    "shape": st.lists(st.integers(-1, 4) | SCALARS, max_size=3) | st.just([1, 3]),
                    "datatype": st.sampled_from(["FP32", "INT64"]),
                    "data": VALUES | st.just([1, 2, 3]),
                    "parameters": st.dictionaries(st.sampled_from(["binary_data_size", "binary_data"]), SCALARS),
                },
            ),
            max_size=2,
        ),
    ),
    raw=st.binary(max_size=20),
)
def test_any_inference_request(models: list[OnnxModel], head: Any, raw: bytes) -> None:
    model = models[0]
    try:
        document = load(orjson.dumps(head))
        inference = infer.read(document, raw, model)
    except TypeError:
        return
    except RequestError as error:
        told(error, 400, 422)
        return
    check(model, inference.feeds)
    infer.write(inference, model.run(inference.feeds), model)


@QUICK
@given(data=st.binary(max_size=60), dtype=st.sampled_from(["object", "float32", "bool"]), size=st.integers(0, 6))
def test_any_binary_tensor(data: bytes, dtype: str, size: int) -> None:
    try:
        array = binary.decode(data, dtype, (size,), "x")
    except RequestError:
        return
    assert binary.encode(array) == data


@pytest.mark.slow
@LONG
@given(document=DOCUMENTS, index=st.integers(0, 2))
def test_any_json_at_length(models: list[OnnxModel], document: Any, index: int) -> None:
    try:
        score(models[index], orjson.dumps(document))
    except TypeError:
        return


@pytest.mark.slow
@LONG
@given(body=st.binary(max_size=2_000), content_type=TYPES)
def test_any_bytes_at_length(models: list[OnnxModel], body: bytes, content_type: str) -> None:
    for model in models:
        score(model, body, content_type)
