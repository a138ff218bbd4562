"""The contract of UploadArea, for every adapter."""

from __future__ import annotations

import dataclasses

import pytest

from shared.errors import Invalid, NotFound, Retryable, TooLarge
from tests.azurite import AzuriteServer, azurite
from tests.contract.blob_stores import Blobs, azure_blobs, blobs

__all__ = ["azurite", "blobs"]  # fixtures

BAD_PATHS = [
    "",
    "/etc/passwd",
    "../x",
    "a/../x",
    "a/./x",
    "a//x",
    "a/",
    ".hidden",
    "a/.hidden/x",
    "a\\..\\x",
    "a\0x",
    "a\nx",
    "x" * 256,
    "x/" * 600 + "x",
    "\udc80",
]


async def test_lists_what_starts_with_the_prefix_sorted(blobs: Blobs) -> None:
    for path in ("b/model.onnx", "a/z.yml", "a/model.yml", "ab.txt"):
        await blobs.drop("uploads", path, path.encode())
    found = await blobs.area.list_blobs("uploads", "a")
    assert [(blob.path, blob.size_bytes) for blob in found] == [("a/model.yml", 11), ("a/z.yml", 7), ("ab.txt", 6)]
    assert [blob.path for blob in await blobs.area.list_blobs("uploads", "a/m")] == ["a/model.yml"]
    assert len(await blobs.area.list_blobs("uploads", "")) == 4
    assert await blobs.area.list_blobs("uploads", "none/") == ()
    assert await blobs.area.list_blobs("staging", "") == ()
    assert await blobs.area.list_blobs("uploads", "../") == ()


async def test_reads_a_blob_with_the_description_that_the_listing_gives(blobs: Blobs) -> None:
    dropped = await blobs.drop("uploads", "models/größe 1.yml", b"name: diabetes\n")
    assert await blobs.area.read_blob("uploads", "models/größe 1.yml", max_bytes=15) == (dropped, b"name: diabetes\n")
    empty = await blobs.drop("staging", "empty", b"")
    assert await blobs.area.read_blob("staging", "empty", max_bytes=0) == (empty, b"")


async def test_reading_what_is_not_there_or_too_large_says_so(blobs: Blobs) -> None:
    await blobs.drop("uploads", "a/large", b"x" * 11)
    for path in ("missing", "a", "a/large/x"):
        with pytest.raises((NotFound, Invalid)):
            await blobs.area.read_blob("uploads", path, max_bytes=10)
    with pytest.raises(TooLarge, match="11 bytes"):
        await blobs.area.read_blob("uploads", "a/large", max_bytes=10)


@pytest.mark.parametrize("path", BAD_PATHS)
async def test_paths_that_lead_elsewhere_are_refused(blobs: Blobs, path: str) -> None:
    with pytest.raises(Invalid):
        await blobs.area.read_blob("uploads", path, max_bytes=10)
    with pytest.raises(Invalid):
        await blobs.area.delete_blob("uploads", path, etag="1")
    with pytest.raises(Invalid):
        await blobs.area.upload_url("staging", path, expires_in_s=60)


async def test_unknown_containers_are_refused(blobs: Blobs) -> None:
    with pytest.raises(Invalid, match="uploads, staging"):
        await blobs.area.list_blobs("artifacts", "")  # type: ignore[arg-type]


async def test_deletes_only_the_state_it_was_told_to(blobs: Blobs) -> None:
    first = await blobs.drop("uploads", "a/b", b"one")
    second = await blobs.drop("uploads", "a/b", b"two")
    assert first.etag != second.etag
    await blobs.area.delete_blob("uploads", "a/b", etag=first.etag)
    assert await blobs.area.list_blobs("uploads", "") == (second,)
    await blobs.area.delete_blob("uploads", "a/b", etag=second.etag)
    await blobs.area.delete_blob("uploads", "a/b", etag=second.etag)
    assert await blobs.area.list_blobs("uploads", "") == ()


@pytest.mark.parametrize("container", ["uploads", "staging"])
async def test_a_signed_url_takes_the_blob(blobs: Blobs, container: str) -> None:
    url = await blobs.area.upload_url(container, "up 1/größe+%2F.bin", expires_in_s=60)  # type: ignore[arg-type]
    answer = await blobs.send(url, b"content")
    assert answer.status_code == 201, answer.text
    info, content = await blobs.area.read_blob(container, "up 1/größe+%2F.bin", max_bytes=100)  # type: ignore[arg-type]
    assert content == b"content"
    assert answer.headers["etag"].strip('"') == info.etag
    await blobs.area.delete_blob(container, info.path, etag=info.etag)  # type: ignore[arg-type]
    assert await blobs.area.list_blobs(container, "") == ()  # type: ignore[arg-type]


async def test_a_signed_url_opens_nothing_else(blobs: Blobs) -> None:
    url = await blobs.area.upload_url("staging", "up/one.bin", expires_in_s=60)
    for text in (
        url.url.replace("one.bin", "two.bin"),
        url.url.replace("staging", "uploads"),
        url.url[:-4] + "0000",
        url.url.partition("?")[0],
    ):
        answer = await blobs.send(dataclasses.replace(url, url=text), b"content")
        assert answer.status_code in (400, 403, 404), text
    reading = dataclasses.replace(url, method="GET")
    assert (await blobs.send(reading)).status_code in (403, 404, 405)
    assert await blobs.area.list_blobs("staging", "") == ()
    assert await blobs.area.list_blobs("uploads", "") == ()


@pytest.mark.parametrize("expires_in_s", [0, -1, 8 * 24 * 3600])
async def test_a_url_must_live_for_a_sensible_time(blobs: Blobs, expires_in_s: float) -> None:
    with pytest.raises(Invalid, match="seconds"):
        await blobs.area.upload_url("staging", "x", expires_in_s=expires_in_s)


async def test_a_container_that_was_never_made_is_not_taken_for_an_empty_one(azurite: AzuriteServer) -> None:
    async with azure_blobs(azurite) as azure:
        await azure.service.get_container_client("policies").delete_container()
        with pytest.raises(Retryable, match="container is missing") as missing:
            await azure.area.read_blob("policies", "model.json", max_bytes=10)
    assert missing.value.remedy is not None
    assert "create it" in missing.value.remedy
