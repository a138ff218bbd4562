"""Zip files (PKWARE's APPNOTE.TXT 6.3), stored or deflated."""

from __future__ import annotations

import itertools
import stat
from typing import IO, Any, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from shared.sources.archive_members import Member
from shared.sources.bounded_file import BoundedFile

ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")  # the first member; the end, of an empty archive
_LOCAL_HEADER_BYTES = 30  # APPNOTE 4.3.7, without the name
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # APPNOTE 4.4.4: encrypted, strongly, its directory too


class ZipArchive:
    """See Archive."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = ZipFile(cast(Any, BoundedFile(file)))
        self._infos = self._zip.infolist()

    def members(self, max_members: int) -> list[Member]:
        """See Archive. BadZipFile when members share bytes, as in bombs (Fifield, "A better zip bomb", 2019)."""
        self._check_overlaps()
        return [_member(index, info) for index, info in enumerate(self._infos[: max_members + 1])]

    def _check_overlaps(self) -> None:
        infos = sorted(self._infos, key=lambda info: info.header_offset)
        starts = [*(info.header_offset for info in infos[1:]), self._zip.start_dir]
        for info, next_start in itertools.zip_longest(infos, starts[: len(infos)]):
            if info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size > next_start:
                raise BadZipFile(f"{info.filename[:200]!r} overlaps what follows it")

    def open(self, member: Member) -> IO[bytes]:
        """See Archive."""
        return self._zip.open(self._infos[member.index])


def _member(index: int, info: ZipInfo) -> Member:
    is_folder = info.orig_filename.endswith("/")
    path = info.orig_filename.removesuffix("/") if is_folder else info.orig_filename
    return Member(index, path.removeprefix("./"), info.file_size, is_folder, _refusal(info))


def _refusal(info: ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return f"is compressed by method {info.compress_type}; stored and deflated are accepted"
    return ""
