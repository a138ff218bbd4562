"""Unpacking an image into a folder, to look at it or to check it: the layers of OCI image-spec 1.1, layer.md.

What is unpacked may come from a stranger: nothing is written before its digests are verified, nothing outside of the
folder, and nothing through a symbolic link.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shared.errors import ArtifactCorrupted, Fault, Invalid, NotSupported, TooLarge
from shared.packaging.base import base_of_manifest
from shared.packaging.descriptor import LAYER_TAR, LAYER_TAR_GZIP
from shared.packaging.layer import Layer
from shared.packaging.layout import READ_BYTES, blob_path, blob_pieces

MAX_UNPACKED_BYTES = 20 << 30  # of one layer
MAX_HEADER_BYTES = 8 << 20  # of an extended header, which is read into memory
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_MODE = 0o1777  # neither set-user-ID nor set-group-ID


def unpack(layout: Path, digest: str, folder: Path, *, max_bytes: int = MAX_UNPACKED_BYTES) -> None:
    """Unpack the image whose manifest is `digest` into `folder`, which is made or must be empty. Owners, devices and
    pipes are left out, as they need root. Raises Invalid for a hostile or damaged archive, ArtifactCorrupted for bytes
    that are not those of their digest, TooLarge for a layer of more than `max_bytes`, NotSupported for one that is
    compressed otherwise than by gzip."""
    image = base_of_manifest(layout, digest)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Invalid(f"{folder} is not empty", remedy="name a new folder")
    for layer in image.layers:
        unpack_layer(layout, layer, folder, max_bytes=max_bytes)


def unpack_layer(layout: Path, layer: Layer, folder: Path, *, max_bytes: int = MAX_UNPACKED_BYTES) -> None:
    """Apply one layer to `folder`, whiteouts included; raises as `unpack`."""
    with _archive(layout, layer, max_bytes) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="strict") as archive:
                _Target(folder, layer.digest).apply(archive)
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise Invalid(f"the layer {layer.digest} is damaged: {type(error).__name__}: {str(error)[:200]}") from None


@contextmanager
def _archive(layout: Path, layer: Layer, max_bytes: int) -> Iterator[IO[bytes]]:
    """The uncompressed archive, after both of its digests were found to be right."""
    if layer.media_type not in (LAYER_TAR, LAYER_TAR_GZIP):
        raise NotSupported(
            f"the layer {layer.digest} is {layer.media_type[:100]} (allowed: {LAYER_TAR} and {LAYER_TAR_GZIP})"
        )
    found, size_bytes = hashlib.sha256(), 0
    packed = layer.media_type == LAYER_TAR_GZIP
    with tempfile.TemporaryFile(buffering=0) as spooled:
        pieces = blob_pieces(layout, layer.digest)
        for piece in _gunzipped(pieces, layer.digest) if packed else pieces:
            found.update(piece)
            size_bytes += len(piece)
            if size_bytes > max_bytes:
                raise TooLarge(f"the layer {layer.digest} unpacks to more than {max_bytes} bytes")
            if packed:
                spooled.write(piece)
        if f"sha256:{found.hexdigest()}" != layer.diff_id:
            raise ArtifactCorrupted(f"the layer {layer.digest} does not unpack to {layer.diff_id}")
        if packed:
            spooled.seek(0)
            yield _Bounded(spooled)
        else:
            with blob_path(layout, layer.digest).open("rb", buffering=0) as plain:
                yield _Bounded(plain)


def _gunzipped(pieces: Iterable[bytes], digest: str) -> Iterator[bytes]:
    """A gzip stream may have several members (RFC 1952, section 2.2)."""
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for piece in pieces:
        data = piece
        while data:
            try:
                yield inflate.decompress(data, READ_BYTES)
            except zlib.error as error:
                raise Invalid(f"the layer {digest} is damaged: {error}") from None
            data = inflate.unconsumed_tail
            if inflate.eof:
                data = inflate.unused_data
                inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)


class _Bounded(io.BufferedReader):
    """A file of which only as much as an honest header needs may be read at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_HEADER_BYTES:
            raise ValueError(f"a part of {size} bytes is too large")
        return super().read(size)


