"""Archives made by strangers: what is good comes out whole, what is hostile is refused and leaves nothing stored."""

from __future__ import annotations

import gzip
import io
import re
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.local.artifact_store import LocalArtifactStore
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.signing import UrlSigner
from shared.errors import Invalid
from shared.resources.model import ModelFile
from shared.sources.archives import ArchiveLimits, unpack

MIB = 1 << 20


def store_in(folder: Path) -> LocalArtifactStore:
    return LocalArtifactStore(folder, UrlSigner("k" * 32, SystemClock()))


def stored(folder: Path) -> int:
    return sum(1 for file in (folder / "artifacts").rglob("*") if file.is_file())


async def one(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), MIB):
        yield content[start : start + MIB]


async def unpacked(folder: Path, content: bytes, name: str = "model.zip", **limits: int) -> dict[str, bytes]:
    store = store_in(folder)
    artifact = await store.put(one(content))
    file = ModelFile(path=name, sha256=artifact.sha256, size_bytes=artifact.size_bytes)
    files = await unpack(file, store, limits=ArchiveLimits(**limits))
    assert [each.path for each in files] == sorted(each.path for each in files)
    return {each.path: b"".join([chunk async for chunk in store.read(each.sha256)]) for each in files}


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(*entries: tuple[str, bytes] | tarfile.TarInfo, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            archive.addfile(info, io.BytesIO(entry[1]))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return tarred(("model.onnx", b"m"), info)


def zip_link() -> bytes:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return zipped((info, b"/etc/passwd"))


def encrypted() -> bytes:
    content = bytearray(zipped(("model.onnx", b"m")))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def overlapping() -> bytes:
    """Two directory entries of one local member: the core of the 'better zip bomb'."""
    plain = zipped(("a", b"0" * 1000), ("b", b"1" * 1000))
    content = bytearray(plain)
    second = content.rindex(b"PK\x01\x02")
    struct.pack_into("<I", content, second + 42, 0)
    return bytes(content)


def lying(size_bytes: int) -> bytes:
    content = bytearray(zipped(("model.onnx", b"m" * 1000)))
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, size_bytes)
    return bytes(content)


def huge_extended_header() -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 64 * MIB
    return info.tobuf(tarfile.USTAR_FORMAT) + bytes(64 * MIB)


