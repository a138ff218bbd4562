"""What goes from the server to the process that writes: the data of many requests at once.

Pickled, because both ends are this package on this machine, and NumPy's arrays go through as they are.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

_LENGTH = struct.Struct("<Q")


@dataclass(slots=True)
class Kept:
    """One request: when, its id, its model's name and columns, and its tensors."""

    moment_s: float
    request_id: str
    model: str
    columns: tuple[str, ...]
    feeds: dict[str, Any]
    outputs: dict[str, Any]
    held_bytes: int


@dataclass(slots=True)
class Frame:
    """Requests of one model. Tensors are those of all requests, `rows` of each; or, with `rows` None, lists of them."""

    model: str
    columns: tuple[str, ...]
    moments_s: list[float]
    request_ids: list[str]
    rows: list[int] | None
    feeds: Any
    outputs: Any

    def split(self, tensors: Any) -> list[dict[str, Any]]:
        """Those of each request, of this frame's feeds or outputs."""
        if self.rows is None:
            return list(tensors)
        parts, start = [], 0
        for count in self.rows:
            parts.append({name: tensor[start : start + count] for name, tensor in tensors.items()})
            start += count
        return parts


def frame_of(kept: list[Kept]) -> Frame:
    """The frame of requests of one model."""
    feeds, outputs = [each.feeds for each in kept], [each.outputs for each in kept]
    rows = _rows(feeds, outputs)
    return Frame(
        kept[0].model,
        kept[0].columns,
        [each.moment_s for each in kept],
        [each.request_id for each in kept],
        rows,
        feeds if rows is None else _stacked(feeds),
        outputs if rows is None else _stacked(outputs),
    )


def _rows(feeds: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> list[int] | None:
    """How many rows each request has; None when the tensors of all can't be one."""
    counts: list[int] = []
    shape: list[tuple[int, ...]] | None = None
    for taken, given in zip(feeds, outputs, strict=True):
        tensors = [*taken.values(), *given.values()]
        if not all(isinstance(tensor, np.ndarray) and tensor.ndim for tensor in tensors):
            return None
        sizes = {len(tensor) for tensor in tensors}
        tails = [tensor.shape[1:] for tensor in tensors]
        if len(sizes) != 1 or (shape is not None and tails != shape):
            return None
        shape = tails
        counts.append(sizes.pop())
    return counts


def _stacked(requests: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([each[name] for each in requests]) for name in requests[0]}


def write(stream: IO[bytes], frame: Frame) -> None:
    """Raises OSError when the other end is gone."""
    content = pickle.dumps(frame, protocol=5)
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def read(stream: IO[bytes]) -> Frame | None:
    """The next frame; None at the end, also when it is in the middle of one."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    content = stream.read(_LENGTH.unpack(head)[0])
    if len(content) < _LENGTH.unpack(head)[0]:
        return None
    frame: Frame = pickle.loads(content)  # noqa: S301 - written by our own parent process
    return frame
