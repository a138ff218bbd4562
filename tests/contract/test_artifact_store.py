"""The contract of ArtifactStore, for every adapter."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import ArtifactCorrupted, Conflict, Invalid, NotFound
from shared.ports import Artifact, ArtifactStore, BlobInfo
from tests.azurite import azurite
from tests.contract.blob_stores import Blobs, blobs

__all__ = ["azurite", "blobs"]  # fixtures

MISSING = hashlib.sha256(b"never stored").hexdigest()
MIB = 1 << 20


async def chunked(content: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def read_all(store: ArtifactStore, sha256: str, **part: int) -> bytes:
    return b"".join([chunk async for chunk in store.read(sha256, **part)])


async def read_into(got: list[bytes], store: ArtifactStore, sha256: str) -> None:
    async for chunk in store.read(sha256):
        got.append(chunk)


def of(content: bytes) -> Artifact:
    return Artifact(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


@pytest.mark.parametrize("size", [0, 1, 300_000, 4 * MIB, 9 * MIB + 1])
async def test_gives_back_what_was_put(blobs: Blobs, size: int) -> None:
    content = os.urandom(size)
    assert await blobs.store.put(chunked(content)) == of(content)
    assert await read_all(blobs.store, of(content).sha256) == content
    assert await blobs.stored() == 1


@pytest.mark.parametrize("size", [1000, 5 * MIB])
async def test_twenty_puts_of_the_same_bytes_at_once_are_one_artifact(blobs: Blobs, size: int) -> None:
    content = os.urandom(size)
    stored = await asyncio.gather(*(blobs.store.put(chunked(content)) for _ in range(20)))
    assert stored == [of(content)] * 20
    assert await read_all(blobs.store, of(content).sha256) == content
    assert await blobs.stored() == 1


async def test_a_stream_that_breaks_leaves_nothing(blobs: Blobs) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield os.urandom(9 * MIB)
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await blobs.store.put(broken())
    assert await blobs.stored() == 0


async def test_a_put_needs_little_memory(blobs: Blobs) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for index in range(48):
            yield index.to_bytes(4, "big") * (MIB // 4)

    await blobs.store.put(chunked(b"import what is needed first"))
    tracemalloc.start()
    try:
        artifact = await blobs.store.put(stream())
        assert artifact.size_bytes == 48 * MIB
        assert tracemalloc.get_traced_memory()[1] < 24 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("container", ["uploads", "staging"])
@pytest.mark.parametrize("size", [0, 1000, 9 * MIB + 1])
async def test_adopts_an_upload_and_outlives_it(blobs: Blobs, container: str, size: int) -> None:
    content = os.urandom(size)
    url = await blobs.area.upload_url(container, "a/model.onnx", expires_in_s=60)  # type: ignore[arg-type]
    assert (await blobs.send(url, content, {"content-length": str(size)})).status_code == 201
    (blob,) = await blobs.area.list_blobs(container, "a/")  # type: ignore[arg-type]
    for _ in range(2):
        assert await blobs.store.adopt(container, blob) == of(content)  # type: ignore[arg-type]
        assert await blobs.area.list_blobs(container, "a/") == (blob,)  # type: ignore[arg-type]
    await blobs.area.delete_blob(container, blob.path, etag=blob.etag)  # type: ignore[arg-type]
    assert await read_all(blobs.store, of(content).sha256) == content
    with pytest.raises(NotFound):
        await blobs.store.adopt(container, blob)  # type: ignore[arg-type]
    assert await blobs.stored() == 1


@pytest.mark.parametrize("container", ["uploads", "staging"])
async def test_adopts_only_the_state_that_was_listed(blobs: Blobs, container: str) -> None:
    first = await blobs.drop(container, "model.onnx", b"first")  # type: ignore[arg-type]
    adopted = await blobs.store.adopt(container, first)  # type: ignore[arg-type]
    second = await blobs.drop(container, "model.onnx", b"second")  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        await blobs.store.adopt(container, first)  # type: ignore[arg-type]
    assert await read_all(blobs.store, adopted.sha256) == b"first"
    assert await blobs.store.adopt(container, second) == of(b"second")  # type: ignore[arg-type]


async def test_adopting_a_path_that_leads_elsewhere_is_refused(blobs: Blobs) -> None:
    blob = await blobs.drop("uploads", "a", b"first")
    with pytest.raises(Invalid):
        await blobs.store.adopt("uploads", dataclasses.replace(blob, path="../uploads/a"))
    with pytest.raises(Invalid):
        await blobs.store.adopt("artifacts", blob)  # type: ignore[arg-type]


async def test_twenty_adoptions_at_once_are_one_artifact(blobs: Blobs) -> None:
    content = os.urandom(5 * MIB)
    sources: list[BlobInfo] = [await blobs.drop("staging", f"{number}/model", content) for number in range(4)]
    adopted = await asyncio.gather(*(blobs.store.adopt("staging", blob) for blob in sources * 5))
    assert adopted == [of(content)] * 20
    assert await blobs.stored() == 1


async def test_reads_parts(blobs: Blobs) -> None:
    content = os.urandom(5 * MIB)
    sha256 = (await blobs.store.put(chunked(content))).sha256
    assert await read_all(blobs.store, sha256, offset=5 * MIB - 3) == content[-3:]
    assert await read_all(blobs.store, sha256, offset=7, length=5) == content[7:12]
    assert await read_all(blobs.store, sha256, offset=5 * MIB - 3, length=99) == content[-3:]
    assert await read_all(blobs.store, sha256, offset=5 * MIB) == b""
    assert await read_all(blobs.store, sha256, offset=1, length=0) == b""
    for offset, length in ((-1, 1), (5 * MIB + 1, 1), (0, -1)):
        with pytest.raises(Invalid):
            await read_all(blobs.store, sha256, offset=offset, length=length)


async def test_a_whole_read_finds_damage_before_its_last_chunk(blobs: Blobs) -> None:
    content = os.urandom(9 * MIB)
    artifact = await blobs.store.put(chunked(content))
    await blobs.damage(artifact.sha256, content[:-1] + bytes([content[-1] ^ 1]))
    got: list[bytes] = []
    with pytest.raises(ArtifactCorrupted, match=artifact.sha256):
        await read_into(got, blobs.store, artifact.sha256)
    assert sum(map(len, got)) < len(content)
    await blobs.damage(artifact.sha256, b"")
    with pytest.raises(ArtifactCorrupted):
        await read_all(blobs.store, artifact.sha256)


async def test_a_put_replaces_a_copy_that_was_cut_short(blobs: Blobs) -> None:
    content = os.urandom(1000)
    artifact = await blobs.store.put(chunked(content))
    await blobs.damage(artifact.sha256, content[:500])
    try:
        await blobs.store.put(chunked(content))
    except NotFound:  # a service where the broken one is only removed
        await blobs.store.put(chunked(content))
    assert await read_all(blobs.store, artifact.sha256) == content


async def test_what_is_not_there_is_said_so(blobs: Blobs) -> None:
    with pytest.raises(NotFound):
        await read_all(blobs.store, MISSING)
    with pytest.raises(NotFound):
        await blobs.store.download_url(MISSING, filename="x", expires_in_s=60)
    for bad in ("", "../../secrets.json", MISSING.upper(), MISSING + "\n"):
        with pytest.raises(Invalid):
            await read_all(blobs.store, bad)


async def test_deletes(blobs: Blobs) -> None:
    artifact = await blobs.store.put(chunked(b"short-lived"))
    await blobs.store.delete(artifact.sha256)
    await blobs.store.delete(artifact.sha256)
    with pytest.raises(NotFound):
        await read_all(blobs.store, artifact.sha256)


async def test_a_download_url_offers_the_file_under_its_name(blobs: Blobs) -> None:
    content = os.urandom(100_000)
    artifact = await blobs.store.put(chunked(content))
    url = await blobs.store.download_url(artifact.sha256, filename='größe "1".onnx', expires_in_s=60)
    whole = await blobs.send(url)
    assert (whole.status_code, whole.content) == (200, content)
    assert "filename*=UTF-8''gr%C3%B6%C3%9Fe%20%221%22.onnx" in whole.headers["content-disposition"]
    part = await blobs.send(url, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["content-range"] == "bytes 10-19/100000"


async def test_a_download_url_opens_nothing_else(blobs: Blobs) -> None:
    one, two = [await blobs.store.put(chunked(content)) for content in (b"one", b"two")]
    url = await blobs.store.download_url(one.sha256, filename="one", expires_in_s=60)
    other = url.url.replace(one.sha256, two.sha256).replace(
        f"{one.sha256[:2]}/{one.sha256[2:]}", f"{two.sha256[:2]}/{two.sha256[2:]}"
    )
    for text in (other, url.url[:-4] + "0000", url.url.partition("?")[0]):
        answer = await blobs.send(dataclasses.replace(url, url=text))
        assert answer.status_code in (403, 404), text
        assert answer.content != b"two"
    for filename in ("", "../x", "a/b", "a\r\nSet-Cookie: x"):
        with pytest.raises(Invalid):
            await blobs.store.download_url(one.sha256, filename=filename, expires_in_s=60)


async def test_the_inventory_lists_every_artifact_once_over_its_pages(blobs: Blobs) -> None:
    stored = [await blobs.store.put(chunked(bytes([number]))) for number in range(7)]
    found, after = [], None
    while True:
        page = await blobs.store.list_artifacts(after=after, limit=3)
        assert len(page.items) <= 3
        found += [(one.sha256, one.size_bytes) for one in page.items]
        after = page.continuation
        if after is None:
            break
    assert found == sorted((one.sha256, one.size_bytes) for one in stored)


async def test_what_is_stored_or_adopted_again_is_renewed_and_then_not_deleted(blobs: Blobs) -> None:
    now = lambda: datetime.now(UTC)  # noqa: E731
    stored = await blobs.store.put(chunked(b"content"))
    await asyncio.sleep(1.1)  # Blob Storage keeps whole seconds
    limit = now()
    again = await blobs.store.put(chunked(b"content"))
    assert again == stored
    assert not await blobs.store.delete_if_older(stored.sha256, limit - timedelta(seconds=1))
    await asyncio.sleep(1.1)
    limit = now()
    blob = await blobs.drop("uploads", "x", b"content")
    assert await blobs.store.adopt("uploads", blob) == stored
    assert not await blobs.store.delete_if_older(stored.sha256, limit - timedelta(seconds=1))
    assert await read_all(blobs.store, stored.sha256) == b"content"
    assert await blobs.store.delete_if_older(stored.sha256, now() + timedelta(seconds=5))
    assert not await blobs.store.delete_if_older(stored.sha256, now() + timedelta(seconds=5))
    with pytest.raises(NotFound):
        await read_all(blobs.store, stored.sha256)


async def test_storing_and_deleting_at_once_never_leaves_a_stored_artifact_missing(blobs: Blobs) -> None:
    """What `put` answered after the last deletion began is there, whoever won."""

    async def collect() -> None:
        for _ in range(60):
            await blobs.store.delete_if_older(of(b"contended").sha256, began)

    for _ in range(5):
        await asyncio.sleep(0.02)
        began = datetime.now(UTC)  # what the round before left is older, what this one stores is not
        puts = (blobs.store.put(chunked(b"contended")) for _ in range(8))
        await asyncio.gather(collect(), *puts)
        if "Azure" not in type(blobs).__name__:  # there, times are whole seconds: `began` may be older than the put
            assert await read_all(blobs.store, of(b"contended").sha256) == b"contended"
