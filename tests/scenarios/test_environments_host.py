"""Environments on a real `slipway up`: from a file to `slipway environment show`, and killed at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.doubles.package_index import PackageIndex, package_index
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.rest import get
from tests.scenarios.test_registry_commands import slipway

SEED = 5
PARTS = 12
MOMENTS, MOMENTS_SLOW = 2, 60
REACHED = {  # what is waited for before a kill, and what a fast machine may have made of it when it is seen
    "Locking": {"Locking", "Queued", "Building", "Succeeded"},
    "Building": {"Building", "Succeeded"},
}
LONGEST_S = 0.5  # from there to the kill


@pytest.fixture
async def index() -> AsyncIterator[PackageIndex]:
    async with package_index() as made:
        for number in range(PARTS):
            made.add(f"part{number}", "1.0", content="x = 1\n" * 20_000)
        yield made


def declared(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.yml"
    file.write_text(f"name: {name}\n{text}\n")
    return file


async def test_the_command_follows_an_environment(tmp_path: Path, index: PackageIndex) -> None:
    async with running(tmp_path / "data", SLIPWAY_PACKAGE_INDEX_URL=index.url) as host:
        file = declared(tmp_path / "declared", "train", "pip: [part1, part2]")
        await slipway(host, "apply", "-f", str(file))
        shown = await slipway(host, "environment", "show", "train", "--wait")
        assert "phase        Succeeded" in shown.stdout
        assert "part1==1.0" in shown.stdout
        assert (await slipway(host, "environment", "lock", "train:1")).stdout.startswith("part1==1.0 --hash=sha256:")
        assert "part2==1.0" in (await slipway(host, "environment", "logs", "train")).stdout
        index.add("part1", "2.0")
        upgraded = await slipway(host, "environment", "upgrade", "train")
        assert "part1==2.0" in upgraded.stdout
        changed = await slipway(host, "environment", "diff", "train:2", "--from", "1")
        assert [line.split() for line in changed.stdout.splitlines()[1:]] == [["part1", "1.0", "2.0"]]
        listed = await slipway(host, "environment", "list", "train")
        assert [line.split()[:2] for line in listed.stdout.splitlines()[1:]] == [
            ["train:2", "Succeeded"],
            ["train:1", "Succeeded"],
        ]
        file.write_text("name: train\npip: [nosuchthing]\n")
        await slipway(host, "apply", "-f", str(file))
        failed = await slipway(host, "environment", "show", "train:3", "--wait", code=4)
        assert "nosuchthing was not found in the package registry" in failed.stdout


PIP_AUDIT = """#!{python}
import json, sys
lock = open(sys.argv[sys.argv.index("-r") + 1]).read()
assert "--require-hashes" in sys.argv and "--hash=sha256:" in lock, sys.argv
name, version = lock.split()[0].split("==")
vulns = [{{"id": "PYSEC-1", "fix_versions": ["1.1"], "description": "it leaks"}}] if name == "part3" else []
print(json.dumps({{"dependencies": [{{"name": name, "version": version, "vulns": vulns}}]}}))
sys.exit(1 if vulns else 0)
"""


async def test_known_vulnerabilities_are_asked_for(
    tmp_path: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "data", SLIPWAY_PACKAGE_INDEX_URL=index.url) as host:
        for name, part in (("good", "part1"), ("bad", "part3")):
            await slipway(host, "apply", "-f", str(declared(tmp_path / "declared", name, f"pip: [{part}]")))
            await slipway(host, "environment", "show", name, "--wait")
        absent = await slipway(host, "environment", "audit", "good", code=6)
        assert "pip install pip-audit" in absent.stderr
        program = tmp_path / "bin" / "pip-audit"
        program.parent.mkdir()
        program.write_text(PIP_AUDIT.format(python=sys.executable))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        assert (await slipway(host, "environment", "audit", "good")).stdout == "No known vulnerability.\n"
        found = await slipway(host, "environment", "audit", "bad", code=4)
        assert found.stdout.splitlines()[1].split() == ["part3", "1.0", "PYSEC-1", "1.1"]


@pytest.mark.parametrize("moments", [MOMENTS, pytest.param(MOMENTS_SLOW, marks=pytest.mark.slow)])
async def test_killed_at_any_moment_no_half_built_environment_is_used(
    tmp_path: Path, index: PackageIndex, moments: int
) -> None:
    chance = random.Random(SEED)
    host = LocalHost(
        tmp_path / "data", SLIPWAY_PACKAGE_INDEX_URL=index.url, SLIPWAY_RETRY_BASE_S="0.2", UV_NO_CACHE="1"
    )
    phases: set[str] = set()
    held: dict[str, list[int]] = {}
    for number in range(moments):
        await host.restart()
        held[f"e{number}"] = sorted(chance.sample(range(PARTS), 8))
        pip = ", ".join(f"part{one}" for one in held[f"e{number}"])
        file = declared(tmp_path / "declared", f"e{number}", f"pip: [{pip}]")
        await slipway(host, "apply", "-f", str(file))
        phases.add(await reached(host, f"e{number}", list(REACHED)[number % 2]))
        await asyncio.sleep(LONGEST_S * chance.random())
        host.kill()
    await host.restart()
    async with host.client() as http:
        for name, parts in held.items():
            await whole(http, name, parts)
    await host.stop()
    assert len(phases) > 1, phases  # the moments were different ones
    assert not list((tmp_path / "data" / "environments").glob(".building-*"))


async def reached(host: LocalHost, name: str, wanted: str) -> str:
    """The phase in which the environment was seen when it had come as far as wanted."""
    async with host.client() as http, asyncio.timeout(60):
        while (found := (await get(http, f"/api/environments/{name}/versions/1"))["phase"]) not in REACHED[wanted]:
            await asyncio.sleep(0.01)
    return str(found)


async def whole(http: aiohttp.ClientSession, name: str, parts: list[int]) -> None:
    async with asyncio.timeout(60):
        while (found := await environment(http, name))["phase"] != "Succeeded":
            assert found["phase"] not in ("Failed", "Canceled"), found
            await asyncio.sleep(0.2)
    code = "; ".join(f"import part{one}" for one in parts)
    await asyncio.to_thread(subprocess.run, [Path(found["location"]) / "bin" / "python", "-c", code], check=True)


async def environment(http: aiohttp.ClientSession, name: str) -> Any:
    return await get(http, f"/api/environments/{name}/versions/1")
