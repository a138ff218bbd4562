"""A deployment that nobody asks has no process, and the first request brings it back: real processes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp

from shared.bootstrap import ControlPlane
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

__all__ = ["plane"]
SCRIPT = "import os\ndef init(): ...\ndef run(data): return os.getpid()\n"
BLUE = """code_configuration: {code: src, scoring_script: score.py}
scale_settings: {type: target_utilization, min_instances: 0, cooldown_period: 2}
"""


def processes(tmp_path: Path) -> list[str]:
    return [path.parent.name for path in (tmp_path / "data/endpoints/live/processes").glob("blue-*/process.json")]


async def test_an_idle_deployment_ends_and_no_request_is_lost(plane: ControlPlane, tmp_path: Path) -> None:
    files = {**base(), "endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n", "src/score.py": SCRIPT}
    await declare(plane, {**files, "blue.yml": deployment("blue", BLUE)})
    uri, headers = (await until(plane, ready("blue")))["scoring_uri"], await bearer(plane)
    found = await until(plane, lambda one: one["deployments"][0]["scaled_to_zero"])
    shown = found["deployments"][0]
    assert (shown["provisioning_state"], shown["ready_instances"]) == ("Succeeded", 0)
    assert "the next request starts it" in json.dumps(shown["conditions"])
    await until(plane, lambda _: not processes(tmp_path))

    async def ask(http: aiohttp.ClientSession) -> tuple[int, int]:
        async with http.post(uri, json=ROW, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async with aiohttp.ClientSession() as http:
        asked = [asyncio.create_task(ask(http)) for _ in range(20)]
        while not all(task.done() for task in asked):
            await look(plane)
            await asyncio.sleep(0.05)
        answers = {task.result() for task in asked}
        assert {status for status, _ in answers} == {200}
        assert len(answers) == 1  # one process, for all that waited
        await until(plane, lambda one: one["deployments"][0]["ready_instances"] == 1)
        asking = asyncio.create_task(_ask_now_and_then(ask, http))
        await until(plane, lambda one: one["deployments"][0]["scaled_to_zero"] and not processes(tmp_path))
        assert await asking == {200}


async def _ask_now_and_then(ask, http: aiohttp.ClientSession) -> set[int]:  # type: ignore[no-untyped-def]
    """Up to about when it rests: whenever a request comes, it is answered."""
    found = set()
    for pause_s in (0.5, 1.0, 1.5, 1.8):
        await asyncio.sleep(pause_s)
        found.add((await ask(http))[0])
    return found