def damaged_second_header() -> bytes:
    content = bytearray(tarred(("a", b"a"), ("b", b"b")))
    content[1024] ^= 0xFF
    return bytes(content)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "parent": (lambda: zipped(("../evil", b"x")), r"'\.\./evil'"),
    "parent within": (lambda: tarred(("a/../../evil", b"x")), r"a/\.\./\.\./evil"),
    "dot within": (lambda: zipped(("a/./b", b"x")), r"a/\./b"),
    "hidden parent": (lambda: zipped((".a/../../evil", b"x")), "evil"),
    "absolute": (lambda: tarred(("/etc/passwd", b"x")), "/etc/passwd"),
    "drive": (lambda: zipped(("C:/evil", b"x")), "C:/evil"),
    "backslash": (lambda: zipped(("a\\..\\evil", b"x")), "evil"),
    "control": (lambda: tarred(("a\nb", b"x")), "not accepted"),
    "zip link": (zip_link, "symbolic link"),
    "link": (lambda: special("l", tarfile.SYMTYPE, "/etc/passwd"), "'l' is a symbolic link"),
    "hard link": (lambda: special("l", tarfile.LNKTYPE, "model.onnx"), "hard link"),
    "device": (lambda: special("d", tarfile.CHRTYPE), "device"),
    "fifo": (lambda: special("f", tarfile.FIFOTYPE), "FIFO"),
    "hidden link": (lambda: special(".l", tarfile.SYMTYPE, "x"), "symbolic link"),
    "twice": (lambda: tarred(("a", b"1"), ("a", b"2")), "same file"),
    "twice by case": (lambda: zipped(("Model", b"1"), ("model", b"2")), "same file"),
    "twice by form": (lambda: zipped(("caf\u00e9", b"1"), ("cafe\u0301", b"2")), "same file"),
    "file and folder": (lambda: tarred(("a", b"1"), ("A/b", b"2")), "a file and a folder"),
    "encrypted": (encrypted, "encrypted"),
    "overlapping": (overlapping, "damaged"),
    "claims less": (lambda: lying(10), "damaged"),
    "claims more": (lambda: lying(2000), "claims|damaged"),
    "bzip2 within": (lambda: zipped(("a", b"x"), method=zipfile.ZIP_BZIP2), "method 12"),
    "nothing": (lambda: zipped(), "no files"),
    "only hidden": (lambda: zipped((".DS_Store", b"x")), "no files"),
    "no archive": (lambda: b"\x80\x04model", r"allowed: \.zip, \.tar"),
    "empty file": (lambda: b"", r"allowed: \.zip"),
    "gzip of no tar": (lambda: gzip.compress(b"text"), r"allowed: \.zip"),
    "cut zip": (lambda: zipped(("a", b"x" * 9999))[:-30], "damaged"),
    "cut tar": (lambda: tarred(("a", bytes(9999)))[:5000], "damaged"),
    "cut gzip": (lambda: tarred(("a", bytes(9999)), mode="w:gz")[:-20], "damaged"),
    "damaged header": (damaged_second_header, "damaged"),
    "huge extended header": (huge_extended_header, "damaged"),
    "tar bomb": (lambda: gzip.compress(tarred(("zeros", bytes(300 * MIB))), 1), "bomb"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_archive_is_refused_and_nothing_of_it_is_handed_out(tmp_path: Path, case: str) -> None:
    make, said = HOSTILE[case]
    with pytest.raises(Invalid) as refused:
        await unpacked(tmp_path, make())
    assert re.search(said, str(refused.value)), str(refused.value)
    assert stored(tmp_path) == 1  # the archive itself


async def test_damage_within_a_file_is_found_by_its_checksum(tmp_path: Path) -> None:
    content = bytearray(zipped(("a", b"x" * 1000), method=zipfile.ZIP_STORED))
    content[content.index(b"xxxx") + 3] ^= 1
    with pytest.raises(Invalid, match="damaged"):
        await unpacked(tmp_path, bytes(content))


async def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        await unpacked(tmp_path, zipped(("../a", b""), ("/b", b""), ("c", b""), ("C", b"")))
    assert len(refused.value.faults) == 3


async def test_limits_hold(tmp_path: Path) -> None:
    three = zipped(("a", b"x" * 100), ("b", b"y" * 100), ("c", b"z" * 100))
    assert len(await unpacked(tmp_path, three, max_files=3, max_bytes=300)) == 3
    with pytest.raises(Invalid, match="too many files"):
        await unpacked(tmp_path, three, max_files=2)
    with pytest.raises(Invalid, match="more than 299 bytes"):
        await unpacked(tmp_path, three, max_bytes=299)


async def test_a_bomb_of_a_gigabyte_is_refused_in_little_memory(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("zeros", "w") as member,
    ):
        for _ in range(256):
            member.write(bytes(4 * MIB))
    bomb = buffer.getvalue()
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match="bomb"):
            await unpacked(tmp_path, bomb)
        assert tracemalloc.get_traced_memory()[1] < 32 * MIB
    finally:
        tracemalloc.stop()
    assert stored(tmp_path) == 1


@pytest.mark.parametrize("name", ["m.zip", "m.tar", "m.tar.gz", "wrongly-named.bin"])
async def test_folders_stay_and_hidden_files_are_skipped(tmp_path: Path, name: str) -> None:
    entries = (("./top/model.onnx", b"m"), ("top/.hidden", b"h"), ("__MACOSX/top/._model.onnx", b"r"))
    content = zipped(*entries) if "zip" in name else tarred(*entries, mode="w:gz" if "gz" in name else "w")
    assert await unpacked(tmp_path, content, name) == {"top/model.onnx": b"m"}


PART = st.text("abcxyz019_- é", min_size=1, max_size=8)
TREE = st.dictionaries(st.lists(PART, min_size=2, max_size=2).map("/".join), st.binary(max_size=5000), min_size=1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=TREE, form=st.sampled_from(["zip", "w", "w:gz"]))
async def test_what_was_packed_comes_out(tree: dict[str, bytes], form: str) -> None:
    content = zipped(*tree.items()) if form == "zip" else tarred(*tree.items(), mode=form)
    with TemporaryDirectory() as folder:
        assert await unpacked(Path(folder), content) == tree


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), form=st.sampled_from(["zip", "w", "w:gz"]))
async def test_damage_anywhere_is_harmless_or_refused(data: st.DataObject, form: str) -> None:
    entries = (("a/b", b"b" * 700), ("c", b"c" * 30))
    content = bytearray(zipped(*entries) if form == "zip" else tarred(*entries, mode=form))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with TemporaryDirectory() as folder:
        try:
            await unpacked(Path(folder), bytes(content))
        except Invalid:
            return
