"""Endpoints declared for devices, and whole rollouts there, by a control plane: rings grow while the hub's counts are
good, or go back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.resources.rollout import TERMINAL
from tests.doubles.iot_hub import KEY, POLICY, HubDouble, iot_hub_double
from tests.doubles.iot_hub_devices import BEHAVIOUR, Device
from tests.doubles.registry import registry_double
from tests.plane import events_of
from tests.scenarios.test_endpoints import look, states
from tests.scenarios.test_endpoints_on_kubernetes import declare, deployment, until
from tests.scenarios.test_images import call, prepared
from tests.scenarios.test_rollouts_on_kubernetes import LOOKED_AT
from tests.unit.iot_edge.samples import RUNTIME

ENDPOINT = (
    "$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineEndpoint.schema.json\n"
    "name: live\ncompute: azureml:edge\nauth_mode: key\n"
)
CANARY = {"type": "canary", "steps": [{"weight_percent": one, "duration_s": 0.2} for one in (10, 50)]}
CHECK = {"metric": "slipway_edge_running_ratio", "at_least": 0.9, "failure_limit": 0}
ANALYSIS = {"checks": [CHECK], "inconclusive_timeout_s": 60}


def fleet() -> list[Device]:
    return [Device(f"d{ring:02}", {"site": "north", "ring": ring}) for ring in range(0, 100, 10)]


@pytest.fixture
async def double(tmp_path: Path) -> AsyncIterator[HubDouble]:
    async with iot_hub_double(tmp_path, *fleet()) as found:
        yield found


def compute(double: HubDouble, **more: Any) -> dict[str, Any]:
    return {
        "type": "iot-edge",
        "name": "edge",
        "hub": double.host,
        "certificate_authority": double.authority,
        "sas_policy": POLICY,
        "sas_key_env": "EDGE_HUB_KEY",
        "target_condition": "tags.site='north'",
        "open_to_callers": True,
        "runtime": RUNTIME,
        "settle_s": 0,
        "look_s": 0,
        **more,
    }


@pytest.fixture
async def plane(double: HubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ControlPlane]:
    monkeypatch.setenv("EDGE_HUB_KEY", KEY)
    monkeypatch.setenv("EDGE_PASSWORD", "pull-token")
    async with registry_double() as registry:
        setting = json.dumps([compute(double)])
        yield await prepared(tmp_path, image_repository=f"{registry.host}/models/slipway", computes=setting)


async def both_run(plane: ControlPlane, green: str = "") -> None:
    """Blue has all devices, green none."""
    files = {"endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n", "blue.yml": deployment("blue")}
    await declare(plane, {**files, "green.yml": deployment("green", green)})
    await until(plane, lambda one: states(one) == {"blue": "Succeeded", "green": "Succeeded"})


async def rolled_out(plane: ControlPlane, double: HubDouble, name: str) -> tuple[dict[str, Any], list[int]]:
    """How a rollout ended, and on how many devices the candidate ran in turn."""
    both = {"endpoint_name": "live", "stable": "blue", "candidate": "green"}
    spec = {**both, "strategy": CANARY, "analysis": ANALYSIS, "unready_timeout_s": 60}
    await call(plane, "start_rollout", 202, {"name": name, "spec": spec})
    numbers = [0]
    async with asyncio.timeout(120):
        while True:
            await look(plane, LOOKED_AT)
            if (now := list(double.runs().values()).count("green")) != numbers[-1]:
                numbers.append(now)
            status = (await call(plane, "get_rollout", 200, name=name))["status"]
            live = await call(plane, "get_endpoint", 200, name="live")
            if status["phase"] in TERMINAL and live["effective_traffic"] == live["traffic"]:
                return status, numbers


def failing(behaviour: str) -> str:
    return f"environment_variables: {{{BEHAVIOUR}: {behaviour}}}\n"


async def test_a_bad_candidate_goes_back_and_a_better_one_takes_over(plane: ControlPlane, double: HubDouble) -> None:
    await both_run(plane, failing("crash"))
    found = await call(plane, "get_endpoint", 200, name="live")
    assert found["target"] == "edge"
    assert found["scoring_uri"].endswith(":5001/score")
    status, numbers = await rolled_out(plane, double, "bad")
    assert (status["phase"], status["reason"]) == ("RolledBack", "CandidateFailed"), status
    assert "0 of 1 devices run it; on 1 its module does not stay up" in status["message"]
    assert max(numbers) == 1
    await until(plane, lambda _: set(double.runs().values()) == {"blue"})

    await both_run(plane)
    status, numbers = await rolled_out(plane, double, "good")
    assert (status["phase"], status["reason"]) == ("Succeeded", "Promoted"), status
    await until(plane, lambda _: set(double.runs().values()) == {"green"})
    assert numbers[:3] == [0, 1, 5]
    assert {tuple(one.history) for one in double.devices[1:]} == {("blue", "green")}
    told = [one for one in await events_of(plane) if one.startswith("Slipway.Rollout")]
    assert told == ["Slipway.RolloutRolledBack", "Slipway.RolloutPromoted"]
    await told_and_taken_away(plane, double)


async def told_and_taken_away(plane: ControlPlane, double: HubDouble) -> None:
    plan = await call(plane, "get_endpoint_plan", 200, name="live")
    assert "pull-token" not in json.dumps(plan)
    logs = await call(plane, "get_deployment_logs", 501, name="live", deployment="green")
    assert "iotedge logs" in json.dumps(logs)
    await call(plane, "patch_endpoint_traffic", 200, {"mirror_traffic": {"blue": 10}}, name="live")
    found = await until(plane, lambda one: one["provisioning_state"] == "Failed")
    assert "a device has no mirrored traffic" in json.dumps(found["conditions"])
    await declare(plane, {}, prune=True)
    async with asyncio.timeout(30):
        while len(double.stored) > 1:
            await plane.look_again()
            await asyncio.sleep(0.05)
    assert set(double.runs().values()) == {""}


@pytest.mark.slow
async def test_a_candidate_that_devices_can_not_pull_goes_back(plane: ControlPlane, double: HubDouble) -> None:
    await both_run(plane, failing("missing"))
    status, numbers = await rolled_out(plane, double, "bad")
    assert (status["phase"], status["reason"]) == ("RolledBack", "CandidateFailed"), status
    assert "could not do as told" in status["message"]
    assert set(numbers) == {0}
    await until(plane, lambda _: set(double.runs().values()) == {"blue"})
