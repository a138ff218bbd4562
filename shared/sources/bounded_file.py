"""A file that answers no large request: a reader of hostile archives then can't be made to fill the memory."""

from __future__ import annotations

from typing import IO

MAX_READ_BYTES = 8 << 20


class BoundedFile:
    """The part of a binary file that zipfile and tarfile use. ValueError for a read of more than MAX_READ_BYTES (a
    zip's directory or a tar's extended header of that size is an attack) and for a negative position."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; all that are left for -1, when they are not too many."""
        if size > MAX_READ_BYTES:
            raise ValueError(f"a part of {size} bytes is too large")
        data = self._file.read(MAX_READ_BYTES + 1 if size < 0 else size)
        if len(data) > MAX_READ_BYTES:
            raise ValueError("a part is too large")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's."""
        if whence == 0 and not 0 <= offset < 2**63:
            raise ValueError("a position is outside the file")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As a file's."""
        return self._file.tell()

    def seekable(self) -> bool:
        """It is."""
        return True
