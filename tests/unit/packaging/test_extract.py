"""Layers of strangers: whiteouts do what they mean, what is hostile writes nothing outside of the folder."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from shared.errors import ArtifactCorrupted, Invalid, NotFound, NotSupported, TooLarge
from shared.packaging.descriptor import LAYER_TAR_ZSTD
from shared.packaging.extract import unpack, unpack_layer
from shared.packaging.image import ImageConfig, assemble
from shared.packaging.layer import Layer
from shared.packaging.layout import blob_path
from tests.unit.packaging.made import files_of, member, strange_layer

FOLDER, LINK, HARD = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def unpacked(tmp_path: Path, *layers: Layer) -> Path:
    named = assemble(tmp_path / "layout", layers, ImageConfig(), base=None)
    unpack(tmp_path / "layout", named.digest, tmp_path / "out")
    return tmp_path / "out"


def test_whiteouts_hide_what_is_below_and_not_what_is_beside(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    below = strange_layer(layout, member("a/gone", b"1"), member("a/stays", b"1"), member("b/old", b"1"),
                          member("b/deep/old", b"1"), member("tree/x", b"1"))  # fmt: skip
    above = strange_layer(
        layout, member("b/new", b"2"), member("b/deep/new", b"2"), member("a/.wh.gone"), member("b/.wh..wh..opq"),
        member(".wh.tree"), member("c/.wh.never-there"), packed=True,
    )  # fmt: skip
    assert files_of(unpacked(tmp_path, below, above)) == {"a/stays": b"1", "b/new": b"2", "b/deep/new": b"2"}


def test_kinds_replace_each_other(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    below = strange_layer(
        layout, member("folder/x", b"1"), member("file", b"1"), member("link", kind=LINK, link="/etc")
    )
    above = strange_layer(
        layout, member("./folder", b"2"), member("link", kind=FOLDER, mode=0o755), member("link/passwd", b"2"),
        member("hard", kind=HARD, link="./link/passwd"), member("./", kind=FOLDER),
        member("null", kind=tarfile.CHRTYPE), member("set", b"2", mode=0o4755),
    )  # fmt: skip
    out = unpacked(tmp_path, below, above)
    assert files_of(out) == {"folder": b"2", "file": b"1", "link/passwd": b"2", "hard": b"2", "set": b"2"}
    assert (out / "hard").stat().st_ino == (out / "link" / "passwd").stat().st_ino
    assert (out / "set").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    "members",
    [
        [member("../outside", b"x")],
        [member("/outside", b"x")],
        [member("a/../../outside", b"x")],
        [member("link", kind=LINK, link=".."), member("link/outside", b"x")],
        [member("file", b""), member("file/outside", b"x")],
        [member("hard", kind=HARD, link="../secret")],
        [member("link", kind=LINK, link="../secret"), member("hard", kind=HARD, link="link")],
        [member("..", kind=FOLDER)],
        [member("a/.wh...", b"")],
        [member(".wh.", b"")],
        [member("../.wh.secret", b"")],
        [member("kind", kind=b"Z")],
    ],
    ids=lambda members: " ".join(info.name for info, _ in members),
)
def test_hostile_layers_are_refused(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    layer = strange_layer(tmp_path / "layout", *members)
    with pytest.raises(Invalid, match="is not accepted"):
        unpacked(tmp_path, layer)
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert not (tmp_path / "outside").exists()
    assert {path.name for path in (tmp_path / "out").rglob("*")} <= {"link", "file", "a"}


def test_a_link_is_replaced_and_never_written_through(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    layer = strange_layer(tmp_path / "layout", member("f", kind=LINK, link="../secret"), member("f", b"mine"))
    assert files_of(unpacked(tmp_path, layer)) == {"f": b"mine"}
    assert (tmp_path / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize("packed", [True, False])
def test_nothing_is_written_before_the_digests_are_right(tmp_path: Path, packed: bool) -> None:
    layout, out = tmp_path / "layout", tmp_path / "out"
    out.mkdir()
    layer = strange_layer(layout, member("a", b"x" * 5000), packed=packed)
    other = strange_layer(layout, member("b", b"y"), packed=packed)
    wrong = Layer(layer.digest, layer.size_bytes, other.diff_id, layer.media_type)
    with pytest.raises(ArtifactCorrupted, match="does not unpack to"):
        unpack_layer(layout, wrong, out)
    with pytest.raises(TooLarge, match="more than 1000 bytes"):
        unpack_layer(layout, layer, out, max_bytes=1000)
    blob = blob_path(layout, layer.digest)
    blob.write_bytes(blob.read_bytes()[:-20])
    with pytest.raises((ArtifactCorrupted, Invalid)):
        unpack_layer(layout, layer, out)
    blob.unlink()
    with pytest.raises(NotFound):
        unpack_layer(layout, layer, out)
    with pytest.raises(NotSupported, match="zstd"):
        unpack_layer(layout, Layer(other.digest, 1, other.diff_id, LAYER_TAR_ZSTD), out)
    assert list(out.iterdir()) == []


def test_a_header_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    info, content = member("huge", b"\0" * (9 << 20), kind=tarfile.XHDTYPE)
    layer = strange_layer(tmp_path / "layout", (info, content), packed=True)
    with pytest.raises(Invalid, match="is too large"):
        unpacked(tmp_path, layer)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_bytes(b"")
    with pytest.raises(Invalid, match="is not empty"):
        unpacked(tmp_path, strange_layer(tmp_path / "layout", member("a")))
