"""What goes from the server to the process that writes: the data of many requests at once.

Pickled, because both ends are this package on this machine. Tensors of fixed width are put together as bytes, which is
ten times as fast as to concatenate and pickle arrays.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from math import prod
from typing import IO, Any

import numpy as np

from shared.scoring.models.signature import Signature, Tensor

_LENGTH = struct.Struct("<Q")
_NUMBERS = "fiub"  # kinds of arrays that are bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one model: its name, the names of its matrix's columns, and, when every tensor is numbers of a fixed width,
    what a row of all of them takes (else 0)."""

    model: str
    columns: tuple[str, ...]
    row_bytes: int = 0


@dataclass(slots=True)
class Kept:
    """One request: when, its id, whose, and its tensors ({} for those that are not collected)."""

    moment_s: float
    request_id: str
    facts: Facts
    feeds: dict[str, Any]
    outputs: dict[str, Any]
    held_bytes: int


@dataclass(slots=True)
class Document:
    """One body, or the rows that a script collects. `attributes` are further fields of its line."""

    moment_s: float
    request_id: str
    correlation_id: str
    collection: str
    content: bytes
    content_encoding: str  # gzip, or "" for none
    attributes: dict[str, Any]
    held_bytes: int


@dataclass(slots=True)
class Packed:
    """A tensor of all requests of a frame, as bytes."""

    dtype: str
    tail: tuple[int, ...]  # its shape without the rows
    content: bytes

    def array(self) -> Any:
        """The tensor; read only."""
        return np.frombuffer(self.content, dtype=self.dtype).reshape(-1, *self.tail)


@dataclass(slots=True)
class TensorFrame:
    """Requests of one model. Tensors are those of all requests, `rows` of each; or, with `rows` None, lists of them."""

    facts: Facts
    moments_s: list[float]
    request_ids: list[str]
    rows: list[int] | None
    feeds: Any
    outputs: Any

    def split(self, tensors: dict[str, Any]) -> list[dict[str, Any]]:
        """Those of each request, of arrays of all."""
        assert self.rows is not None
        parts, start = [], 0
        for count in self.rows:
            parts.append({name: tensor[start : start + count] for name, tensor in tensors.items()})
            start += count
        return parts


@dataclass(slots=True)
class Envelope:
    """What is sent. `held_bytes` is what it took in the server's buffer."""

    content: TensorFrame | list[Document]
    count: int
    held_bytes: int


def facts_of(name: str, signature: Signature) -> Facts:
    """Of a model with this signature."""
    columns = signature.columns if len(signature.inputs) == 1 else ()
    tensors = (*signature.inputs, *signature.outputs)
    is_packed = all(_is_packed(each) for each in tensors)
    return Facts(name, columns, sum(_row_bytes(each) for each in tensors) if is_packed else 0)


def _is_packed(each: Tensor) -> bool:
    fixed = each.shape[:1] == (None,) and None not in each.shape[1:] and 0 not in each.shape[1:]
    return fixed and each.dtype not in ("", "object")


def _row_bytes(each: Tensor) -> int:
    return np.dtype(each.dtype).itemsize * prod(size or 1 for size in each.shape[1:])


def envelope_of(burst: list[Kept] | list[Document]) -> Envelope:
    """What is sent of requests of one model, or of documents; [] is not expected."""
    held = sum(each.held_bytes for each in burst)
    if isinstance(burst[0], Document):
        return Envelope([each for each in burst if isinstance(each, Document)], len(burst), held)
    return Envelope(frame_of([each for each in burst if isinstance(each, Kept)]), len(burst), held)


def frame_of(kept: list[Kept]) -> TensorFrame:
    """The frame of requests of one model."""
    facts = kept[0].facts
    moments, names = [each.moment_s for each in kept], [each.request_id for each in kept]
    feeds, outputs = [each.feeds for each in kept], [each.outputs for each in kept]
    if facts.row_bytes:
        rows = [len(next(iter(each.feeds.values() or each.outputs.values()))) for each in kept]
        packed = _packed(feeds, sum(rows)), _packed(outputs, sum(rows))
        if None not in packed:
            return TensorFrame(facts, moments, names, rows, *packed)
    return TensorFrame(facts, moments, names, None, feeds, outputs)


def _packed(requests: list[dict[str, Any]], rows: int) -> dict[str, Packed] | None:
    """None when a model gives something else than it says, or fewer rows than it took."""
    packed = {}
    for name, tensor in requests[0].items():
        if not isinstance(tensor, np.ndarray) or tensor.dtype.kind not in _NUMBERS:
            return None
        content = b"".join([np.ascontiguousarray(each[name]).data for each in requests])
        if len(content) != rows * prod(tensor.shape[1:]) * tensor.dtype.itemsize:
            return None
        packed[name] = Packed(tensor.dtype.str, tensor.shape[1:], content)
    return packed


def write(stream: IO[bytes], envelope: Envelope) -> None:
    """Raises OSError when the other end is gone."""
    content = pickle.dumps(envelope, protocol=5)
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def read(stream: IO[bytes]) -> Envelope | None:
    """The next one; None at the end, also when it is in the middle of one."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    content = stream.read(_LENGTH.unpack(head)[0])
    if len(content) < _LENGTH.unpack(head)[0]:
        return None
    envelope: Envelope = pickle.loads(content)  # noqa: S301 - written by our own parent process
    return envelope
