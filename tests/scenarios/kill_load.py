"""The load that runs while the host is killed again and again: clients that push, people who drop files, a reader who
checks everything that is visible. None of them gives up; all of them remember what they were promised."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from tests.scenarios.rest import create_upload, drop, register, send, sha256, versions_of

REST_NAMES = ("rest-0", "rest-1", "rest-2")
DROP_NAMES = ("drop-0", "drop-1")
NAMES = REST_NAMES + DROP_NAMES
RETRY_S = 0.05
CONCURRENT_CHECKS = 4
_BROKEN = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)


@dataclass
class Promises:
    """What the host said or was given, and what is wrong with it."""

    accepted: dict[str, str] = field(default_factory=dict)  # SHA-256 of each pushed content that got a 2xx -> version
    dropped: set[str] = field(default_factory=set)  # SHA-256 of each content whose files are all in the upload folder
    checked: dict[tuple[str, str], str] = field(default_factory=dict)  # (name, version) -> SHA-256 of the bytes read
    violations: list[str] = field(default_factory=list)


class Folder(Protocol):
    """What people drop files into."""

    data_dir: Path


class Load:
    """Starts and stops the workers. What serves may be killed and restarted at any moment."""

    def __init__(self, host: Folder, http: aiohttp.ClientSession, rng: random.Random) -> None:
        self.promises = Promises()
        self._host = host
        self._http = http
        self._rng = rng
        self._ending = asyncio.Event()

    async def run(self) -> None:
        """Work until `end`, then finish what was begun (the host must be up for that)."""
        async with asyncio.TaskGroup() as tasks:
            for number, name in enumerate(REST_NAMES):
                tasks.create_task(self._push_all(number, name))
            for number, name in enumerate(DROP_NAMES):
                tasks.create_task(self._drop_all(number, name))
            tasks.create_task(self._read_all())

    def end(self) -> None:
        """Begin nothing more."""
        self._ending.set()

    async def _pause(self, most_s: float) -> None:
        await asyncio.sleep(self._rng.uniform(0, most_s))

    # --- pushing by REST ---
    async def _push_all(self, worker: int, name: str) -> None:
        number = 0
        while not self._ending.is_set():
            content = f"pushed by {worker}: {number}".encode() * self._rng.choice((1, 10, 10_000))
            await self._push(name, content)
            number += 1
            await self._pause(0.15)

    async def _push(self, name: str, content: bytes) -> None:
        session = await self._persistently(lambda: create_upload(self._http, "model.onnx"))
        await self._persistently(lambda: send(self._http, session["files"][0], content))
        body = {"upload_id": session["upload_id"], "model": {"name": name, "path": "model.onnx"}}
        status, version = await self._persistently(lambda: register(self._http, body))
        if status == 202:
            self.promises.violations.append(f"{session['upload_id']} waits for a file that was taken: {version}")
        elif version["files"][0]["sha256"] != sha256(content):
            self.promises.violations.append(f"{version['id']} is made of something else than was pushed")
        else:
            self.promises.accepted[sha256(content)] = version["id"]

    async def _persistently(self, step: Callable[[], Awaitable[Any]]) -> Any:
        """Try again while the connection is refused or breaks; any answer but a success is an error."""
        while True:
            try:
                return await step()
            except _BROKEN:
                await asyncio.sleep(RETRY_S)

    # --- dropping files ---
    async def _drop_all(self, worker: int, name: str) -> None:
        number = 0
        while not self._ending.is_set():
            content = f"dropped by {worker}: {number}"
            files = [("model.yml", f"name: {name}\npath: model.onnx\n"), ("model.onnx", content)]
            self._rng.shuffle(files)
            for file, text in files:
                drop(self._host.data_dir, f"{name}-{number}", {file: text})
                await self._pause(0.1)
            self.promises.dropped.add(sha256(content.encode()))
            number += 1
            await self._pause(0.4)

    # --- reading what is visible ---
    async def _read_all(self) -> None:
        while not self._ending.is_set():
            try:
                for name in NAMES:
                    await self.check_versions(name)
            except _BROKEN:
                await asyncio.sleep(RETRY_S)
            await asyncio.sleep(0.02)

    async def check_versions(self, name: str) -> list[dict[str, Any]]:
        """Read every version of a model that was not read yet; all its versions, newest first."""
        versions = await versions_of(self._http, name)
        new = [version for version in versions if (name, version["version"]) not in self.promises.checked]
        gate = asyncio.Semaphore(CONCURRENT_CHECKS)

        async def check(version: dict[str, Any]) -> None:
            async with gate:
                await self._check_content(version)

        await asyncio.gather(*map(check, new))
        return versions

    async def _check_content(self, version: dict[str, Any]) -> None:
        (file,) = version["files"]
        url = f"/api/models/{version['name']}/versions/{version['version']}/files/{file['path']}"
        async with self._http.get(url) as answer:
            content = await answer.read()
        if answer.status != 200 or sha256(content) != file["sha256"]:
            self.promises.violations.append(f"{version['id']}: {answer.status}, {len(content)} bytes that are not it")
        self.promises.checked[version["name"], version["version"]] = sha256(content)


async def check_promises(load: Load, when: str) -> dict[str, list[dict[str, Any]]]:
    """What holds at any time: all accepted uploads are there once, versions have no gap, what is visible is whole."""
    accepted = dict(load.promises.accepted)
    versions = {name: await load.check_versions(name) for name in NAMES}
    assert not load.promises.violations, (when, load.promises.violations)
    for name, found in versions.items():
        got = [int(version["version"]) for version in found]
        assert got == list(range(len(found), 0, -1)), (when, name)
    by_content = {file["sha256"]: version["id"] for version in all_of(versions) for file in version["files"]}
    counts = Counter(file["sha256"] for version in all_of(versions) for file in version["files"])
    assert not [sha for sha, count in counts.items() if count > 1], when
    assert not [version for sha, version in accepted.items() if by_content.get(sha) != version], when
    return versions


def all_of(versions: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [version for found in versions.values() for version in found]
