"""The contract of CollectedSource, for every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobType

from shared.adapters.azure.collected_data import COLLECTED, CollectedData
from shared.adapters.local.collected_files import LocalCollected
from shared.ports import CollectedSource
from tests.azurite import AzuriteServer, azurite
from tests.contract.blob_stores import azure_blobs

__all__ = ["azurite"]  # fixture

NAME = "live/blue/model_inputs"
FIVE = datetime(2026, 11, 27, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Place:
    source: CollectedSource
    append: Callable[[str, bytes], Awaitable[None]]
    remove: Callable[[str], Awaitable[None]]


@pytest.fixture(params=["folder", "azure"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "folder":
        yield folder_place(tmp_path / "collected")
        return
    server: AzuriteServer = request.getfixturevalue("azurite")
    async with azure_blobs(server) as blobs:
        container = await empty_container(blobs.service)

        async def append(path: str, content: bytes) -> None:
            await container.upload_blob(f"{NAME}/{path}", content, blob_type=BlobType.APPENDBLOB)

        async def remove(path: str) -> None:
            await container.delete_blob(f"{NAME}/{path}")

        yield Place(CollectedData(blobs.service), append, remove)


async def empty_container(service: Any) -> Any:
    """The client of the container `collected`, which is there and empty."""
    container = service.get_container_client(COLLECTED)
    if not await container.exists():
        await container.create_container()
    for name in [blob.name async for blob in container.list_blobs()]:
        await container.delete_blob(name)
    return container


def folder_place(root: Path) -> Place:
    async def append(path: str, content: bytes) -> None:
        target = root / NAME / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as file:
            file.write(content)

    async def remove(path: str) -> None:
        (root / NAME / path).unlink()

    return Place(LocalCollected(root), append, remove)


async def paths(place: Place, start: datetime = FIVE, end: datetime = FIVE + HOUR) -> list[str]:
    return [file.path for file in await place.source.files(NAME, start, end)]


async def test_the_files_that_may_hold_rows_are_listed_in_their_order(place: Place) -> None:
    assert await paths(place) == []
    for name in (
        "05/b.jsonl",
        "05/a.jsonl",
        "05/30/c.jsonl",
        "04/a.jsonl",
        "06/a.jsonl",
        "07/a.jsonl",
        "05/a.txt",
        "d.jsonl",
    ):
        await place.append(f"2026/11/27/{name}", b"{}\n")
    await place.append("2026/11/27/05/empty.jsonl", b"")
    expected = ["05/30/c.jsonl", "05/a.jsonl", "05/b.jsonl", "06/a.jsonl", "d.jsonl"]
    assert await paths(place) == [f"2026/11/27/{name}" for name in expected]
    assert await place.source.files("live/blue/model_outputs", FIVE, FIVE + HOUR) == []


async def test_a_file_that_grows_has_another_size_and_etag_and_is_else_the_same(place: Place) -> None:
    await place.append("2026/11/27/05/a.jsonl", b"one\n")
    before = await place.source.files(NAME, FIVE, FIVE + HOUR)
    assert before == await place.source.files(NAME, FIVE, FIVE + HOUR)
    await place.append("2026/11/27/05/a.jsonl", b"two\n")
    (one,), (other,) = before, await place.source.files(NAME, FIVE, FIVE + HOUR)
    assert (one.size_bytes, other.size_bytes, one.etag == other.etag) == (4, 8, False)


async def test_what_is_there_can_be_read_and_what_is_gone_is_left_out(place: Place, tmp_path: Path) -> None:
    for name in ("a", "b"):
        await place.append(f"2026/11/27/05/{name}.jsonl", name.encode())
    files = await place.source.files(NAME, FIVE, FIVE + HOUR)
    await place.remove("2026/11/27/05/a.jsonl")
    found = await place.source.fetch(NAME, files, tmp_path / "copies")
    assert {name: path.read_bytes() for name, path in found.items()} == {"2026/11/27/05/b.jsonl": b"b"}
    assert await place.source.fetch(NAME, [], tmp_path / "copies") == {}
