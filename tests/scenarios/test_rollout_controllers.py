"""Who carries a rollout out may be killed at any transition, or be two at once: it comes to the same end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.ports import RecordQuery
from shared.resources.rollout import TERMINAL
from tests.plane import make_plane
from tests.scenarios.local_host import ROOT, _die_with_parent, wait_until
from tests.scenarios.test_endpoints import (
    ENDPOINT,
    base,
    declare,
    deployment,
    look,
    plane,
    ready,
    score,
    until,
)
from tests.scenarios.test_images import call

__all__ = ["plane"]
SCRIPT = "def init(): ...\ndef run(data):\n    {}\n    return '{}'\n"
CODE = "code_configuration: {{code: {0}, scoring_script: score.py}}\n"
STEPS = [{"weight_percent": percent, "duration_s": 0.5} for percent in (20, 50, 80)]
SHIFTED, PROMOTED = "Slipway.TrafficShifted", "Slipway.RolloutPromoted"


def spec_of(**analysis: Any) -> dict[str, Any]:
    both = {"endpoint_name": "live", "stable": "blue", "candidate": "green"}
    return {**both, "strategy": {"type": "canary", "steps": STEPS}, "analysis": analysis}


CHECKED = spec_of(checks=[{"metric": "success_rate", "at_least": 0.9, "min_samples": 20}], inconclusive_timeout_s=60)


@asynccontextmanager
async def blue_and_green(plane: ControlPlane, green_does: str = "pass") -> AsyncIterator[None]:
    """Both are ready, and blue is asked all the time."""
    files = {**base(), "endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n"}
    for name, does in (("blue", "pass"), ("green", green_does)):
        files |= {f"{name}.yml": deployment(name, CODE.format(name)), f"{name}/score.py": SCRIPT.format(does, name)}
    await declare(plane, files)
    uri = (await until(plane, ready("blue", "green")))["scoring_uri"]

    async def load() -> None:
        while True:
            await score(plane, uri)
            await asyncio.sleep(0.005)

    loading = asyncio.create_task(load())
    try:
        yield
    finally:
        loading.cancel()


async def seen(plane: ControlPlane) -> dict[str, Any]:
    status: dict[str, Any] = (await call(plane, "get_rollout", 200, name="first"))["status"]
    return status


async def told(plane: ControlPlane, type_: str) -> list[Any]:
    """The traffic that events of a type speak of, oldest first."""
    page = await plane.deps.store.list_events(RecordQuery(types=(type_,), limit=1000))
    return [record.event.data.get("traffic") for record in page.items if "rolloutName" in record.event.data]


async def is_promoted_as_told(plane: ControlPlane) -> None:
    """At its end, with each step announced once and in order."""
    shares = [traffic["green"] for traffic in await told(plane, SHIFTED)]
    assert shares == [step["weight_percent"] for step in STEPS]
    assert await told(plane, PROMOTED) == [{"blue": 0, "green": 100}]
    found = await call(plane, "get_endpoint", 200, name="live")
    assert found["traffic"] == {"blue": 0, "green": 100}


async def test_two_controllers_at_once_do_no_harm(plane: ControlPlane, tmp_path: Path) -> None:
    async with blue_and_green(plane):
        await call(plane, "start_rollout", 202, {"name": "first", "spec": CHECKED})
        both = [plane, make_plane(tmp_path / "data")]
        looks = 0
        async with asyncio.timeout(90):
            while (await seen(plane))["phase"] not in TERMINAL:
                await asyncio.gather(*(look(one) for one in (*both, *both)))
                looks += 4
        assert (await seen(plane))["phase"] == "Succeeded"
        await is_promoted_as_told(plane)
        history = await plane.deps.store.list_history(RecordQuery(key="rollout/first", limit=1000))
        assert len(history.items) < looks / 2


async def test_a_rollout_that_waits_is_not_written_all_the_time(plane: ControlPlane) -> None:
    async with blue_and_green(plane):
        spec = spec_of(checks=[{"metric": "success_rate", "at_least": 0.9, "min_samples": 1_000_000}])
        await call(plane, "start_rollout", 202, {"name": "first", "spec": spec})
        async with asyncio.timeout(60):
            while (await seen(plane))["settled_at"] is None:
                await look(plane)
        key = RecordQuery(key="rollout/first", limit=1000)
        before = len((await plane.deps.store.list_history(key)).items)
        for _ in range(30):
            await look(plane)
        after = (await plane.deps.store.list_history(key)).items
        assert len(after) <= before + 2  # its figures now and then


class Child:
    """A controller in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.log = folder.parent / "child.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.scenarios.controller_child", str(folder)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("green", "end"), [("good", "Succeeded"), ("bad", "RolledBack")])
async def test_one_that_is_killed_at_every_transition_comes_to_the_same_end(
    plane: ControlPlane, tmp_path: Path, green: str, end: str
) -> None:
    async with blue_and_green(plane, "pass" if green == "good" else "raise ValueError('no')"):
        await call(plane, "start_rollout", 202, {"name": "first", "spec": CHECKED})
        child, before, kills = Child(tmp_path / "data"), await _state(plane), 0
        try:
            while (await seen(plane))["phase"] not in TERMINAL:
                last = before

                async def has_changed(last: Any = last) -> Any:
                    now = await _state(plane)
                    return now if now != last else None

                before = await wait_until(has_changed, 90, f"something after {last}", poll_s=0.002)
                child.kill()
                kills += 1
                child = Child(tmp_path / "data")
        finally:
            child.kill()
        assert (await seen(plane))["phase"] == end
        assert kills >= (8 if green == "good" else 4)
        if green == "good":
            await is_promoted_as_told(plane)
        else:
            assert len(await told(plane, "Slipway.RolloutRolledBack")) == 1


async def _state(plane: ControlPlane) -> tuple[Any, ...]:
    """What changes at a transition: of the rollout, and of the endpoint's traffic."""
    status, endpoint = await seen(plane), await call(plane, "get_endpoint", 200, name="live")
    return status["phase"], status["step"], status["settled_at"], endpoint["traffic"]
