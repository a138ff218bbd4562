"""One layer of an image: a tar archive whose bytes depend on its files alone (OCI image-spec 1.1, layer.md)."""

from __future__ import annotations

import hashlib
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.errors import Permanent, Retryable
from shared.packaging.descriptor import LAYER_TAR, LAYER_TAR_GZIP
from shared.packaging.entries import Entry, folder_entries, ordered
from shared.packaging.layout import READ_BYTES, BlobWriter, new_blob

__all__ = ["Entry", "Layer", "folder_entries", "write_layer", "write_tar"]

GZIP_LEVEL = 4  # a Python environment (634 MB) becomes 4 % larger than by 6, in 13 s instead of 22 s
# RFC 1952, section 2.3: deflate, no flags, no time, no extra flags, an unknown system. zlib would write the builder's.
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_END_OF_ARCHIVE = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that is in a layout."""

    digest: str  # of the blob
    size_bytes: int  # of the blob
    diff_id: str  # digest of the uncompressed tar archive (OCI image-spec, config.md)
    media_type: str


class _Sink(Protocol):
    def write(self, data: bytes | memoryview) -> None: ...

    def close(self) -> str: ...


class _Plain:
    """The archive as it is."""

    def __init__(self, blob: BlobWriter) -> None:
        self._blob = blob
        self.write = blob.write

    def close(self) -> str:
        return self._blob.digest


class _Gzip:
    """The archive in gzip's format (RFC 1952)."""

    def __init__(self, blob: BlobWriter) -> None:
        self._blob, self._hash, self._crc, self._size_bytes = blob, hashlib.sha256(), 0, 0
        self._deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        blob.write(_GZIP_HEAD)

    def write(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self._crc = zlib.crc32(data, self._crc)
        self._size_bytes += len(data)
        self._blob.write(self._deflate.compress(data))

    def close(self) -> str:
        self._blob.write(self._deflate.flush())
        self._blob.write(struct.pack("<II", self._crc, self._size_bytes % 2**32))
        return f"sha256:{self._hash.hexdigest()}"


def write_layer(entries: Iterable[Entry], layout: Path, *, compressed: bool = True) -> Layer:
    """Write a layer into the layout and say what it is; of no entries it is an archive of none. Its bytes are those of
    the same paths, contents and permission bits anywhere: sorted, time 0, owner 0:0, the folders above each entry once.
    A compressed one's `digest` also depends on the build of zlib, its `diff_id` does not. Files are streamed; what does
    not compress (models) is better left uncompressed, at the rate of SHA-256. Raises Invalid for entries that no layer
    can hold, Permanent for a file that cannot be read, Retryable for one that changes meanwhile or a full disk."""
    in_order = ordered(entries)

    def fill(sink: _Sink) -> None:
        for entry in in_order:
            _write_entry(entry, sink)
        sink.write(_END_OF_ARCHIVE)

    return _layer(fill, layout, compressed)


def write_tar(pieces: Iterable[bytes], layout: Path, *, compressed: bool = True) -> Layer:
    """A layer of an archive that is there already, byte for byte. Raises Retryable for a full disk, and whatever the
    pieces raise."""

    def fill(sink: _Sink) -> None:
        for piece in pieces:
            sink.write(piece)

    return _layer(fill, layout, compressed)


def _layer(fill: Callable[[_Sink], None], layout: Path, compressed: bool) -> Layer:
    with new_blob(layout) as blob:
        sink: _Sink = _Gzip(blob) if compressed else _Plain(blob)
        fill(sink)
        diff_id = sink.close()
        return Layer(blob.commit(), blob.size_bytes, diff_id, LAYER_TAR_GZIP if compressed else LAYER_TAR)


def _write_entry(entry: Entry, sink: _Sink) -> None:
    if entry.link_target is not None:
        sink.write(_header(entry.target, tarfile.SYMTYPE, 0o777, link=entry.link_target))
    elif entry.source is None:
        sink.write(_header(entry.target, tarfile.DIRTYPE, entry.written_mode))
    elif isinstance(entry.source, Path):
        _write_file(entry, entry.source, sink)
    else:
        sink.write(_header(entry.target, tarfile.REGTYPE, entry.written_mode, size_bytes=len(entry.source)))
        sink.write(entry.source)
        sink.write(_padding(len(entry.source)))


def _write_file(entry: Entry, path: Path, sink: _Sink) -> None:
    try:
        with path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            sink.write(_header(entry.target, tarfile.REGTYPE, entry.written_mode, size_bytes=status.st_size))
            _copy(path, file.readinto, status.st_size, sink)
    except FileNotFoundError:
        raise Retryable(f"{path} went away before it was packaged", remedy="package it again") from None
    except OSError as error:
        raise Permanent(
            f"{path} cannot be packaged: {error.strerror or error}", remedy="give a file that this user may read"
        ) from None


def _copy(path: Path, read_into: Callable[[bytearray], int | None], size_bytes: int, sink: _Sink) -> None:
    buffer, copied_bytes = bytearray(min(READ_BYTES, size_bytes + 1)), 0  # one more tells that it grew
    view = memoryview(buffer)
    while count := read_into(buffer):
        copied_bytes += count
        if copied_bytes > size_bytes:
            break
        sink.write(view[:count])
    if copied_bytes != size_bytes:
        raise Retryable(f"{path} changed while it was packaged", remedy="package it again when nothing writes to it")
    sink.write(_padding(size_bytes))


def _padding(size_bytes: int) -> bytes:
    return bytes(-size_bytes % tarfile.BLOCKSIZE)


def _header(target: str, kind: bytes, mode: int, *, size_bytes: int = 0, link: str = "") -> bytes:
    info = tarfile.TarInfo(target)
    info.type, info.mode, info.size, info.linkname = kind, mode, size_bytes, link
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
