"""The local stand-in for Blob Storage's HTTP, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from shared.adapters.local.blob_folders import remove_stale_received
from shared.adapters.local.clock import ManualClock, SystemClock
from shared.adapters.local.partial_file import PartialFile, remove_stale
from shared.adapters.local.signing import UrlSigner
from shared.adapters.local.upload_area import LocalUploadArea
from shared.errors import Retryable
from shared.local_host.upload_watcher import UploadWatcher
from shared.ports import Container, SignedUrl
from shared.resources.events import Event
from tests.contract.blob_stores import FolderBlobs, blob_server, folder_blobs

MIB = 1 << 20


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FolderBlobs]:
    async with folder_blobs(tmp_path / "data") as started:
        yield started


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def left_over(data_dir: Path) -> list[str]:
    return [name for folder in ("uploads", "staging", "tmp", "received", "blocks") for name in files(data_dir / folder)]


def signed(blobs: FolderBlobs, path: str, container: Container = "staging") -> SignedUrl:
    """A valid signature for any path, also for those that the port refuses to sign."""
    target = f"/blobs/{container}/{path}"
    query = blobs.signer.sign("PUT", target, blobs.signer.expiry(60))
    return SignedUrl(url=f"{quote(target)}?{query}", method="PUT", headers={"x-ms-blob-type": "BlockBlob"})


async def put(blobs: FolderBlobs, path: str, content: bytes, container: Container = "staging", **headers: str) -> Any:
    return await blobs.send(
        signed(blobs, path, container), content, {k.replace("_", "-"): v for k, v in headers.items()}
    )


async def raw(blobs: FolderBlobs, head: str, body: bytes = b"") -> int:
    """Send exactly this; the status, or 0 when the server just closed."""
    port = urlsplit(blobs.base_url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        await writer.drain()
        answer = await reader.readline()
    finally:
        writer.close()
    return int(answer.split()[1]) if answer else 0


async def test_a_put_is_stored_announced_and_complete_at_once(blobs: FolderBlobs) -> None:
    content = os.urandom(1000)
    answer = await put(blobs, "a/größe 1.yml", content, "uploads", content_type="text/yaml")
    assert answer.status_code == 201
    assert answer.headers["x-ms-content-sha256"] == hashlib.sha256(content).hexdigest()
    unsettled = LocalUploadArea(blobs.data_dir, blobs.signer, settle_s=3600)
    (blob,) = await unsettled.list_blobs("uploads", "")
    assert answer.headers["etag"] == f'"{blob.etag}"'
    (event,) = blobs.events
    assert event.type == "Microsoft.Storage.BlobCreated"
    assert event.subject == "/blobServices/default/containers/uploads/blobs/a/größe 1.yml"
    assert event.data["api"] == "PutBlob"
    assert event.data["eTag"] == blob.etag
    assert event.data["contentLength"] == 1000
    assert event.data["contentType"] == "text/yaml"
    assert event.data["url"] == "http://127.0.0.1/blobs/uploads/a/gr%C3%B6%C3%9Fe%201.yml"


async def test_each_state_of_a_blob_has_its_own_event(blobs: FolderBlobs) -> None:
    for content in (b"one", b"two"):
        assert (await put(blobs, "a", content)).status_code == 201
    first, second = blobs.events
    assert first.id != second.id
    assert first.data["sequencer"] < second.data["sequencer"]
    assert files(blobs.data_dir / "received") == [second.data["eTag"]]


@pytest.mark.parametrize("size", [0, 1, 4 * MIB - 1, 4 * MIB, 20 * MIB + 3])
async def test_any_size_arrives_whole(blobs: FolderBlobs, size: int) -> None:
    content = os.urandom(size)
    for headers in ({}, {"x_slipway_sha256": hashlib.sha256(content).hexdigest()}):
        answer = await put(blobs, "model.onnx", content, content_length=str(size), **headers)
        assert answer.status_code == 201, answer.text
    assert (blobs.data_dir / "staging" / "model.onnx").read_bytes() == content


async def test_many_large_uploads_at_once(blobs: FolderBlobs) -> None:
    contents = [os.urandom(6 * MIB) for _ in range(8)]
    answers = await asyncio.gather(*(put(blobs, f"{n}/model", content) for n, content in enumerate(contents)))
    assert [answer.status_code for answer in answers] == [201] * 8
    for number, content in enumerate(contents):
        assert (blobs.data_dir / "staging" / str(number) / "model").read_bytes() == content


async def test_a_body_of_unknown_length_is_taken_too(blobs: FolderBlobs) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * MIB

    url = signed(blobs, "a")
    async with httpx.AsyncClient() as client:
        answer = await client.put(blobs.base_url + url.url, content=stream(), headers=url.headers)
    assert answer.status_code == 201
    assert (blobs.data_dir / "staging" / "a").stat().st_size == 5 * MIB


async def test_a_connection_is_used_again_after_a_small_put(blobs: FolderBlobs) -> None:
    url = signed(blobs, "a")
    ports = set()
    async with httpx.AsyncClient() as client:
        for _ in range(2):
            request = client.build_request("PUT", blobs.base_url + url.url, content=b"x", headers=url.headers)
            answer = await client.send(request, stream=True)
            ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
            await answer.aread()
    assert answer.status_code == 201
    assert len(ports) == 1


@pytest.mark.parametrize("size_mib", [3, 16, 40])
async def test_the_same_client_goes_on_after_a_put_of_any_size(blobs: FolderBlobs, size_mib: int) -> None:
    """A large body is taken from the connection past aiohttp: whatever the client asks next must still be answered."""
    url = signed(blobs, "a")
    async with httpx.AsyncClient(timeout=20) as client:
        for _ in range(3):
            answer = await client.put(blobs.base_url + url.url, content=os.urandom(size_mib * MIB), headers=url.headers)
            assert answer.status_code == 201
            assert (await client.get(f"{blobs.base_url}/blobs/nothing")).status_code in (403, 404)


@pytest.mark.parametrize(
    ("length", "sent"), [("content-length: 5000", 1000), ("content-length: 20971520", 9 * MIB), ("chunked", 2 * MIB)]
)
async def test_a_broken_upload_leaves_nothing(tmp_path: Path, length: str, sent: int) -> None:
    async with folder_blobs(tmp_path) as blobs:
        url = signed(blobs, "a/b")
        kind, body = length, os.urandom(sent)
        if length == "chunked":
            kind, body = "transfer-encoding: chunked", b"400000\r\n" + body
        head = f"PUT {url.url} HTTP/1.1\nhost: x\nx-ms-blob-type: BlockBlob\n{kind}\n\n".replace("\n", "\r\n")
        _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(blobs.base_url).port)
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        assert (await put(blobs, "other", b"x")).status_code == 201
    # the server has finished all requests here
    assert blobs.events[0].subject.endswith("/other")
    assert [name for name in left_over(tmp_path) if name != blobs.events[0].data["eTag"]] == ["other"]


async def test_a_stop_of_the_host_ends_an_upload_that_hangs(tmp_path: Path) -> None:
    async with folder_blobs(tmp_path) as blobs:
        url = signed(blobs, "a/b")
        head = f"PUT {url.url} HTTP/1.1\r\nhost: x\r\nx-ms-blob-type: BlockBlob\r\ncontent-length: 20971520\r\n\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(blobs.base_url).port)
        writer.write(head.encode() + os.urandom(9 * MIB))
        await writer.drain()
    assert left_over(tmp_path) == []
    writer.close()


async def test_a_wrong_digest_leaves_nothing(blobs: FolderBlobs) -> None:
    wrong = await put(blobs, "a", b"content", x_slipway_sha256=hashlib.sha256(b"other").hexdigest())
    assert wrong.status_code == 400
    assert wrong.headers["content-type"].startswith("application/problem+json")
    assert wrong.json()["code"] == "BadRequest"
    assert hashlib.sha256(b"content").hexdigest() in wrong.json()["detail"]
    assert (await put(blobs, "a", b"content", x_slipway_sha256="short")).status_code == 400
    assert left_over(blobs.data_dir) == []
    assert blobs.events == []


async def test_requests_that_mean_something_else_are_refused(blobs: FolderBlobs) -> None:
    url = signed(blobs, "a")
    bare = SignedUrl(url=url.url, method="PUT")
    assert (await blobs.send(bare, b"x")).status_code == 400
    assert (await blobs.send(bare, b"x", {"x-ms-blob-type": "PageBlob"})).status_code == 400
    assert (await put(blobs, "a", b"x", content_encoding="gzip")).status_code == 415
    assert (await put(blobs, "a", b"x", if_match='"1"')).status_code == 400
    assert (await put(blobs, "a", b"x", content_md5="AAAA")).status_code == 400
    appending = SignedUrl(url=url.url + "&comp=appendblock", method="PUT", headers=url.headers)
    assert (await blobs.send(appending, b"x")).status_code == 400
    huge = f"PUT {url.url} HTTP/1.1\nhost: x\nx-ms-blob-type: BlockBlob\ncontent-length: {6 << 50}"
    assert await raw(blobs, huge) == 413
    assert left_over(blobs.data_dir) == []


async def test_if_none_match_keeps_what_is_there(blobs: FolderBlobs) -> None:
    assert (await put(blobs, "a", b"one", if_none_match="*")).status_code == 201
    assert (await put(blobs, "a", b"two", if_none_match="*")).status_code == 409
    assert (await put(blobs, "a/below", b"two")).status_code == 400
    assert (await put(blobs, "b/c", b"one")).status_code == 201
    assert (await put(blobs, "b", b"two")).status_code == 409
    assert (blobs.data_dir / "staging" / "a").read_bytes() == b"one"
    assert files(blobs.data_dir / "tmp") == []


@pytest.mark.parametrize(
    "path",
    ["../../evil", "a/../../../evil", "./evil", "/evil", "a//evil", "..", ".evil", "a\\..\\evil", "a\0evil", "\nevil"],
)
async def test_paths_that_lead_elsewhere_are_refused_even_when_signed(blobs: FolderBlobs, path: str) -> None:
    query = signed(blobs, path).url.partition("?")[2]
    spellings = [quote(path), quote(path, safe=""), "".join(f"%{byte:02x}" for byte in path.encode())]
    for spelling in spellings:
        head = f"PUT /blobs/staging/{spelling}?{query} HTTP/1.1\nhost: x\nx-ms-blob-type: BlockBlob\ncontent-length: 1"
        assert await raw(blobs, head, b"x") in (400, 403, 404)
    assert left_over(blobs.data_dir) == []
    assert not list(blobs.data_dir.parent.rglob("*evil*"))


async def test_links_are_not_followed(blobs: FolderBlobs, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    uploads = blobs.data_dir / "uploads"
    uploads.mkdir(exist_ok=True)
    (uploads / "folder").symlink_to(outside)
    (uploads / "file").symlink_to(outside / "secret")
    assert await blobs.area.list_blobs("uploads", "") == ()
    assert await blobs.area.list_blobs("uploads", "folder/") == ()
    assert (await put(blobs, "folder/new", b"x", "uploads")).status_code == 400
    assert (await put(blobs, "file", b"x", "uploads")).status_code == 201  # in the place of the link
    assert files(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    sha256 = hashlib.sha256(b"secret").hexdigest()
    artifact = blobs.data_dir / "artifacts" / "sha256" / sha256[:2] / sha256[2:]
    artifact.parent.mkdir(parents=True)
    artifact.symlink_to(outside / "secret")
    query = blobs.signer.sign("GET", f"/blobs/artifacts/{sha256}", blobs.signer.expiry(60))
    url = SignedUrl(url=f"/blobs/artifacts/{sha256}?{query}", method="GET")
    assert (await blobs.send(url)).status_code == 404


async def test_an_expired_url_is_refused(tmp_path: Path) -> None:
    clock = ManualClock(SystemClock().now())
    signer = UrlSigner("key", clock)

    async def ignore(event: Event) -> None: ...

    async with blob_server(tmp_path, signer, ignore) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        url = await LocalUploadArea(tmp_path, signer).upload_url("staging", "a", expires_in_s=60)
        clock.advance(61)
        answer = await client.put(url.url, content=b"x", headers=url.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "Unauthorized")
    assert "signature" not in answer.json()["detail"]
    assert left_over(tmp_path) == []


async def test_what_could_not_be_announced_is_left_to_the_watcher(blobs: FolderBlobs) -> None:
    noted = blobs.events.append
    refused = [True]

    async def announce(event: Event) -> None:
        if refused.pop() if refused else False:
            raise Retryable("the database is busy")
        noted(event)

    async with blob_server(blobs.data_dir, blobs.signer, announce) as blobs.base_url:
        assert (await put(blobs, "a", b"x", "uploads")).status_code == 201
        assert blobs.events == []
        watcher = UploadWatcher(blobs.data_dir, announce, settle_s=0)
        assert [await watcher.look(), await watcher.look()] == [1, 0]
        assert (await put(blobs, "b", b"x", "uploads")).status_code == 201
        assert await watcher.look() == 0
    assert [event.data["url"][-1] for event in blobs.events] == ["a", "b"]


async def test_blocks_become_one_blob(blobs: FolderBlobs) -> None:
    parts = [os.urandom(5 * MIB), os.urandom(10), b"never used"]
    ids = [base64.b64encode(b"%04d" % number).decode() for number in range(3)]
    url = signed(blobs, "a/large").url
    for block_id, part in zip(ids, parts, strict=True):
        answer = await blobs.send(SignedUrl(f"{url}&comp=block&blockid={quote(block_id, safe='')}", "PUT"), part)
        assert answer.status_code == 201
        assert answer.headers["x-ms-content-sha256"] == hashlib.sha256(part).hexdigest()
    body = f"<?xml version='1.0'?><BlockList><Latest>{ids[1]}</Latest><Latest>{ids[0]}</Latest></BlockList>"
    content = parts[1] + parts[0]
    digest = {"x-slipway-sha256": hashlib.sha256(content).hexdigest()}
    unknown = body.replace(ids[1], base64.b64encode(b"none").decode())
    committing = SignedUrl(f"{url}&comp=blocklist", "PUT")
    assert (await blobs.send(committing, unknown.encode())).status_code == 400
    assert (await blobs.send(committing, b"<!DOCTYPE x><BlockList/>")).status_code == 400
    assert blobs.events == []
    assert (await blobs.send(committing, body.encode(), digest)).status_code == 201
    assert (blobs.data_dir / "staging" / "a" / "large").read_bytes() == content
    assert blobs.events[0].data["api"] == "PutBlockList"
    assert files(blobs.data_dir / "blocks") == []


async def test_downloads_answer_ranges_and_heads(blobs: FolderBlobs) -> None:
    content = os.urandom(3 * MIB)

    async def stream() -> AsyncIterator[bytes]:
        yield content

    artifact = await blobs.store.put(stream())
    url = blobs.base_url + (await blobs.store.download_url(artifact.sha256, filename="m.onnx", expires_in_s=60)).url
    async with httpx.AsyncClient() as client:
        head = await client.head(url)
        tail = await client.get(url, headers={"range": "bytes=-5"})
        rest = await client.get(url, headers={"range": f"bytes={3 * MIB - 2}-"})
        outside = await client.get(url, headers={"range": f"bytes={3 * MIB}-"})
        whole = await client.get(url, headers={"accept-encoding": "gzip"})
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(3 * MIB), b"")
    assert head.headers["content-length"] == str(artifact.size_bytes)
    assert head.headers["content-disposition"].startswith('attachment; filename="m.onnx"')
    assert (tail.status_code, tail.content) == (206, content[-5:])
    assert (rest.status_code, rest.content) == (206, content[-2:])
    assert outside.status_code == 416
    assert whole.content == content


async def test_an_upload_needs_little_memory(blobs: FolderBlobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(96 * MIB)
    assert (await put(blobs, "first", b"import what is needed")).status_code == 201
    url = signed(blobs, "large").url

    def send() -> bytes:
        head = f"PUT {url} HTTP/1.1\r\nhost: x\r\nx-ms-blob-type: BlockBlob\r\ncontent-length: {96 * MIB}\r\n\r\n"
        with (
            socket.create_connection(("127.0.0.1", urlsplit(blobs.base_url).port)) as connection,
            source.open("rb") as f,
        ):
            connection.sendall(head.encode())
            connection.sendfile(f)
            return connection.recv(12)

    tracemalloc.start()
    try:
        assert await asyncio.to_thread(send) == b"HTTP/1.1 201"
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_only_files_of_dead_writers_are_stale(tmp_path: Path) -> None:
    with PartialFile(tmp_path) as living:
        living.write(b"x")
        (tmp_path / "tmp" / "dead.part").write_bytes(b"half")
        (tmp_path / "tmp" / "read-only.part").write_bytes(b"half")
        (tmp_path / "tmp" / "read-only.part").chmod(0o444)
        assert remove_stale(tmp_path) == 2
        assert [path for path in (tmp_path / "tmp").iterdir()] == [living.path]
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_staged_blob_is_adopted_without_a_copy(blobs: FolderBlobs) -> None:
    content = os.urandom(5 * MIB)
    assert (await put(blobs, "a/model.onnx", content)).status_code == 201
    (blob,) = await blobs.area.list_blobs("staging", "")
    artifact = await blobs.store.adopt("staging", blob)
    stored = blobs.data_dir / "artifacts" / "sha256" / artifact.sha256[:2] / artifact.sha256[2:]
    assert stored.stat().st_ino == (blobs.data_dir / "staging" / "a" / "model.onnx").stat().st_ino
    assert stored.stat().st_mode & 0o777 == 0o444
    await blobs.area.delete_blob("staging", blob.path, etag=blob.etag)
    assert left_over(blobs.data_dir) == []
    assert not (blobs.data_dir / "staging" / "a").exists()
    assert stored.read_bytes() == content


async def test_an_artifact_does_not_change_with_the_dropped_file_it_came_from(blobs: FolderBlobs) -> None:
    assert (await put(blobs, "model.onnx", b"first", "uploads")).status_code == 201
    (blob,) = await blobs.area.list_blobs("uploads", "")
    artifact = await blobs.store.adopt("uploads", blob)
    (blobs.data_dir / "uploads" / "model.onnx").write_bytes(b"other")  # in place, as an editor does
    assert b"".join([chunk async for chunk in blobs.store.read(artifact.sha256)]) == b"first"


async def test_a_start_removes_what_a_crash_left(tmp_path: Path) -> None:
    for name in ("tmp/1-2.part", "received/1-2-3", "blocks/ab/cd"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"half")
    assert remove_stale_received(tmp_path, older_than_s=0) == 1
    os.utime(tmp_path / "blocks" / "ab", (1, 1))
    async with folder_blobs(tmp_path):
        assert left_over(tmp_path) == []
