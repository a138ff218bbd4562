"""Lines in append blobs of Azure Blob Storage: a blob for each file, and a further one when it is full."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from shared.scoring.collector.blob_http import Answer, BlobContainer
from shared.scoring.collector.sinks import Complain

MAX_BLOCKS = 50_000  # of one append blob (Storage's limits)
MAX_BLOCK_BYTES = 100 * 2**20  # since service version 2022-11-02
GATHER_S = 1.0  # so that an hour fits into one blob: 3,600 blocks
RETRY_S = 60.0  # then what could not be written is given up
_BACK_OFF_S = (0.25, 8.0)  # first, longest
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_NEXT_PART = frozenset({"BlockCountExceedsLimit", "InvalidBlobType", "BlobImmutableDueToPolicy"})
_KEPT = 64  # files whose blobs are remembered


@dataclass(slots=True)
class _Place:
    """The blob that a file is written to."""

    part: int  # 0, and 1 more for each that is full
    position: int = -1  # its length; -1 before it is known
    blocks: int = 0


class BlobSink:
    """A block that was written while its answer got lost is not written again: each names the length it expects."""

    gather_s = GATHER_S

    def __init__(
        self, container: BlobContainer, complain: Complain, max_blocks: int = MAX_BLOCKS, retry_s: float = RETRY_S
    ) -> None:
        self._container = container
        self._complain = complain
        self._max_blocks = max_blocks
        self._retry_s = retry_s
        self._places: dict[str, _Place] = {}

    def append(self, path: str, lines: bytes) -> None:
        for start in range(0, len(lines), MAX_BLOCK_BYTES):
            self._append(path, lines[start : start + MAX_BLOCK_BYTES])

    def _append(self, path: str, block: bytes) -> None:
        deadline_s = time.monotonic() + self._retry_s
        pause_s = _BACK_OFF_S[0]
        while True:
            try:
                if self._tried(path, block):
                    return
                continue  # the blob is another one now, or its length is known
            except OSError as error:
                if time.monotonic() + pause_s > deadline_s or isinstance(error, _Refused):
                    raise
                self._complain(f"{error}; it is tried again")
            time.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
            pause_s = min(2 * pause_s, _BACK_OFF_S[1])

    def _tried(self, path: str, block: bytes) -> bool:
        """Whether it is written; False when it is to be tried again at once. Raises OSError."""
        place = self._places.get(path)
        if place is None:
            while len(self._places) >= _KEPT:
                self._places.pop(next(iter(self._places)))
            place = self._places[path] = _Place(0)
        if place.blocks >= self._max_blocks:
            place = self._places[path] = _Place(place.part + 1)
        blob = _name(path, place.part)
        if place.position < 0:
            self._find(blob, place)
            return False
        answer = self._container.append(blob, place.position, block)
        if answer.status == 201:
            place.position += len(block)
            place.blocks = answer.blocks
            return True
        if answer.status == 412:  # of our own, whose answer got lost, or there is more than was known
            known = place.position
            self._find(blob, place)
            return place.position == known + len(block)
        if answer.code in _NEXT_PART:
            self._places[path] = _Place(place.part + 1)
            return False
        if answer.status == 404 and answer.code != "ContainerNotFound":
            place.position = -1
        raise _error(blob, answer)

    def _find(self, blob: str, place: _Place) -> None:
        """Looks before it makes one: a SAS that allows to add and create need not allow to overwrite."""
        answer = self._container.look(blob)
        if answer.status == 200:
            place.position, place.blocks = answer.length, answer.blocks
            return
        answer = self._container.create(blob)
        if answer.status != 201:
            raise _error(blob, answer)
        place.position = place.blocks = 0


class _Refused(OSError):
    """It would be refused again."""


def _error(blob: str, answer: Answer) -> OSError:
    text = f"{blob}: {answer.status} {answer.code}".rstrip()
    kind = OSError if answer.status in _BUSY or answer.status == 404 else _Refused
    return kind(text) if answer.code != "ContainerNotFound" else _Refused(text)


def _name(path: str, part: int) -> str:
    return path if part == 0 else f"{path.removesuffix('.jsonl')}.{part}.jsonl"
