"""An A/B test on real processes: callers stay with their arm, arms are compared by a metric of the servers."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict

import aiohttp

from shared.bootstrap import ControlPlane
from tests.scenarios.test_endpoints import ENDPOINT, ROW, base, bearer, declare, deployment, look, plane, ready, until
from tests.scenarios.test_images import call

__all__ = ["plane"]
SCRIPT = "import time\ndef init(): ...\ndef run(data):\n    time.sleep({})\n    return 1\n"
CODE = "code_configuration: {{code: {0}, scoring_script: score.py}}\n"
SPEC = {
    "endpoint_name": "live",
    "stable": "blue",
    "candidate": "green",
    "strategy": {
        "type": "ab_test",
        "candidate_percent": 50,
        "duration_s": 1,
        "sticky_header": "x-user",
        "min_samples": 30,
        "outcome": "slipway_scoring_run_seconds",
    },
}


async def test_arms_are_compared_by_a_metric_of_their_servers(plane: ControlPlane) -> None:
    files = {**base(), "endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n"}
    for name, seconds in (("blue", 0.001), ("green", 0.02)):
        files |= {f"{name}.yml": deployment(name, CODE.format(name)), f"{name}/score.py": SCRIPT.format(seconds)}
    await declare(plane, files)
    uri = (await until(plane, ready("blue", "green")))["scoring_uri"]
    await call(plane, "start_rollout", 202, {"name": "first", "spec": SPEC})
    arms: dict[str, set[str]] = defaultdict(set)

    async def load() -> None:
        async with aiohttp.ClientSession(headers=await bearer(plane)) as http:
            for number in itertools.count():
                user = f"user-{number % 40}"
                async with http.post(uri, json=ROW, headers={"x-user": user}) as answer:
                    if answer.status == 200 and split:
                        arms[user].add(answer.headers["azureml-model-deployment"])

    split: list[bool] = []
    loading = asyncio.create_task(load())
    async with asyncio.timeout(90):
        while (status := (await call(plane, "get_rollout", 200, name="first"))["status"])[
            "phase"
        ] != "AwaitingApproval":
            if status["settled_at"] and not split:
                await asyncio.sleep(0.5)  # the router looks at its file ten times a second
                split.append(True)
            await look(plane)
            await asyncio.sleep(0.1)
    loading.cancel()
    assert all(len(by) == 1 for by in arms.values()), arms
    assert set.union(*arms.values()) == {"blue", "green"}
    blue, green = status["experiment"]["arms"]
    assert min(blue["samples"], green["samples"]) >= 30
    assert blue["interval"]["high"] < green["interval"]["low"]  # seconds: green takes longer
    assert status["experiment"]["interval"]["low"] > 0
    await call(plane, "approve_rollout", 202, name="first")
    async with asyncio.timeout(60):
        while (await call(plane, "get_rollout", 200, name="first"))["status"]["phase"] != "Succeeded":
            await look(plane)
            await asyncio.sleep(0.1)
