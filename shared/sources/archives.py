"""Unpacking archives that strangers made, member by member, into the artifact store.

Members are files and folders. Whatever else there is (links, devices, sparse or encrypted files), a path that breaks
shared.paths.PATH_RULE, or two that some file system would take for one refuses the whole archive, with every fault.
One exception: hidden files (a part that starts with '.') and what is in `__MACOSX` are skipped, as they are no part of
a model. A single top-level folder is kept as it is. Archives inside are files like others.
"""

from __future__ import annotations

import asyncio
import struct
import tarfile
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Protocol
from zipfile import BadZipFile

from shared.errors import Fault, Invalid
from shared.ports import ArtifactStore
from shared.resources.model import ModelFile
from shared.sources.archive_members import Member, check_members, is_skipped
from shared.sources.tar_archive import MAGIC_OFFSET, TAR_MAGIC, TarArchive
from shared.sources.zip_archive import ZIP_MAGICS, ZipArchive

PIECE_BYTES = 4 << 20
RATIO_FREE_BYTES = 100 << 20  # small files may be as repetitive as they like
GZIP_MAGIC = b"\x1f\x8b"
FORMATS = ".zip, .tar, .tar.gz, .tgz"
_BROKEN = (
    BadZipFile, tarfile.TarError, zlib.error, EOFError, struct.error, ValueError, OverflowError, NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may grow to."""

    max_files: int = 2000
    max_bytes: int = 20 * 2**30  # all members together
    max_ratio: int = 100  # unpacked to packed bytes, past RATIO_FREE_BYTES

    def check(self, name: str, packed_bytes: int, unpacked_bytes: int) -> None:
        """Raises Invalid when that many unpacked bytes are too many."""
        if unpacked_bytes > self.max_bytes:
            raise Invalid(f"{name} unpacks to more than {self.max_bytes} bytes")
        if unpacked_bytes > max(RATIO_FREE_BYTES, self.max_ratio * packed_bytes):
            raise Invalid(f"{name} unpacks to more than {self.max_ratio} times its size, as a bomb does")


class Archive(Protocol):
    """An opened archive."""

    def members(self, max_members: int) -> list[Member]:
        """Its members in order; at most max_members + 1 of them."""
        ...

    def open(self, member: Member) -> IO[bytes]:
        """The unpacked bytes of a file."""
        ...


async def unpack(archive: ModelFile, artifacts: ArtifactStore, *, limits: ArchiveLimits) -> tuple[ModelFile, ...]:
    """The files of a stored archive, stored themselves, sorted by path. The format is told by the content. Raises
    Invalid for what is no archive, is damaged, breaks a rule of this module or a limit. Needs a few MiB of memory, and
    temporary files as large as the archive (a .tar.gz: and as what it unpacks to)."""
    with tempfile.TemporaryFile() as packed, tempfile.TemporaryFile() as spooled:
        async for chunk in artifacts.read(archive.sha256):
            await asyncio.to_thread(packed.write, chunk)
        with _broken_is_invalid(archive.path):
            opened = await asyncio.to_thread(_open, archive, packed, spooled, limits)
            members = await asyncio.to_thread(_checked, archive, opened, limits)
        files = [await _store(archive, opened, member, artifacts) for member in members]
    return tuple(sorted(files, key=lambda file: file.path))


def _open(archive: ModelFile, packed: IO[bytes], spooled: IO[bytes], limits: ArchiveLimits) -> Archive:
    head = _head(packed)
    if head.startswith(ZIP_MAGICS):
        return ZipArchive(packed)
    plain = packed
    if head.startswith(GZIP_MAGIC):
        _gunzip(archive, packed, spooled, limits)
        plain, head = spooled, _head(spooled)
    if head[MAGIC_OFFSET:].startswith(TAR_MAGIC):
        return TarArchive(plain)
    raise Invalid(f"{archive.path} is not an archive that can be unpacked (allowed: {FORMATS})")


def _head(file: IO[bytes]) -> bytes:
    file.seek(0)
    head = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    return head


def _gunzip(archive: ModelFile, packed: IO[bytes], spooled: IO[bytes], limits: ArchiveLimits) -> None:
    import gzip

    try:
        with gzip.GzipFile(fileobj=packed, mode="rb") as unzipped:
            while piece := unzipped.read(PIECE_BYTES):
                spooled.write(piece)
                limits.check(archive.path, archive.size_bytes, spooled.tell())
    except gzip.BadGzipFile as error:
        raise BadZipFile(str(error)) from error


def _checked(archive: ModelFile, opened: Archive, limits: ArchiveLimits) -> list[Member]:
    """The files to keep."""
    members = opened.members(max_members=4 * limits.max_files)  # folders and skipped ones need some room
    limits.check(archive.path, archive.size_bytes, sum(member.size_bytes for member in members))
    faults = check_members(members)
    files = [member for member in members if not member.is_folder and not is_skipped(member.path)]
    if len(files) > limits.max_files or len(members) > 4 * limits.max_files:
        faults.append(Fault("it has too many files", allowed=f"at most {limits.max_files}"))
    if not files:
        faults.append(Fault("it holds no files"))
    if faults:
        raise Invalid(f"{archive.path} cannot be unpacked", faults=tuple(faults[:100]))
    return files


async def _store(archive: ModelFile, opened: Archive, member: Member, artifacts: ArtifactStore) -> ModelFile:
    stored = await artifacts.put(_pieces(archive, opened, member))
    return ModelFile(path=member.path, sha256=stored.sha256, size_bytes=stored.size_bytes)


async def _pieces(archive: ModelFile, opened: Archive, member: Member) -> AsyncIterator[bytes]:
    size_bytes = 0
    for read in _reads(archive, opened, member):
        piece = await asyncio.to_thread(read)
        size_bytes += len(piece)
        if size_bytes > member.size_bytes or (not piece and size_bytes < member.size_bytes):
            raise Invalid(f"{archive.path}: {member.path} does not have the {member.size_bytes} bytes it claims")
        if not piece:
            return
        yield piece


def _reads(archive: ModelFile, opened: Archive, member: Member) -> Iterable[_Read]:
    with _broken_is_invalid(archive.path):
        file = opened.open(member)
    with file:
        while True:
            yield _Read(archive.path, file)


@dataclass(frozen=True, slots=True)
class _Read:
    name: str
    file: IO[bytes]

    def __call__(self) -> bytes:
        with _broken_is_invalid(self.name):
            return self.file.read(PIECE_BYTES)


@contextmanager
def _broken_is_invalid(name: str) -> Iterator[None]:
    """Invalid instead of what the readers of formats raise for damage."""
    try:
        yield
    except _BROKEN as error:
        raise Invalid(f"{name} is damaged or cut short: {type(error).__name__}: {str(error)[:200]}") from None
