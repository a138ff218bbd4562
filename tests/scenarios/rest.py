"""What a user of Slipway's REST API and upload folder does, as helpers for tests."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp


def sha256(content: bytes) -> str:
    """In lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()


async def document(answer: aiohttp.ClientResponse, *statuses: int) -> Any:
    """The answer's JSON. Raises AssertionError for another status."""
    assert answer.status in statuses, (answer.method, answer.url.path, answer.status, await answer.text())
    return await answer.json(content_type=None)


async def get(http: aiohttp.ClientSession, path: str, **query: str) -> Any:
    """The document at `path`."""
    async with http.get(path, params=query) as answer:
        return await document(answer, 200)


async def listed(http: aiohttp.ClientSession, path: str, **query: str) -> list[dict[str, Any]]:
    """All items of all pages."""
    items: list[dict[str, Any]] = []
    page: dict[str, Any] = {"continuation": ""}
    while page["continuation"] is not None:
        after = {"continuation": page["continuation"]} if page["continuation"] else {}
        page = await get(http, path, limit="1000", **after, **query)
        items += page["items"]
    return items


async def versions_of(http: aiohttp.ClientSession, name: str) -> list[dict[str, Any]]:
    """All versions of a model, newest first; [] when there is no such model."""
    async with http.get(f"/api/models/{name}/versions") as answer:
        if answer.status == 404:
            return []
        await document(answer, 200)
    return await listed(http, f"/api/models/{name}/versions")


async def create_upload(http: aiohttp.ClientSession, *paths: str) -> dict[str, Any]:
    """An upload session for files of these paths."""
    async with http.post("/api/uploads", json={"files": [{"path": path} for path in paths]}) as answer:
        session: dict[str, Any] = await document(answer, 201)
    return session


async def send(http: aiohttp.ClientSession, target: Mapping[str, Any], content: bytes) -> None:
    """PUT one file where an upload session says."""
    async with http.put(target["url"], data=content, headers=target["headers"]) as answer:
        assert answer.status == 201, (answer.status, await answer.text())


async def register(http: aiohttp.ClientSession, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """POST /api/models: the status (200, 201 or 202) and the document."""
    async with http.post("/api/models", json=body) as answer:
        return answer.status, await document(answer, 200, 201, 202)


async def push(http: aiohttp.ClientSession, name: str, files: Mapping[str, bytes], **fields: Any) -> dict[str, Any]:
    """Upload files and register them as a new version of `name`; the version."""
    session = await create_upload(http, *files)
    await asyncio.gather(*(send(http, target, files[target["path"]]) for target in session["files"]))
    path = next(iter(files)) if len(files) == 1 else "."
    model = {"name": name, "path": path, **fields}
    status, version = await register(http, {"upload_id": session["upload_id"], "model": model})
    assert status == 201
    return version


async def download(http: aiohttp.ClientSession, version: Mapping[str, Any], path: str) -> bytes:
    """One file of a version, by the redirect that the API answers with."""
    async with http.get(f"/api/models/{version['name']}/versions/{version['version']}/files/{path}") as answer:
        assert answer.status == 200, (answer.status, await answer.text())
        return await answer.read()


def drop(data_dir: Path, folder: str, files: Mapping[str, str | bytes]) -> None:
    """Copy files into the upload folder, in the order given, as people do: plainly, with no temporary names."""
    target = data_dir / "uploads" / folder
    target.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(content if isinstance(content, bytes) else content.encode())


async def subscribe(http: aiohttp.ClientSession, name: str, url: str, **fields: Any) -> None:
    """Subscribe a webhook to Slipway's events."""
    async with http.put(f"/api/subscriptions/{name}", json={"endpoint_url": url, **fields}) as answer:
        subscription = await document(answer, 200, 201)
    assert subscription["state"] == "Succeeded", subscription


def numbers(versions: list[dict[str, Any]]) -> list[int]:
    """The version numbers, ascending."""
    return sorted(int(version["version"]) for version in versions)
