"""UploadArea and ArtifactStore as the contract suites see them: folders with a real blob endpoint, Azurite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from aiohttp import web

from shared.adapters.local.artifact_store import LocalArtifactStore
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.signing import UrlSigner
from shared.adapters.local.upload_area import LocalUploadArea
from shared.local_host.blob_endpoint import add_blob_routes
from shared.ports import ArtifactInventory, ArtifactStore, BlobInfo, Container, SignedUrl, UploadArea
from shared.resources.events import Event
from tests.azurite import AzuriteServer


class InventoriedStore(ArtifactStore, ArtifactInventory, Protocol):
    """Both ports, which one adapter implements."""


class Blobs(Protocol):
    """What a test needs beside the two ports."""

    area: UploadArea
    store: InventoriedStore

    async def drop(self, container: Container, path: str, content: bytes) -> BlobInfo:
        """Write a blob as people do (not by a signed URL), and its description."""
        ...

    async def send(self, url: SignedUrl, content: bytes = b"", headers: dict[str, str] | None = None) -> httpx.Response:
        """The request that a signed URL is for."""
        ...

    async def stored(self) -> int:
        """How many artifacts and temporary files there are."""
        ...

    async def damage(self, sha256: str, content: bytes) -> None:
        """Put other bytes in the place of an artifact's."""
        ...


@dataclass
class FolderBlobs:
    data_dir: Path
    signer: UrlSigner
    base_url: str = ""
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.area = LocalUploadArea(self.data_dir, self.signer, settle_s=0)
        self.store = LocalArtifactStore(self.data_dir, self.signer)

    async def drop(self, container: Container, path: str, content: bytes) -> BlobInfo:
        target = self.data_dir / container / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(content)
        return (await self.area.list_blobs(container, path))[0]

    async def send(self, url: SignedUrl, content: bytes = b"", headers: dict[str, str] | None = None) -> httpx.Response:
        return await send(self.base_url, url, content, headers)

    async def stored(self) -> int:
        files = [*(self.data_dir / "artifacts").rglob("*"), *(self.data_dir / "tmp").glob("*")]
        return sum(1 for file in files if file.is_file())

    async def damage(self, sha256: str, content: bytes) -> None:
        target = self.data_dir / "artifacts" / "sha256" / sha256[:2] / sha256[2:]
        target.chmod(0o644)
        target.write_bytes(content)

    async def note(self, event: Event) -> None:
        self.events.append(event)


@dataclass
class AzureBlobs:
    service: Any

    def __post_init__(self) -> None:
        from shared.adapters.azure.artifact_store import AzureArtifactStore
        from shared.adapters.azure.upload_area import AzureUploadArea

        self.area = AzureUploadArea(self.service, SystemClock())
        self.store = AzureArtifactStore(self.service, SystemClock())

    async def drop(self, container: Container, path: str, content: bytes) -> BlobInfo:
        await self.service.get_blob_client(container, path).upload_blob(content, overwrite=True)
        return (await self.area.list_blobs(container, path))[0]

    async def send(self, url: SignedUrl, content: bytes = b"", headers: dict[str, str] | None = None) -> httpx.Response:
        return await send("", url, content, headers)

    async def stored(self) -> int:
        return len([blob async for blob in self.service.get_container_client("artifacts").list_blobs()])

    async def damage(self, sha256: str, content: bytes) -> None:
        blob = self.service.get_blob_client("artifacts", f"sha256/{sha256[:2]}/{sha256[2:]}")
        await blob.upload_blob(content, overwrite=True)


async def send(
    base_url: str, url: SignedUrl, content: bytes = b"", headers: dict[str, str] | None = None
) -> httpx.Response:
    """What a client does with a signed URL."""
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.request(
            url.method, base_url + url.url, content=content or None, headers={**url.headers, **(headers or {})}
        )


@asynccontextmanager
async def blob_server(
    data_dir: Path, signer: UrlSigner, on_blob_created: Callable[[Event], Awaitable[None]]
) -> AsyncIterator[str]:
    """The base URL of a blob endpoint on a free port."""
    app = web.Application()
    add_blob_routes(app, data_dir=data_dir, signer=signer, on_blob_created=on_blob_created)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def folder_blobs(data_dir: Path) -> AsyncIterator[FolderBlobs]:
    """Folders, and the blob endpoint on a free port."""
    blobs = FolderBlobs(data_dir, UrlSigner("a secret of the tests", SystemClock()))
    async with blob_server(data_dir, blobs.signer, blobs.note) as blobs.base_url:
        yield blobs


@asynccontextmanager
async def azure_blobs(server: AzuriteServer) -> AsyncIterator[AzureBlobs]:
    """Azurite with the five containers, empty."""
    from shared.adapters.azure.blob_service import open_blob_service

    async with open_blob_service(server.blob_url, server.connection_string) as service:
        for name in ("uploads", "staging", "config", "policies", "artifacts"):
            container = service.get_container_client(name)
            if not await container.exists():
                await container.create_container()
            blobs = [blob.name async for blob in container.list_blobs()]
            await asyncio.gather(*(container.delete_blob(blob) for blob in blobs))
        yield AzureBlobs(service)


@pytest.fixture(params=["folder", "azurite"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    """Each adapter in turn."""
    if request.param == "folder":
        async with folder_blobs(tmp_path) as folder:
            yield folder
    else:
        async with azure_blobs(request.getfixturevalue("azurite")) as azure:
            yield azure