class _Target:
    """The folder that a layer is applied to."""

    def __init__(self, folder: Path, digest: str) -> None:
        self._folder, self._digest = folder, digest
        self._added: set[tuple[str, ...]] = set()  # by this layer: its whiteouts do not mean these
        self._modes: dict[Path, int] = {}  # of folders, set at the end: they may forbid writing

    def apply(self, archive: tarfile.TarFile) -> None:
        for member in archive:
            parts = self._parts(member.name)
            if parts:
                self._apply(archive, member, parts)
        for path, mode in reversed(self._modes.items()):
            if path.is_dir() and not path.is_symlink():
                path.chmod(mode)

    def _apply(self, archive: tarfile.TarFile, member: tarfile.TarInfo, parts: tuple[str, ...]) -> None:
        parent = self._parent(parts)
        if parts[-1].startswith(_WHITEOUT):
            self._white_out(parent, parts)
            return
        self._added.update(parts[:depth] for depth in range(1, len(parts) + 1))
        path = parent / parts[-1]
        if member.isdir():
            self._make_folder(path)
            self._modes[path] = member.mode & _MODE
            return
        _remove(path)
        if member.isfile():
            self._write(archive, member, path)
        elif member.issym():
            path.symlink_to(member.linkname)
        elif member.islnk():
            os.link(self._linked(member), path, follow_symlinks=False)
        elif not (member.ischr() or member.isblk() or member.isfifo()):
            raise self._refused(member.name, "is of a kind that no layer has")

    def _write(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        content = archive.extractfile(member)
        with path.open("xb") as file:
            if content is not None:
                shutil.copyfileobj(content, file, READ_BYTES)
            if file.tell() != member.size:
                raise self._refused(member.name, "is cut short")
        path.chmod(member.mode & _MODE)

    def _parts(self, name: str) -> tuple[str, ...]:
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise self._refused(name, "leads out of the folder")
        return parts

    def _parent(self, parts: tuple[str, ...]) -> Path:
        path = self._folder
        for part in parts[:-1]:
            path = path / part
            if not path.is_symlink() and not path.exists():
                path.mkdir()
            elif not stat.S_ISDIR(path.lstat().st_mode):
                raise self._refused("/".join(parts), "is inside of what is no folder, or a link")
        return path

    def _make_folder(self, path: Path) -> None:
        if not path.is_dir() or path.is_symlink():
            _remove(path)
            path.mkdir()

    def _linked(self, member: tarfile.TarInfo) -> Path:
        parts = self._parts(member.linkname)
        path = self._parent(parts) / parts[-1] if parts else self._folder
        if path.is_symlink() or not path.is_file():
            raise self._refused(member.name, f"is a hard link to {member.linkname[:200]!r}, which is no file")
        return path

    def _white_out(self, parent: Path, parts: tuple[str, ...]) -> None:
        """layer.md, "Whiteouts": what lower layers have is hidden, not what this one has."""
        if parts[-1] == _OPAQUE:
            hidden = [path.name for path in parent.iterdir()]
        else:
            hidden = [parts[-1].removeprefix(_WHITEOUT)]
        if any(name in ("", ".", "..") for name in hidden):
            raise self._refused("/".join(parts), "is a whiteout of no name")
        for name in hidden:
            self._hide(parent / name, (*parts[:-1], name))

    def _hide(self, path: Path, parts: tuple[str, ...]) -> None:
        if parts not in self._added:
            _remove(path)
        elif path.is_dir() and not path.is_symlink():
            for inside in list(path.iterdir()):
                self._hide(inside, (*parts, inside.name))

    def _refused(self, name: str, why: str) -> Invalid:
        return Invalid(f"the layer {self._digest} is not accepted", faults=(Fault(f"{name[:200]!r} {why}"),))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
