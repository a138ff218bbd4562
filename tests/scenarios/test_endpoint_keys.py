"""Keys and tokens of an endpoint on this machine: real processes, asked as callers ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from shared.bootstrap import ControlPlane
from shared.deployments.credentials import token_of
from tests.plane import events_of
from tests.scenarios.test_endpoints import (
    ENDPOINT,
    ROW,
    base,
    bearer,
    declare,
    deployment,
    look,
    plane,
    ready,
    until,
)
from tests.scenarios.test_images import call

__all__ = ["plane"]
SCRIPT = "def init(): ...\ndef run(data): return 'served'\n"
CODE = "code_configuration: {code: src, scoring_script: score.py}\n"


def files(auth_mode: str) -> dict[str, str | bytes]:
    endpoint = ENDPOINT.replace("auth_mode: key", f"auth_mode: {auth_mode}") + "traffic: {blue: 100}\n"
    return {**base(), "endpoint.yml": endpoint, "blue.yml": deployment("blue", CODE), "src/score.py": SCRIPT}


async def status_of(uri: str, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as http, http.post(uri, json=ROW, headers=headers) as answer:
        return answer.status


async def answered(plane: ControlPlane, uri: str, headers: dict[str, str], status: int) -> None:
    async with asyncio.timeout(30):
        while await status_of(uri, headers) != status:
            await look(plane)
            await asyncio.sleep(0.1)


def everything_written(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """All files of the data folder, and the arguments of all processes."""
    for path in [*folder.rglob("*"), *Path("/proc").glob("[0-9]*/cmdline")]:
        try:
            if path.is_file():
                yield path, path.read_bytes()
        except OSError:
            continue


async def test_keys_open_are_made_anew_and_are_nowhere_else(plane: ControlPlane, tmp_path: Path) -> None:
    await declare(plane, files("key"))
    uri = (await until(plane, ready("blue")))["scoring_uri"]
    first = await call(plane, "get_endpoint_credentials", 200, name="live")
    primary, secondary = await bearer(plane), await bearer(plane, "secondary_key")
    await answered(plane, uri, primary, 200)
    assert await status_of(uri, secondary) == 200
    assert [await status_of(uri, headers) for headers in ({}, {"Authorization": "Bearer no"})] == [401, 401]
    await call(plane, "regenerate_endpoint_key", 202, {"key_type": "primary"}, name="live")
    await answered(plane, uri, primary, 401)  # the former one
    assert [await status_of(uri, one) for one in (await bearer(plane), secondary)] == [200, 200]
    await call(plane, "regenerate_endpoint_key", 422, {"key_type": "third"}, name="live")
    assert (await events_of(plane)).count("Slipway.EndpointKeyRegenerated") == 1
    last = await call(plane, "get_endpoint_credentials", 200, name="live")
    assert (last["primary_key"] != first["primary_key"], last["secondary_key"]) == (True, first["secondary_key"])
    shown = json.dumps(await call(plane, "get_endpoint", 200, name="live"))
    keys = {one[name].encode() for one in (first, last) for name in ("primary_key", "secondary_key")}
    assert not [key for key in keys if key.decode() in shown]
    holders = {path.name for path, text in everything_written(tmp_path) for key in keys if key in text}
    assert holders == {"live.json"}


async def test_tokens_open_until_they_expire(plane: ControlPlane) -> None:
    await declare(plane, files("aml_token"))
    uri = (await until(plane, ready("blue")))["scoring_uri"]
    found: Any = await call(plane, "get_endpoint_credentials", 200, name="live")
    assert (found["token_type"], found["primary_key"]) == ("Bearer", None)
    await answered(plane, uri, {"Authorization": f"Bearer {found['access_token']}"}, 200)
    kept = await plane.deps.credentials.update("live", lambda kept: kept)  # type: ignore[arg-type,return-value]
    from datetime import timedelta

    old = token_of("live", kept, plane.deps.clock.now() - timedelta(days=1)).access_token
    for wrong in (old, kept.primary_key):
        assert await status_of(uri, {"Authorization": f"Bearer {wrong}"}) == 401
    refused = await call(plane, "regenerate_endpoint_key", 422, {"key_type": "primary"}, name="live")
    assert "does not use keys" in json.dumps(refused)


async def test_what_this_machine_cannot_check_is_not_opened(plane: ControlPlane, tmp_path: Path) -> None:
    await declare(plane, files("aad_token"))
    found = await until(plane, lambda one: one["provisioning_state"] == "Failed")
    assert "can't check callers by aad_token" in json.dumps(found["conditions"])
    assert not (tmp_path / "data" / "endpoints" / "live").exists()
    await call(plane, "get_endpoint_credentials", 422, name="live")
