"""A file while it arrives: in blocks, in any order, kept beside its target so that a broken download goes on.

`.NAME.SHA.partial` holds the content, with holes; `.NAME.SHA.blocks` a line for each block that is whole. A line is
written after its block, so a process that is killed at worst fetches a block again.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 4 * 1024 * 1024
RANGE_BYTES = 64 * 1024 * 1024  # asked for at once; a multiple of BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from `start` up to, but without, `stop`."""

    start: int
    stop: int


class PartialDownload:
    """What there is of a file of known length and SHA-256. Threads may write different spans of it at once."""

    def __init__(self, target: Path, size_bytes: int, sha256: str) -> None:
        self.target = target
        self.size_bytes = size_bytes
        self.sha256 = sha256
        self.path = target.with_name(f".{target.name[:150]}.{sha256[:16]}.partial")
        self._journal = self.path.with_suffix(".blocks")
        self._lock = threading.Lock()
        self._count = -(-size_bytes // BLOCK_BYTES)
        self._hash = hashlib.sha256()
        self._hashed = 0  # blocks, from the first
        self._whole = self._known()
        self._buffer = bytearray()  # one block, while it is hashed
        self._left = 0  # spans that are not written yet

    def _known(self) -> set[int]:
        """The whole blocks of an earlier try; a file that is not there, or a torn line, counts for nothing."""
        try:
            length = self.path.stat().st_size
            numbers = [int(line) for line in self._journal.read_text().split("\n")[:-1] if line.isdecimal()]
        except (OSError, ValueError):
            self.discard()
            return set()
        return {number for number in numbers if number < self._count and self._end(number) <= length}

    def _end(self, block: int) -> int:
        return min((block + 1) * BLOCK_BYTES, self.size_bytes)

    @property
    def known_bytes(self) -> int:
        """How much of it is here."""
        return sum(self._end(block) - block * BLOCK_BYTES for block in self._whole)

    def missing(self, within: Span | None = None) -> list[Span]:
        """What is to be fetched, in spans of at most RANGE_BYTES that begin with a block; [] when all is here."""
        span = within or Span(0, self.size_bytes)
        spans: list[Span] = []
        for block in range(span.start // BLOCK_BYTES, -(-span.stop // BLOCK_BYTES)):
            if block in self._whole:
                continue
            start, last = block * BLOCK_BYTES, spans[-1] if spans else None
            if last and last.stop == start and self._end(block) - last.start <= RANGE_BYTES:
                spans[-1] = Span(last.start, self._end(block))
            else:
                spans.append(Span(start, self._end(block)))
        return spans

    def begin(self) -> list[Span]:
        """Makes the file; the spans to fetch."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        spans = self.missing()
        self._left = len(spans)
        return spans

    def finished(self) -> bool:
        """Notes that one of the spans of `begin` is written; whether it was the last."""
        with self._lock:
            self._left -= 1
            return self._left <= 0

    def write(self, start: int, pieces: Iterator[bytes]) -> Iterator[int]:
        """Writes the pieces from `start` (where a block begins) on; yields the length of each."""
        position, begun = start, start
        with self.path.open("r+b", buffering=0) as file:
            file.seek(start)
            for piece in pieces:
                file.write(piece)
                position += len(piece)
                while position >= self._end(begun // BLOCK_BYTES) > begun:
                    self._note(begun // BLOCK_BYTES)
                    begun = self._end(begun // BLOCK_BYTES)
                yield len(piece)

    def _note(self, block: int) -> None:
        with self._lock, self._journal.open("a") as journal:
            self._whole.add(block)
            journal.write(f"{block}\n")

    def hash_on(self) -> None:
        """Hash the blocks that follow on those that were. Only one thread at a time may."""
        if self._hashed not in self._whole:
            return
        self._buffer = self._buffer or bytearray(min(BLOCK_BYTES, self.size_bytes))
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._hashed * BLOCK_BYTES)
            while self._hashed in self._whole:
                left = self._end(self._hashed) - self._hashed * BLOCK_BYTES
                while left and (length := file.readinto(memoryview(self._buffer)[:left])):
                    self._hash.update(memoryview(self._buffer)[:length])
                    left -= length
                if left:
                    return
                self._hashed += 1

    def proved(self) -> bool:
        """Whether all is here and has the SHA-256, once `hash_on` has caught up."""
        return self._hashed == self._count and self._hash.hexdigest() == self.sha256

    def digest(self) -> str:
        """The SHA-256 of what was hashed so far."""
        return self._hash.hexdigest()

    def keep(self) -> None:
        """Put it in the target's place."""
        self.path.replace(self.target)
        self._journal.unlink(missing_ok=True)
        self._buffer = bytearray()

    def discard(self) -> None:
        """Forget all that was fetched."""
        self.path.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)
        self._whole, self._hashed, self._hash = set(), 0, hashlib.sha256()
