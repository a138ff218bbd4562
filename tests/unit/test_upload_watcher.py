"""The watcher of dropped files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from shared.adapters.local.announced_blobs import AnnouncedBlobs
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.signing import UrlSigner
from shared.adapters.local.upload_area import LocalUploadArea
from shared.errors import Invalid, NotFound, Retryable
from shared.local_host.upload_watcher import UploadWatcher
from shared.local_host.watching import watchers
from shared.resources.events import Event


class Announcements:
    """What was announced; refuses the paths in `refused`, dies at those in `deadly`."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.events: list[Event] = []
        self.refused: set[str] = set()
        self.deadly: set[str] = set()
        self.arrived = asyncio.Event()

    async def __call__(self, event: Event) -> None:
        path = event.subject.partition("/blobs/")[2]
        if path in self.refused:
            raise Retryable("not now")
        self.paths.append(path)
        self.events.append(event)
        self.arrived.set()
        if path in self.deadly:
            raise RuntimeError("the process dies here")


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


def drop(uploads: Path, path: str, content: bytes = b"content") -> None:
    (uploads / path).parent.mkdir(parents=True, exist_ok=True)
    (uploads / path).write_bytes(content)


async def test_each_file_is_announced_once(tmp_path: Path, uploads: Path) -> None:
    announced = Announcements()
    watcher = UploadWatcher(tmp_path, announced, settle_s=0)
    drop(uploads, "b.yml")
    drop(uploads, "a/model.onnx")
    assert [await watcher.look(), await watcher.look()] == [2, 0]
    drop(uploads, "c")
    assert [await watcher.look(), await watcher.look()] == [1, 0]
    assert announced.paths == ["a/model.onnx", "b.yml", "c"]
    area = LocalUploadArea(tmp_path, UrlSigner("key", SystemClock()), settle_s=0)
    assert {event.data["eTag"] for event in announced.events} == {b.etag for b in await area.list_blobs("uploads", "")}


async def test_a_file_that_is_written_again_is_announced_again(tmp_path: Path, uploads: Path) -> None:
    announced = Announcements()
    watcher = UploadWatcher(tmp_path, announced, settle_s=0)
    for content in (b"one", b"three"):
        drop(uploads, "a", content)
        assert await watcher.look() == 1
    first, second = announced.events
    assert first.id != second.id
    (uploads / "a").unlink()
    await watcher.look()
    assert await AnnouncedBlobs(tmp_path).etags() == {}


async def test_a_file_that_is_being_written_is_not_taken(tmp_path: Path, uploads: Path) -> None:
    announced = Announcements()
    drop(uploads, "half.onnx")
    os.utime(uploads / "half.onnx", (1, 1))  # as cp -p sets it; what counts is the change itself
    assert await UploadWatcher(tmp_path, announced, settle_s=3600).look() == 0
    area = LocalUploadArea(tmp_path, UrlSigner("key", SystemClock()), settle_s=3600)
    assert await area.list_blobs("uploads", "") == ()
    with pytest.raises(NotFound, match="still being written"):
        await area.read_blob("uploads", "half.onnx", max_bytes=100)
    assert await UploadWatcher(tmp_path, announced, settle_s=0).look() == 1


async def test_hidden_files_links_and_bad_names_are_ignored(tmp_path: Path, uploads: Path) -> None:
    announced = Announcements()
    drop(uploads, ".hidden")
    drop(uploads, ".folder/file")
    drop(tmp_path, "outside/file")
    (uploads / "link").symlink_to(tmp_path / "outside" / "file")
    (uploads / "linked folder").symlink_to(tmp_path / "outside")
    (uploads / "loop").symlink_to(uploads)
    (uploads / "bad\nname").write_bytes(b"x")
    (uploads / os.fsdecode(b"\xff\xfe")).write_bytes(b"x")
    os.mkfifo(uploads / "pipe")
    assert await UploadWatcher(tmp_path, announced, settle_s=0).look() == 0


async def test_what_was_refused_is_announced_later_and_holds_nothing_up(tmp_path: Path, uploads: Path) -> None:
    announced = Announcements()
    watcher = UploadWatcher(tmp_path, announced, settle_s=0)
    for name in "abc":
        drop(uploads, name)
    announced.refused = {"b"}
    assert await watcher.look() == 2
    announced.refused = set()
    assert await watcher.look() == 1
    assert announced.paths == ["a", "c", "b"]


async def test_after_a_crash_the_unsure_ones_are_announced_again(tmp_path: Path, uploads: Path) -> None:
    announced = Announcements()
    drop(uploads, "a")
    assert await UploadWatcher(tmp_path, announced, settle_s=0).look() == 1
    drop(uploads, "b")
    announced.deadly = {"b"}
    with pytest.raises(ExceptionGroup):
        await UploadWatcher(tmp_path, announced, settle_s=0).look()
    assert list(await AnnouncedBlobs(tmp_path).etags()) == ["a"]  # what the next process finds
    announced.deadly = set()
    assert await UploadWatcher(tmp_path, announced, settle_s=0).look() == 1
    assert announced.paths == ["a", "b", "b"]
    assert announced.events[1].id == announced.events[2].id


async def test_thousands_of_files(tmp_path: Path, uploads: Path) -> None:
    announced = Announcements()
    watcher = UploadWatcher(tmp_path, announced, settle_s=0)
    for number in range(2000):
        drop(uploads, f"{number % 50}/{number}", b"")
    assert [await watcher.look(), await watcher.look()] == [2000, 0]


async def test_run_watches_until_it_is_cancelled(tmp_path: Path) -> None:
    announced = Announcements()
    task = asyncio.create_task(UploadWatcher(tmp_path, announced, poll_s=0.01, settle_s=0).run())
    try:
        for name in ("first", "second"):
            await asyncio.to_thread(drop, tmp_path / "uploads", name)
            async with asyncio.timeout(30):
                while name not in announced.paths:  # without settling, one that is still being written comes twice
                    await announced.arrived.wait()
                    announced.arrived.clear()
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert list(dict.fromkeys(announced.paths)) == ["first", "second"]


async def test_a_file_is_announced_when_its_writer_has_closed_it(tmp_path: Path) -> None:
    announced = Announcements()
    watcher = UploadWatcher(tmp_path, announced, settle_s=0)
    (tmp_path / "uploads").mkdir()
    with (tmp_path / "uploads" / "a").open("wb") as file:
        file.write(b"first half")
        file.flush()
        assert await watcher.look() == 0
    assert await watcher.look() == 1


async def test_collected_files_are_announced_when_nothing_is_written_to_them_any_more(tmp_path: Path) -> None:
    announced = Announcements()
    *_, collected = watchers(tmp_path, announced, {"SLIPWAY_COLLECTED_SETTLE_S": "3600"})
    path = "live/blue/model_inputs/2026/11/27/05/i.jsonl"
    drop(tmp_path / "collected", path)
    assert await collected.look() == 0, "half a minute is not over"
    *_, collected = watchers(tmp_path, announced, {"SLIPWAY_COLLECTED_SETTLE_S": "0"})
    for content in (b"one\n", b"one\ntwo\n"):
        drop(tmp_path / "collected", path, content)
        assert [await collected.look(), await collected.look()] == [1, 0]
    assert {event.subject for event in announced.events} == {f"/blobServices/default/containers/collected/blobs/{path}"}
    with pytest.raises(Invalid, match="SLIPWAY_COLLECTED_SETTLE_S"):
        watchers(tmp_path, announced, {"SLIPWAY_COLLECTED_SETTLE_S": "soon"})
