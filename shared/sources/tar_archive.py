"""Tar files (POSIX.1-2017, pax, "ustar Interchange Format", and GNU's), already without compression."""

from __future__ import annotations

import tarfile
from typing import IO, Any, cast

from shared.sources.archive_members import Member
from shared.sources.bounded_file import BoundedFile

MAGIC_OFFSET = 257
TAR_MAGIC = b"ustar"
_REFUSALS = {
    tarfile.SYMTYPE: "is a symbolic link",
    tarfile.LNKTYPE: "is a hard link",
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.FIFOTYPE: "is a FIFO",
}


class TarArchive:
    """See Archive."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._tar = tarfile.open(fileobj=cast(Any, BoundedFile(file)), mode="r:")  # noqa: SIM115
        self._infos: list[tarfile.TarInfo] = []

    def members(self, max_members: int) -> list[Member]:
        """See Archive. ReadError without a block of zeros at the end: tarfile takes a damaged header for the end."""
        while len(self._infos) <= max_members and (info := self._tar.next()):
            self._infos.append(info)
        if len(self._infos) <= max_members:
            self._file.seek(self._tar.offset)
            if self._file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("it does not end with a block of zeros")
        return [_member(index, info) for index, info in enumerate(self._infos)]

    def open(self, member: Member) -> IO[bytes]:
        """See Archive."""
        file = self._tar.extractfile(self._infos[member.index])
        if file is None:
            raise tarfile.ReadError(f"{member.path[:200]!r} is not a file")
        return file


def _member(index: int, info: tarfile.TarInfo) -> Member:
    path = "" if info.name == "." else info.name.removeprefix("./")
    return Member(index, path, info.size, info.isdir(), _refusal(info))


def _refusal(info: tarfile.TarInfo) -> str:
    if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) and not info.issparse():
        return ""
    return _REFUSALS.get(info.type, "is neither a plain file nor a folder")
