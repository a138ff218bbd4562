"""A layer has the same bytes whoever builds it, holds what it was given, and refuses what no layer can hold."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tarfile
import time
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Invalid, Permanent, Retryable
from shared.packaging.descriptor import LAYER_TAR, LAYER_TAR_GZIP
from shared.packaging.entries import is_valid_target
from shared.packaging.extract import unpack_layer
from shared.packaging.layer import Entry, folder_entries, write_layer
from shared.packaging.layout import blob_path
from tests.unit.packaging.made import files_of

ROOT = Path(__file__).parents[3]
FILES = {"score.py": b"def run(): ...\n", "a/b/c.bin": bytes(range(256)) * 40, "a-b": b"", "größe/模型.txt": b"1"}
# What SHA-256 says of the layer of FILES, with score.py executable and two links; made once, on one machine.
GOLDEN_DIFF_ID = "sha256:d84d1c7716c074c785b82ed515d11d50cae55759221001571ccd5e87b198ad66"


def make(folder: Path, *, time_s: int = 0, umask: int = 0o022) -> Path:
    old = os.umask(umask)
    try:
        for name, content in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            os.utime(folder / name, (time_s, time_s))
        (folder / "score.py").chmod(0o777 & ~umask)
        (folder / "a" / "link").symlink_to("../score.py")
        (folder / "folder-link").symlink_to("a/b")
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "score.cpython-311.pyc").write_bytes(os.urandom(8))
        (folder / "a" / "old.pyc").write_bytes(os.urandom(8))
        (folder / "empty").mkdir()
    finally:
        os.umask(old)
    return folder


@pytest.mark.parametrize("compressed", [True, False])
def test_folder_time_umask_and_order_do_not_change_a_layer(tmp_path: Path, compressed: bool) -> None:
    first = write_layer(
        folder_entries(make(tmp_path / "one", time_s=1), "app"), tmp_path / "layout", compressed=compressed
    )
    entries = list(folder_entries(make(tmp_path / "elsewhere" / "two", time_s=1_800_000_000, umask=0o077), "app"))
    random.Random(7).shuffle(entries)
    second = write_layer(entries, tmp_path / "other-layout", compressed=compressed)
    assert first == second
    assert (
        blob_path(tmp_path / "layout", first.digest).read_bytes()
        == blob_path(tmp_path / "other-layout", second.digest).read_bytes()
    )


def test_the_bytes_of_a_layer_are_those_of_any_machine(tmp_path: Path) -> None:
    layer = write_layer(folder_entries(make(tmp_path / "files")), tmp_path / "layout", compressed=False)
    assert layer.diff_id == layer.digest == GOLDEN_DIFF_ID
    packed = write_layer(folder_entries(tmp_path / "files"), tmp_path / "layout")
    assert (packed.diff_id, packed.media_type, layer.media_type) == (GOLDEN_DIFF_ID, LAYER_TAR_GZIP, LAYER_TAR)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can build as somebody else")
def test_another_user_makes_the_same_layer(tmp_path: Path) -> None:
    with TemporaryDirectory(dir="/tmp") as name:  # pytest's folder is its user's alone
        shared = Path(name)
        shared.chmod(0o777)
        script = (
            "import os, sys; from pathlib import Path; from shared.packaging.layer import *; "
            "from tests.unit.packaging.test_layer import make; os.setgroups([]); os.setgid(65532); os.setuid(65532); "
            "folder = make(Path(sys.argv[1]) / 'f'); "
            "print(os.stat(folder).st_uid, write_layer(folder_entries(folder), Path(sys.argv[1]) / 'l').digest)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, name], cwd=ROOT, capture_output=True, text=True, check=False
        )
    mine = write_layer(folder_entries(make(tmp_path / "files")), tmp_path / "layout")
    assert done.stdout.split() == ["65532", mine.digest], done.stderr


def test_what_is_in_a_layer(tmp_path: Path) -> None:
    layer = write_layer(folder_entries(make(tmp_path / "files"), "opt/app"), tmp_path / "layout")
    with tarfile.open(blob_path(tmp_path / "layout", layer.digest), "r:gz") as archive:
        members = {each.name: each for each in archive}
    assert list(members) == [
        "opt", "opt/app", "opt/app/a", "opt/app/a-b", "opt/app/a/b", "opt/app/a/b/c.bin", "opt/app/a/link",
        "opt/app/empty", "opt/app/folder-link", "opt/app/größe", "opt/app/größe/模型.txt", "opt/app/score.py",
    ]  # fmt: skip
    assert {(each.mtime, each.uid, each.gid, each.uname, each.gname) for each in members.values()} == {
        (0, 0, 0, "", "")
    }
    modes = {name: members[f"opt/app/{name}"].mode for name in ("score.py", "a-b", "a")}
    assert modes == {"score.py": 0o755, "a-b": 0o644, "a": 0o755}
    assert members["opt/app/a/link"].linkname == "../score.py"


def test_a_layer_of_nothing_is_an_archive_of_nothing(tmp_path: Path) -> None:
    layer = write_layer([], tmp_path / "layout", compressed=False)
    with tarfile.open(blob_path(tmp_path / "layout", layer.digest)) as archive:
        assert archive.getnames() == []


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../up", "a/../b", "a//b", "a/", "", ".", "./a", "a/.wh.b", "line\nbreak", "nul\0",
               "x" * 256, "\udcff"],
)  # fmt: skip
def test_hostile_paths_are_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(Invalid, match="cannot be in a layer"):
        write_layer([Entry("fine", b""), Entry(target, b"")], tmp_path / "layout")
    assert not (tmp_path / "layout").exists()


def test_contradicting_entries_are_refused_all_at_once(tmp_path: Path) -> None:
    entries = [
        Entry("a", b""), Entry("a/b", b""), Entry("twice", b"1"), Entry("twice", b"2"), Entry("mode", b"", 0o10000),
        Entry("link", None, link_target="."), Entry("link/through", b""),
    ]  # fmt: skip
    with pytest.raises(Invalid) as refused:
        write_layer(entries, tmp_path / "layout")
    shown = str(refused.value)
    for words in (
        "'a/b' is in 'a'",
        "'twice' is there twice",
        "mode 4096 of 'mode'",
        "'link/through' is in 'link'",
    ):
        assert words in shown


def test_links_out_of_the_folder_and_devices_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "absolute").symlink_to("/etc/passwd")
    (folder / "inside-but-absolute").symlink_to(folder / "a")
    (folder / "a" / "up").symlink_to("../../outside")
    (folder / "here").symlink_to(".")
    (folder / "a" / "b" / "crooked").symlink_to("../../here/../outside")  # reads as inside, leads out
    (folder / "a" / "fine").symlink_to("../missing")
    os.mkfifo(folder / "pipe")
    with pytest.raises(Invalid) as refused:
        list(folder_entries(folder))
    assert {str(fault).split("'")[1] for fault in refused.value.faults} == {
        "absolute", "inside-but-absolute", "a/up", "a/b/crooked", "pipe",
    }  # fmt: skip


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is not a folder"):
        list(folder_entries(tmp_path / "missing"))


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.bin", "wb"):
        pass
    with pytest.raises(Invalid, match="cannot be in a layer"):
        list(folder_entries(tmp_path))


def test_a_file_that_changes_or_goes_leaves_no_layer(tmp_path: Path) -> None:
    (tmp_path / "layout").mkdir()
    (tmp_path / "growing").write_bytes(b"")
    with pytest.raises(Retryable, match="went away"):
        write_layer([Entry("a", tmp_path / "missing")], tmp_path / "layout")
    with pytest.raises(Permanent, match="Is a directory"):
        write_layer([Entry("a", tmp_path)], tmp_path / "layout")
    with pytest.raises(Retryable, match="changed while"):  # a file of /proc says it has no bytes, and has some
        write_layer([Entry("a", Path("/proc/self/status"))], tmp_path / "layout")
    assert list((tmp_path / "layout").iterdir()) == []


@pytest.mark.parametrize("compressed", [True, False])
def test_a_large_file_is_streamed(tmp_path: Path, compressed: bool) -> None:
    large = tmp_path / "model.bin"
    with large.open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        layer = write_layer([Entry("model.bin", large)], tmp_path / "layout", compressed=compressed)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20 << 20
    assert (layer.size_bytes < 1 << 20) == compressed


def test_kill_9_leaves_no_blob(tmp_path: Path) -> None:
    large, layout = tmp_path / "model.bin", tmp_path / "layout"
    with large.open("wb") as file:
        file.truncate(4 << 30)
    script = (
        "import sys; from pathlib import Path; from shared.packaging.layer import *; "
        "write_layer([Entry('model.bin', Path(sys.argv[1]))], Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(large), str(layout)], cwd=ROOT)
    deadline = time.monotonic() + 30
    while not list(layout.glob(".partial-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    assert list(layout.glob(".partial-*"))
    assert not (layout / "blobs").exists()


names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=30)
targets = st.lists(names, min_size=1, max_size=4).map("/".join).filter(is_valid_target)
contents = st.tuples(st.binary(max_size=2000), st.sampled_from([0o644, 0o755, 0o600, None]))


def _without_conflicts(files: dict[str, tuple[bytes, int | None]]) -> dict[str, tuple[bytes, int | None]]:
    parents = {"/".join(name.split("/")[:depth]) for name in files for depth in range(1, name.count("/") + 1)}
    return {name: content for name, content in files.items() if name not in parents}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(targets, contents, max_size=8).map(_without_conflicts), st.booleans())
def test_what_goes_in_comes_out(files: dict[str, tuple[bytes, int | None]], compressed: bool) -> None:
    entries = [Entry(name, content, mode) for name, (content, mode) in files.items()]
    with TemporaryDirectory() as name:
        layout, folder = Path(name) / "layout", Path(name) / "out"
        layer = write_layer(entries, layout, compressed=compressed)
        assert write_layer(reversed(entries), layout, compressed=compressed) == layer
        folder.mkdir()
        unpack_layer(layout, layer, folder)
        assert files_of(folder) == {path: content for path, (content, _) in files.items()}
        for path, (_, mode) in files.items():
            assert (folder / path).stat().st_mode & 0o7777 == (0o644 if mode is None else mode)
