"""Compressed pickles, as joblib writes them, made plain within a limit. Runs in the worker process only."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tempfile
import zlib
from typing import IO, Any

from shared.inspection.candidates import COMPRESSED

MAX_PLAIN_BYTES = 2**30  # of a compressed pickle
PIECE_BYTES = 1 << 20
_ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")  # RFC 1950, section 2.2, with the window that every writer uses
_LZMA = b"\x5d\x00"  # joblib.compressor, _LZMA_PREFIX
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)


class TooMuch(ValueError):
    """More plain bytes than are looked into."""


def compression_of(first: bytes) -> str | None:
    """Its name by the file's first bytes; None when it is not compressed (or by none that the standard library has)."""
    if first.startswith(_ZLIB):
        return "zlib"
    if first.startswith(_LZMA):
        return "lzma"
    return next((name for magic, name in COMPRESSED.items() if first.startswith(magic)), None)


def decompressed(source: IO[bytes], kind: str) -> IO[bytes]:
    """A temporary file with the plain bytes, at its beginning. Raises TooMuch above MAX_PLAIN_BYTES and what is in
    BROKEN for what is not compressed after all."""
    openers: dict[str, Any] = {"zlib": _ZlibReader, "gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    reader = openers.get(kind, lzma.open)(source)
    target = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's
    try:
        size_bytes = 0
        while piece := reader.read(PIECE_BYTES):
            size_bytes += len(piece)
            if size_bytes > MAX_PLAIN_BYTES:
                raise TooMuch(f"it holds more than {MAX_PLAIN_BYTES} bytes in {kind}")
            target.write(piece)
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


class _ZlibReader(io.RawIOBase):
    """Reads a zlib stream piece by piece."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._inflater = zlib.decompressobj()

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; b"" at the end. Raises zlib.error."""
        while not self._inflater.eof:
            data = self._inflater.unconsumed_tail or self._source.read(PIECE_BYTES)
            if not data:
                raise EOFError("it ends too early")
            if piece := self._inflater.decompress(data, max(size, 1)):
                return piece
        return b""
