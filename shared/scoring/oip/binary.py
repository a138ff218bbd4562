"""Tensors as bytes: the binary tensor data extension (Triton, protocol/extension_binary_data.md).

The body is a JSON document, whose length is in the header Inference-Header-Content-Length, and after it the tensors
that name a binary_data_size, little endian, in order. A text is its length in four bytes and its UTF-8.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from shared.scoring.errors import BadRequest
from shared.scoring.http.messages import Request
from shared.scoring.models.signature import Array

HEADER = b"inference-header-content-length"


def split(request: Request, body: bytes) -> tuple[bytes, bytes]:
    """The JSON document and the bytes after it. Raises BadRequest when the header is no length within the body."""
    length = request.headers.get(HEADER)
    if length is None:
        return body, b""
    if not length.isdigit() or int(length) > len(body):
        raise BadRequest(f"Inference-Header-Content-Length: {length.decode('latin-1')} is no length within the body")
    return body[: int(length)], body[int(length) :]


def decode(data: bytes, dtype: str, shape: tuple[int, ...], name: str) -> Array:
    """The tensor. Raises BadRequest when the bytes are not as many as its type and shape need."""
    count = int(np.prod(shape, dtype=np.int64))
    if dtype == "object":
        texts = _texts(data, name)
        if len(texts) != count:
            raise BadRequest(f"{name} has {len(texts)} texts, its shape needs {count}")
        return np.array(texts, dtype=object).reshape(shape)
    kind = np.dtype(dtype).newbyteorder("<")
    if len(data) != count * kind.itemsize:
        raise BadRequest(f"{name} has {len(data)} bytes, its type and shape need {count * kind.itemsize}")
    if dtype == "bool" and data.strip(b"\x00\x01"):
        raise BadRequest(f"{name} has bytes other than 0 and 1")
    return np.frombuffer(data, dtype=kind).astype(dtype, copy=False).reshape(shape)


def _texts(data: bytes, name: str) -> list[str]:
    texts, place = [], 0
    try:
        while place < len(data):
            (size,) = struct.unpack_from("<I", data, place)
            place += 4
            if place + size > len(data):
                raise BadRequest(f"{name} ends within a text")
            texts.append(data[place : place + size].decode("utf-8"))
            place += size
    except (struct.error, UnicodeDecodeError) as error:
        raise BadRequest(f"{name} is no list of texts in UTF-8: {error}") from None
    return texts


def encode(values: Any) -> bytes:
    """The bytes of an output."""
    array = np.asarray(values)
    if array.dtype.kind in "OU":
        parts = [str(text).encode() for text in array.reshape(-1).tolist()]
        return b"".join(struct.pack("<I", len(part)) + part for part in parts)
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
