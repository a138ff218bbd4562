"""`slipway model download`: goes on where it stopped, in parallel, and keeps only the right bytes."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.cli.partial_download import BLOCK_BYTES, RANGE_BYTES, PartialDownload, Span
from tests.doubles.cli import Cli
from tests.doubles.rest_api import Reply, Request, RestApi, running_rest_api


class Ranges:
    """Lets the double serve ranges, as Azure and the local host do, and fail when told."""

    def __init__(self, api: RestApi) -> None:
        self.api = api
        self.asked: list[str] = []
        self.break_after = 1 << 62  # bytes of each answer, from then on
        api.interpose = self._answer

    def _answer(self, request: Request) -> Reply | None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if asked is None or not request.path.startswith("/signed/"):
            return None
        self.asked.append(request.headers["range"])
        start, last = int(asked[1]), int(asked[2])
        content = self.api.blobs[request.path.removeprefix("/signed/")]
        part = content[start : last + 1]
        headers = {"Content-Range": f"bytes {start}-{last}/{len(content)}", "Content-Length": str(len(part))}
        return Reply(206, content=part[: self.break_after], headers=headers, cut_after=len(part) > self.break_after)


@pytest.fixture
def api() -> Iterator[RestApi]:
    with running_rest_api() as server:
        yield server


@pytest.fixture
def cli(api: RestApi, tmp_path: Path) -> Cli:
    return Cli(api.url, tmp_path / "data")


def test_a_broken_download_goes_on_where_it_stopped(cli: Cli, api: RestApi, tmp_path: Path) -> None:
    content = os.urandom(3 * BLOCK_BYTES + 17)
    api.add_version({"name": "m"}, {"weights": content})
    ranges, out = Ranges(api), tmp_path / "out"
    ranges.break_after = BLOCK_BYTES + 5
    broken = cli("model", "download", "m", str(out), "--timeout-s", "0.1")
    assert broken.exit_code == 6
    assert not (out / "weights").exists()
    ranges.break_after, before = 1 << 62, len(ranges.asked)
    assert cli("model", "download", "m", str(out)).exit_code == 0
    assert (out / "weights").read_bytes() == content
    assert [p.name for p in out.iterdir()] == ["weights"]
    first = int(re.findall(r"\d+", ranges.asked[before])[0])
    assert first >= BLOCK_BYTES
    assert first % BLOCK_BYTES == 0


def test_partial_bytes_that_are_wrong_are_fetched_anew(cli: Cli, api: RestApi, tmp_path: Path) -> None:
    content = os.urandom(2 * BLOCK_BYTES)
    version = api.add_version({"name": "m"}, {"weights": content})
    Ranges(api)
    partial = PartialDownload(tmp_path / "weights", len(content), version["files"][0]["sha256"])
    partial.begin()
    list(partial.write(0, iter([b"x" * BLOCK_BYTES])))
    assert cli("model", "download", "m", str(tmp_path)).exit_code == 0
    assert (tmp_path / "weights").read_bytes() == content
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_files_come_several_at_once_but_not_more_than_asked(cli: Cli, api: RestApi, tmp_path: Path) -> None:
    api.add_version({"name": "m"}, {f"f{n}": str(n).encode() for n in range(9)})
    meeting, lock, now, most = threading.Barrier(3, timeout=30), threading.Lock(), [0], [0]

    def answer(request: Request) -> Reply | None:
        api.lock.release()  # the double answers one request at a time otherwise
        try:
            if request.path.startswith("/signed/"):
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                meeting.wait()  # three must be here, or this never goes on
                with lock:
                    now[0] -= 1
        finally:
            api.lock.acquire()
        return None

    api.interpose = answer
    assert cli("model", "download", "m", str(tmp_path / "out"), "--parallel", "3").exit_code == 0
    assert {p.name: p.read_text() for p in (tmp_path / "out").iterdir()} == {f"f{n}": str(n) for n in range(9)}
    assert most[0] == 3


def test_equal_files_are_left_alone_and_one_file_can_be_chosen(cli: Cli, api: RestApi, tmp_path: Path) -> None:
    api.add_version({"name": "m"}, {"a": b"a", "sub/b": b"b"})
    assert cli("model", "download", "m", str(tmp_path / "one"), "--file", "sub/b").exit_code == 0
    assert [str(p.relative_to(tmp_path / "one")) for p in (tmp_path / "one").rglob("*") if p.is_file()] == ["sub/b"]
    assert cli("model", "download", "m", str(tmp_path / "one")).exit_code == 0
    fetched = [r.path for r in api.seen("GET", "/signed/")]
    assert len(fetched) == len(set(fetched)) == 2
    missing = cli("model", "download", "m", str(tmp_path / "two"), "--file", "c")
    assert (missing.exit_code, "it has a, sub/b" in missing.stderr) == (3, True)


def test_a_large_file_is_asked_for_in_ranges_that_begin_with_a_block(tmp_path: Path) -> None:
    partial = PartialDownload(tmp_path / "f", 2 * RANGE_BYTES + 1, "0" * 64)
    assert partial.missing() == [
        Span(0, RANGE_BYTES),
        Span(RANGE_BYTES, 2 * RANGE_BYTES),
        Span(2 * RANGE_BYTES, 2 * RANGE_BYTES + 1),
    ]
    partial.begin()
    list(partial.write(RANGE_BYTES, iter([b"0" * BLOCK_BYTES, b"0"])))
    again = PartialDownload(tmp_path / "f", 2 * RANGE_BYTES + 1, "0" * 64)
    assert again.known_bytes == BLOCK_BYTES
    assert again.missing()[1] == Span(RANGE_BYTES + BLOCK_BYTES, 2 * RANGE_BYTES + 1)
