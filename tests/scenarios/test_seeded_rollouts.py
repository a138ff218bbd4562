"""Whole rollouts on real processes: bad candidates go back, good ones arrive, and how often that is wrong.

SLIPWAY_ROLLOUT_SEEDS says how many runs of each kind there are: 50 unless it says otherwise. The simulated runs in
tests/unit/rollout say the same of longer steps; here requests, latencies and crashes are real, and steps are short.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import aiohttp
import pytest

from shared.bootstrap import ControlPlane
from shared.resources.rollout import TERMINAL
from tests.scenarios.test_endpoints import ENDPOINT, ROW, base, bearer, declare, deployment, look, plane, ready, until
from tests.scenarios.test_images import call

__all__ = ["plane"]
SEEDS = int(os.environ.get("SLIPWAY_ROLLOUT_SEEDS", "50"))
AT_ONCE = 2  # requests under way: an instance does one after the other, and queues would be what is compared
BLUE_MS = 10.0
MAX_FALSE_PROMOTIONS = 0  # none of 50 bounds the rate by 5.8 % with 95 % confidence
MAX_FALSE_ROLL_BACKS = 0.14  # of the good ones; 5 % are asked for, and more than 7 of 50 would come 1 time of 100
CODE = "code_configuration: {{code: {0}, scoring_script: score.py}}\nenvironment_variables: {{SEED: '{1}'}}\n"
# A server sleeps as a model computes: the processors of the machine are shared with whoever else works there.
SCRIPT = """import os, random, time
CHANCE = random.Random(os.environ["SEED"])
def init():
    {start}
def run(data):
    time.sleep({mean_ms} / 1000 * CHANCE.uniform(0.8, 1.2))
    if CHANCE.random() < {errors}:
        raise ValueError("a wrong row")
    return 1
"""
KINDS: dict[str, dict[str, Any]] = {
    "good": {},
    "5 % errors": {"errors": 0.05},
    "3x latency": {"mean_ms": 3 * BLUE_MS},
    "crash on start": {"start": "os._exit(7)"},
}
SPEC = {
    "endpoint_name": "live",
    "stable": "blue",
    "candidate": "green",
    "strategy": {"type": "canary", "steps": [{"weight_percent": one, "duration_s": 2} for one in (20, 50)]},
    "analysis": {
        "checks": [
            {"metric": "success_rate", "at_least": 0.98, "min_samples": 100},
            {"metric": "latency_ms", "max_worse": 0.5, "min_samples": 50},
        ],
        "inconclusive_timeout_s": 120,
        "on_inconclusive": "roll_back",
    },
}


def script(**does: Any) -> str:
    return SCRIPT.format(**{"start": "...", "mean_ms": BLUE_MS, "errors": 0.0, **does})


async def rolled_out(plane: ControlPlane, files: dict[str, str | bytes], kind: str, seed: int) -> str:
    """How one rollout ends: its phase, and why."""
    green = deployment("green", CODE.format("green", seed))
    traffic = {"blue": 100, "green": 0} if seed else {"blue": 100}
    await declare(plane, {**files, "green.yml": green, "green/score.py": script(**KINDS[kind])})
    await call(plane, "patch_endpoint_traffic", 200, {"traffic": traffic}, name="live")
    name = f"{kind.replace(' ', '-').replace('%', 'percent')}-{seed}"
    if kind != "crash on start":
        await until(plane, ready("blue", "green"))
    await call(plane, "start_rollout", 202, {"name": name, "spec": SPEC})
    async with asyncio.timeout(240):
        while True:
            status = (await call(plane, "get_rollout", 200, name=name))["status"]
            if status["phase"] in TERMINAL:
                print(f"{name}: {status['phase']} {status['message']}")
                return f"{status['phase']} {status['reason']}"
            await look(plane)
            await asyncio.sleep(0.1)


async def load(uri: str, headers: dict[str, str]) -> None:
    """Requests all the time."""
    async with aiohttp.ClientSession(headers=headers) as http:

        async def ask() -> None:
            while True:
                async with http.post(uri, json=ROW) as answer:
                    await answer.read()
                if answer.status not in (200, 500, 502):
                    await asyncio.sleep(0.05)

        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", list(KINDS))
async def test_seeded_rollouts_end_as_they_should(plane: ControlPlane, kind: str) -> None:
    files = {**base(), "endpoint.yml": ENDPOINT, "blue/score.py": script()}
    files["blue.yml"] = deployment("blue", CODE.format("blue", 0))
    await declare(plane, files)
    uri = (await until(plane, ready("blue")))["scoring_uri"]
    await call(plane, "patch_endpoint_traffic", 200, {"traffic": {"blue": 100}}, name="live")
    loading = asyncio.create_task(load(uri, await bearer(plane)))
    try:
        ends = [await rolled_out(plane, files, kind, seed) for seed in range(SEEDS)]
    finally:
        loading.cancel()
    counts = {end: ends.count(end) for end in sorted(set(ends))}
    print(f"\n{kind}: {SEEDS} rollouts: {counts}")
    promoted = sum(end.startswith("Succeeded") for end in ends)
    if kind == "good":
        print(f"false roll-backs: {SEEDS - promoted} of {SEEDS}")
        assert SEEDS - promoted <= max(1, SEEDS * MAX_FALSE_ROLL_BACKS)
    else:
        print(f"false promotions: {promoted} of {SEEDS}")
        assert promoted <= MAX_FALSE_PROMOTIONS
        assert {end.split()[0] for end in ends} == {"RolledBack"}
