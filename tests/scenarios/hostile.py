"""What the tests of hostile input share: one host for a module, and what must be true of every refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.scenarios.local_host import LocalHost
from tests.scenarios.rest import get, push, versions_of

CLIENT_ERRORS = frozenset({400, 404, 409, 412, 413, 415, 422, 428})


@contextmanager
def attacked_host(folder: Path) -> Iterator[LocalHost]:
    """A host that is attacked. At the end it is alive, nothing crashed in it, and its log holds none of its keys."""
    host = LocalHost(folder / "data")
    asyncio.run(host.start())
    try:
        yield host
        asyncio.run(_is_alive(host))
        assert_log_is_clean(host)
    finally:
        host.kill()


async def ensure_victim(host: LocalHost) -> dict[str, Any]:
    """The version 1 of the model `victim`, for attacks on something that is there."""
    async with host.client() as http:
        if not await versions_of(http, "victim"):
            await push(http, "victim", {"model.onnx": b"model"})
        version: dict[str, Any] = await get(http, "/api/models/victim/versions/1")
    return version


async def _is_alive(host: LocalHost) -> None:
    async with host.client() as http:
        assert (await get(http, "/api/health"))["status"] == "Healthy"


def assert_log_is_clean(host: LocalHost) -> None:
    """No crash and no key in it."""
    keys, log = host.secrets, host.log()
    for secret in (*keys.pop("host_keys").values(), *keys.values()):
        assert secret not in log
    assert "signature=" not in log
    assert "Traceback" not in log, log


async def refused(answer: aiohttp.ClientResponse, *statuses: int) -> dict[str, Any]:
    """The problem document of a refusal by the function app (RFC 9457). Raises AssertionError for anything else."""
    text = await answer.text()
    assert answer.status in statuses, (answer.status, text)
    assert answer.content_type == "application/problem+json", (answer.content_type, text)
    problem: dict[str, Any] = await answer.json(content_type=None)
    assert problem["status"] == answer.status
    assert problem["detail"]
    assert problem["code"] == problem["title"]
    assert problem["instance"].startswith("urn:slipway:request:")
    return problem
