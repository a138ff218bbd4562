"""Bodies as a model's inputs, for tests."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from shared.scoring.errors import InvalidInput
from shared.scoring.http.messages import Request
from shared.scoring.inputs.bodies import read
from shared.scoring.models.onnx_model import OnnxModel


def request_of(body: bytes, content_type: str = "application/json", **headers: str) -> Request:
    raw = [(b"Content-Type", content_type.encode())]
    raw += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request(b"POST", b"/score", raw)
    request.body = body
    return request


def feeds(model: OnnxModel, document: Any) -> dict[str, np.ndarray]:
    return feeds_of_body(model, json.dumps(document).encode())


def feeds_of_body(model: OnnxModel, body: bytes, *arguments: str, **headers: str) -> dict[str, np.ndarray]:
    names = frozenset(each.name for each in model.signature.inputs)
    found, _ = read(request_of(body, *arguments, **headers), model.signature, names, 10_000)
    return found


def refused(model: OnnxModel, document: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        feeds(model, document)
    return caught.value
