"""Files that hold pickles, by picklescan, which reads their opcodes and never runs them. In the worker process only.

What cannot be looked into is never called safe.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickletools
import tempfile
import zipfile
import zlib
from typing import IO, Any

MAX_GLOBALS = 100
MAX_PLAIN_BYTES = 2**30  # of a compressed pickle
MAX_MEMBERS = 10_000
PIECE_BYTES = 1 << 20
_CERTAIN = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".sav")  # names that promise a pickle
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x5d\x00\x00": "lzma"}
_ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_LZ4 = b"\x04\x22\x4d\x18"
_ORDER = {"dangerous": 0, "suspicious": 1, "innocuous": 2}


def scan(path: str) -> dict[str, Any] | None:
    """What is in the file, as PickleInspection has it; None when there is no pickle in it."""
    with open(path, "rb") as file:
        first = file.read(16)
        file.seek(0)
        if first.startswith(_LZ4):
            return _unreadable(path, "it is compressed by LZ4, which is not looked into")
        compression = next((name for magic, name in _COMPRESSED.items() if first.startswith(magic)), None)
        if compression is None and first.startswith(_ZLIB):
            compression = "zlib"
        if compression is None:
            return _scan_plain(path, file, first)
        with tempfile.TemporaryFile() as plain:
            try:
                if not _decompress(file, plain, compression):
                    return _unreadable(path, f"it holds more than {MAX_PLAIN_BYTES} bytes in {compression}")
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                return (
                    _unreadable(path, f"it looks like {compression}, but is not: {error}"[:300])
                    if _is_sure(path)
                    else None
                )
            plain.seek(0)
            first = plain.read(16)
            plain.seek(0)
            return _scan_plain(path, plain, first)


def _scan_plain(path: str, file: IO[bytes], first: bytes) -> dict[str, Any] | None:
    from picklescan.scanner import scan_bytes  # type: ignore[import-untyped]

    problem = _problem_of_zip(file) if zipfile.is_zipfile(file) else None
    file.seek(0)
    try:
        result = scan_bytes(file, path, os.path.splitext(path)[1].lower())
    except (ValueError, EOFError, OSError, RuntimeError, SyntaxError) as error:
        return _unreadable(path, f"{type(error).__name__}: {error}"[:300])
    names = sorted({(_ORDER[found.safety.value], f"{found.module}.{found.name}"[:200]) for found in result.globals})
    if result.scan_err and problem is None:
        problem = "its end could not be read"
    if not names and problem is None and not zipfile.is_zipfile(file):
        file.seek(0)
        broken = _not_a_pickle(file)
        if broken is not None:
            is_numpy = first.startswith(b"\x93NUMPY")
            return _unreadable(path, broken) if _is_sure(path) and not is_numpy else None
    if not names and problem is None and result.scanned_files == 0:
        return None  # an archive without pickles
    worst = min((order for order, _ in names), default=2)
    severity = "dangerous" if worst == 0 else "suspicious" if worst == 1 else "unreadable" if problem else "safe"
    return {
        "path": path,
        "severity": severity,
        "globals": [name for _, name in names[:MAX_GLOBALS]],
        "problem": problem,
    }


def _problem_of_zip(file: IO[bytes]) -> str | None:
    """Why an archive cannot be looked into as a whole; None when it can."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                return f"it has {len(members)} members, {MAX_MEMBERS} are looked into"
            if any(member.flag_bits & 1 for member in members):
                return "it is encrypted"
            for member in members:
                with archive.open(member) as inner:
                    if inner.read(4) == b"PK\x03\x04":
                        return f"the archive {member.filename[:100]!r} inside of it is not looked into"
    except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError, zlib.error) as error:
        return f"it is a broken archive: {error}"[:300]
    return None


def _not_a_pickle(file: IO[bytes]) -> str | None:
    """Why the bytes are no pickle; None when they are one."""
    try:
        for _ in pickletools.genops(file):
            pass
    except Exception as error:  # noqa: BLE001 - pickletools raises many kinds for what is no pickle
        return f"it is not a pickle: {str(error)[:200]}"
    return None


def _decompress(source: IO[bytes], target: IO[bytes], kind: str) -> bool:
    """Whether all of it fitted."""
    reader: Any
    if kind == "zlib":
        reader = _ZlibReader(source)
    else:
        openers: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open, "lzma": lzma.open}
        reader = openers[kind](source)
    size_bytes = 0
    while piece := reader.read(PIECE_BYTES):
        size_bytes += len(piece)
        if size_bytes > MAX_PLAIN_BYTES:
            return False
        target.write(piece)
    return True


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


def _is_sure(path: str) -> bool:
    return path.lower().endswith(_CERTAIN)


def _unreadable(path: str, problem: str) -> dict[str, Any]:
    return {"path": path, "severity": "unreadable", "globals": [], "problem": problem}
