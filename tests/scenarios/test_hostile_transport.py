"""Requests that lie about themselves, or never end: refused early, in little memory, and the server stays up."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.hostile import assert_log_is_clean, attacked_host
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.raw_http import exchange, repeated
from tests.scenarios.rest import create_upload, versions_of

GIB = 1 << 30
MIB = 1 << 20
MOST_GROWTH_BYTES = 50 * MIB
CHUNK = b'{"name": "x", "value": "' + b"a" * 65_500 + b'"},'


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    with attacked_host(tmp_path_factory.mktemp("transport")) as attacked:
        yield attacked


def headers(host: LocalHost, **more: str) -> dict[str, str]:
    key = {"x-functions-key": host.secrets["host_keys"]["default"], "Content-Type": "application/json"}
    return key | {name.replace("_", "-"): value for name, value in more.items()}


async def test_1_gb_of_json_is_refused_before_it_is_read(host: LocalHost) -> None:
    before = host.rss_bytes()
    announced = headers(host, Content_Length=str(GIB))
    answer = await exchange(host.url, "POST", "/api/models", announced, repeated(CHUNK, GIB // len(CHUNK)))
    assert answer.status == 413
    assert answer.sent_bytes < 20 * MIB  # what the sockets' buffers took meanwhile
    assert host.peak_rss_bytes() - before < MOST_GROWTH_BYTES


@pytest.mark.parametrize("path", ["/api/models", "/api/uploads", "/topics/slipway/api/events"])
async def test_json_that_never_ends_is_refused_at_the_limit(host: LocalHost, path: str) -> None:
    before = host.rss_bytes()
    chunked = headers(host, Transfer_Encoding="chunked", aeg_sas_key=host.secrets["topic_key"])
    path += "?api-version=2018-01-01"
    answer = await exchange(host.url, "POST", path, chunked, repeated(CHUNK, GIB // len(CHUNK), chunked=True))
    assert answer.status == 413
    assert answer.sent_bytes < 30 * MIB
    assert host.peak_rss_bytes() - before < MOST_GROWTH_BYTES


async def test_ten_endless_bodies_at_once_do_not_add_up(host: LocalHost) -> None:
    before = host.rss_bytes()
    chunked = headers(host, Transfer_Encoding="chunked")
    endless = [repeated(CHUNK, GIB // len(CHUNK), chunked=True) for _ in range(10)]
    sent = [exchange(host.url, "POST", "/api/models", chunked, body) for body in endless]
    assert {answer.status for answer in await asyncio.gather(*sent)} == {413}
    assert host.peak_rss_bytes() - before < 2 * MOST_GROWTH_BYTES  # of which 10 limits are 40 MiB


async def test_a_file_that_does_not_fit_on_the_disk_is_refused_before_it_is_sent(host: LocalHost) -> None:
    async with host.client() as http:
        url = (await create_upload(http, "model.onnx"))["files"][0]["url"]
    for size in (1 << 62, 1 << 50):
        announced = {"x-ms-blob-type": "BlockBlob", "Content-Length": str(size)}
        answer = await exchange(host.url, "PUT", url, announced, repeated(CHUNK, GIB // len(CHUNK)))
        assert answer.status == 413
        assert answer.sent_bytes < 20 * MIB


async def test_who_has_no_key_is_refused_before_the_body(host: LocalHost) -> None:
    announced = {"Content-Type": "application/json", "Content-Length": str(90 * MIB)}
    answer = await exchange(host.url, "POST", "/api/models", announced, repeated(CHUNK, 90 * MIB // len(CHUNK)))
    assert answer.status == 401
    assert answer.sent_bytes < 20 * MIB


async def test_compressed_json_is_not_unpacked(host: LocalHost) -> None:
    bomb = gzip.compress(b'{"upload_id": "' + b" " * 100 * MIB + b'"}')
    before = host.rss_bytes()
    zipped = headers(host, Content_Encoding="gzip", Content_Length=str(len(bomb)))
    answer = await exchange(host.url, "POST", "/api/models", zipped, bomb)
    assert answer.status in (400, 415)
    assert answer.headers["content-type"] == "application/problem+json"
    assert host.peak_rss_bytes() - before < MOST_GROWTH_BYTES


SMUGGLED = b"{}GET /api/models HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("framing", "body", "statuses"),
    [
        ({"Content_Length": "-1"}, b"{}", {400}),
        ({"Content_Length": "2, 40"}, SMUGGLED, {400}),
        ({"Content_Length": "+2"}, b"{}", {400}),
        ({"Content_Length": "0x2"}, b"{}", {400}),
        ({"Content_Length": "9" * 40}, b"{}", {400, 413}),
        ({"Content_Length": "2", "Transfer_Encoding": "chunked"}, b"0\r\n\r\n", {400}),
        ({"Transfer_Encoding": "chunked, gzip"}, b"0\r\n\r\n", {400}),
        ({"Transfer_Encoding": "chunked"}, b"zz\r\n{}\r\n0\r\n\r\n", {400}),
        ({"Content_Length": "2"}, SMUGGLED, {400, 422}),  # the rest is no second request: the connection closes
        ({}, b"{}", {400}),  # no body at all
        ({"X_Long": "a" * 20_000, "Content_Length": "2"}, b"{}", {400, 431}),
        ({"X_Nul\0": "a", "Content_Length": "2"}, b"{}", {400}),
        ({"X_Break": "a\rb", "Content_Length": "2"}, b"{}", {400}),
    ],
)
async def test_wrong_framing_is_a_bad_request(
    host: LocalHost, framing: dict[str, str], body: bytes, statuses: set[int]
) -> None:
    answer = await exchange(host.url, "POST", "/api/models", headers(host, **framing), body)
    assert answer.status in statuses


async def test_a_body_shorter_than_announced_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        session = await create_upload(http, "model.onnx")
        model = {"upload_id": session["upload_id"], "model": {"name": "short", "path": "model.onnx"}}
        body = json.dumps(model).encode()
        _, writer = await asyncio.open_connection("127.0.0.1", int(host.url.rpartition(":")[2]))
        head = [f"{name}: {value}" for name, value in headers(host, Content_Length=str(len(body) + 1)).items()]
        writer.write("\r\n".join(["POST /api/models HTTP/1.1", "Host: x", *head, "", ""]).encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        target = session["files"][0]
        cut = {"x-ms-blob-type": "BlockBlob", "Content-Length": "1000"}
        _, writer = await asyncio.open_connection("127.0.0.1", int(host.url.rpartition(":")[2]))
        head = [f"{name}: {value}" for name, value in cut.items()]
        writer.write(
            "\r\n".join([f"PUT {target['url']} HTTP/1.1", "Host: x", *head, "", ""]).encode() + b"half a model"
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with http.get(f"/api/uploads/{session['upload_id']}") as answer:
            assert answer.status == 404
        assert await versions_of(http, "short") == []
        assert not [path for path in (host.data_dir / "staging").rglob("*") if path.is_file()]
        await host.stop()
        assert_log_is_clean(host)
