"""Files that hold pickles: plain, compressed, NumPy's, and archives of them (PyTorch). In the worker process only.

What a file is, is told by its bytes: a loader does not mind the name. What cannot be looked into is never called safe.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any

from shared.inspection.candidates import LZ4, NUMPY, SEVEN_ZIP, SNIFFED_BYTES, ZIP, is_certain, kind_of
from shared.inspection.compression import BROKEN, TooMuch, compression_of, decompressed
from shared.inspection.pickle_stream import MAX_GLOBALS, Finding, look, unreadable, worst_of

MAX_MEMBERS = 10_000
MAX_MEMBER_NAME = 200
_TAR_MAGIC = (257, b"ustar")  # POSIX.1-2017, pax: the field "magic" of a header block


def scan(path: str) -> dict[str, Any] | None:
    """What is in the file, as PickleInspection has it; None when there is no pickle in it."""
    with open(path, "rb") as file:
        found = worst_of(_findings(file, path))
    if found is None:
        return None
    return {
        "path": path,
        "severity": found.severity,
        "globals": [name for _, name in sorted(found.names)[:MAX_GLOBALS]],
        "member": found.member,
        "problem": found.problem,
    }


def _findings(file: IO[bytes], name: str, *, is_plain: bool = False) -> Iterator[Finding]:
    """What is found in a whole file. `is_plain`: it was compressed, and is not decompressed a second time."""
    first = file.read(SNIFFED_BYTES)
    is_tar = _is_tar(file)
    file.seek(0)
    if zipfile.is_zipfile(file) or first.startswith(ZIP):
        yield from _in_zip(file)
        if first.startswith(ZIP):
            return
    file.seek(0)  # an archive may stand behind a pickle, which is what pickle.load sees
    compression = None if is_plain else compression_of(first)
    if is_tar:
        yield from _in_tar(file)
    elif compression is not None:
        yield from _in_compressed(file, name, compression)
    elif (found := _in_content(file, name, first)) is not None:
        yield found


def _in_content(file: IO[bytes], name: str, first: bytes) -> Finding | None:
    """What is found in what is neither compressed nor an archive that can be opened."""
    if first.startswith(LZ4):
        return unreadable("it is compressed by LZ4, which is not looked into")
    if first.startswith(SEVEN_ZIP):
        return unreadable("it is a 7z archive, which is not looked into")
    if first.startswith(NUMPY):
        return _in_numpy(file, name)
    return look(file, name, certain=is_certain(name))


def _in_numpy(file: IO[bytes], name: str) -> Finding:
    """An array of objects is a pickle behind the header (numpy.lib.format); other arrays are numbers."""
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        dtype = read(file)[2]
    except (ValueError, TypeError, SyntaxError, UnicodeDecodeError) as error:
        return unreadable(f"its NumPy header cannot be read: {error}")
    if not dtype.hasobject:
        return Finding("safe")
    return look(file, name, certain=True) or unreadable("its objects cannot be read")


def _in_compressed(file: IO[bytes], name: str, compression: str) -> Iterator[Finding]:
    try:
        plain = decompressed(file, compression)
    except TooMuch as error:
        yield unreadable(str(error))
        return
    except BROKEN as error:
        if is_certain(name):
            yield unreadable(f"it looks like {compression}, but is not: {error}")
        return
    with plain:
        yield from _findings(plain, name, is_plain=True)


def _in_zip(file: IO[bytes]) -> Iterator[Finding]:
    """Every member that may be a pickle, also those of one name: readers differ in which of them they take."""
    from picklescan.relaxed_zipfile import RelaxedZipFile  # type: ignore[import-untyped]

    try:
        with zipfile.ZipFile(file) as strict, RelaxedZipFile(file) as archive:
            members = strict.infolist()
            for member in members[:MAX_MEMBERS]:
                if (problem := _problem_of(strict, member)) is not None:
                    yield _named(unreadable(problem), member.filename)
                yield from _in_member(archive, member)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, OSError, RuntimeError) as error:
        yield unreadable(f"it is a broken archive: {error}")
        return
    if len(members) > MAX_MEMBERS:
        yield unreadable(f"it has {len(members)} members, {MAX_MEMBERS} are looked into")


def _problem_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str | None:
    """Why careful readers refuse the member; None when they don't. PyTorch's reader takes it all the same."""
    if member.flag_bits & 1:
        return "it is encrypted"
    try:
        archive.open(member).close()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, RuntimeError) as error:
        return f"it is a broken member: {error}"
    return None


def _in_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[Finding]:
    name = member.filename
    try:
        with archive.open(member) as file:
            first = file.read(SNIFFED_BYTES)
            if kind_of(name, first) != "pickle":
                return
            file.seek(0)
            yield from (_named(found, name) for found in _in_stream(file, name, first))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, *BROKEN) as error:
        yield _named(unreadable(f"it cannot be read: {error}"), name)


def _in_tar(file: IO[bytes]) -> Iterator[Finding]:
    """Members are read where they stand; nothing is extracted."""
    count = 0
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                count += 1
                if count > MAX_MEMBERS:
                    yield unreadable(f"it has more than {MAX_MEMBERS} members, {MAX_MEMBERS} are looked into")
                    return
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    continue
                first = content.read(SNIFFED_BYTES)
                content.seek(0)
                yield from (_named(found, member.name) for found in _in_stream(content, member.name, first))
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        yield unreadable(f"it is a broken archive: {error}")


def _in_stream(file: IO[bytes], name: str, first: bytes) -> Iterator[Finding]:
    """What is found in a member. Archives in archives are not opened: a bomb may have any number of layers."""
    if first.startswith(ZIP):
        yield unreadable("it is an archive inside of an archive, which is not looked into")
    elif (compression := compression_of(first)) is not None:
        yield from _in_compressed(file, name, compression)
    elif (found := _in_content(file, name, first)) is not None:
        yield found


def _named(found: Finding, member: str) -> Finding:
    return replace(found, member=member[:MAX_MEMBER_NAME])


def _is_tar(file: IO[bytes]) -> bool:
    offset, magic = _TAR_MAGIC
    file.seek(offset)
    return file.read(len(magic)) == magic
