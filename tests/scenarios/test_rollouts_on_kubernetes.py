"""Whole rollouts on a cluster: shares of an HTTPRoute go up by steps while Prometheus' figures are good, or back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared.bootstrap import ControlPlane
from shared.deployment_targets.kubernetes.names import object_name
from shared.resources.rollout import TERMINAL
from tests.doubles.kubernetes import KubernetesDouble, kubernetes_double
from tests.doubles.kubernetes_gateway import ERROR_SHARE, GatewayDouble, gateway_double
from tests.doubles.registry import registry_double
from tests.plane import events_of
from tests.scenarios.test_endpoints import KINDS, look, states
from tests.scenarios.test_endpoints_on_kubernetes import ENDPOINT, computes, declare, deployment, until
from tests.scenarios.test_images import call, prepared

HOST = "live.models.example"
BLUE, GREEN = object_name("live", "blue"), object_name("live", "green")
CANARY = {"type": "canary", "steps": [{"weight_percent": one, "duration_s": 0.2} for one in (20, 50)]}
CHECK = {"metric": "success_rate", "at_least": 0.9, "min_samples": 40}
LOOKED_AT = ("image", *KINDS)


@pytest.fixture
async def double() -> AsyncIterator[KubernetesDouble]:
    async with kubernetes_double() as found:
        yield found


@pytest.fixture
async def gateway(double: KubernetesDouble) -> AsyncIterator[GatewayDouble]:
    async with gateway_double(double) as found:
        yield found


@pytest.fixture
async def plane(double: KubernetesDouble, gateway: GatewayDouble, tmp_path: Path) -> AsyncIterator[ControlPlane]:
    async with registry_double() as registry:
        setting = computes(double, tmp_path, prometheus_url=gateway.url)
        yield await prepared(tmp_path, image_repository=f"{registry.host}/models/slipway", computes=setting)


async def both_run(plane: ControlPlane, green: str = "") -> None:
    """Blue has all traffic, green none."""
    files = {"endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n", "blue.yml": deployment("blue")}
    await declare(plane, {**files, "green.yml": deployment("green", green)})
    await until(plane, lambda one: states(one) == {"blue": "Succeeded", "green": "Succeeded"})


@asynccontextmanager
async def asked(gateway: GatewayDouble, at_once: int = 4) -> AsyncIterator[set[int]]:
    """Requests all the time; the statuses of their answers."""
    statuses: set[int] = set()

    async def ask(http: aiohttp.ClientSession) -> None:
        while True:
            async with http.post(f"{gateway.url}/score", headers={"Host": HOST}) as answer:
                statuses.add(answer.status)
            await asyncio.sleep(0.001)

    async with aiohttp.ClientSession() as http:
        asking = [asyncio.create_task(ask(http)) for _ in range(at_once)]
        try:
            yield statuses
        finally:
            for task in asking:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


def route(double: KubernetesDouble) -> tuple[dict[str, int], dict[str, int]]:
    """The weights of requests that name no deployment, and the percents of their copies."""
    rule = double.one("httproutes", object_name("live"))["spec"]["rules"][-1]
    copies = [each["requestMirror"] for each in rule.get("filters", ())]
    return (
        {each["name"]: each["weight"] for each in rule["backendRefs"]},
        {each["backendRef"]["name"]: each["percent"] for each in copies},
    )


async def rolled_out(
    plane: ControlPlane, double: KubernetesDouble, name: str, strategy: dict[str, Any], **analysis: Any
) -> tuple[dict[str, Any], list[tuple[dict[str, int], dict[str, int]]]]:
    """How a rollout ended, and each route that there was, in its order."""
    both = {"endpoint_name": "live", "stable": "blue", "candidate": "green"}
    spec = {**both, "strategy": strategy, "analysis": {"inconclusive_timeout_s": 60, **analysis}}
    await call(plane, "start_rollout", 202, {"name": name, "spec": spec})
    routes = [route(double)]
    async with asyncio.timeout(120):
        while True:
            await look(plane, LOOKED_AT)
            if (now := route(double)) != routes[-1]:
                routes.append(now)
            status = (await call(plane, "get_rollout", 200, name=name))["status"]
            live = await call(plane, "get_endpoint", 200, name="live")
            if status["phase"] in TERMINAL and live["effective_traffic"] == live["traffic"]:
                await look(plane, LOOKED_AT)
                return status, routes if (now := route(double)) == routes[-1] else [*routes, now]


def failing(share: float) -> str:
    """A deployment's declaration whose answers fail at that share."""
    return f"environment_variables: {{{ERROR_SHARE}: '{share}'}}\n"


async def test_a_bad_candidate_goes_back_and_a_better_one_takes_over(
    plane: ControlPlane, double: KubernetesDouble, gateway: GatewayDouble
) -> None:
    await both_run(plane, failing(0.5))
    async with asked(gateway):
        status, routes = await rolled_out(plane, double, "bad", CANARY, checks=[CHECK])
    assert (status["phase"], status["reason"]) == ("RolledBack", "AnalysisFailed"), status
    assert "success rate" in status["message"]
    assert routes == [({BLUE: 100}, {}), ({BLUE: 80, GREEN: 20}, {}), ({BLUE: 100}, {})]
    assert double.names("deployments") == sorted([BLUE, GREEN])  # it stays to be looked at

    await both_run(plane)
    await until(plane, lambda _: ERROR_SHARE not in str(double.one("deployments", GREEN)))
    await until(plane, lambda one: states(one) == {"blue": "Succeeded", "green": "Succeeded"})
    async with asked(gateway) as statuses:
        status, routes = await rolled_out(plane, double, "good", CANARY, checks=[CHECK])
        assert (status["phase"], status["reason"]) == ("Succeeded", "Promoted"), status
        before = gateway.answered[GREEN]
        async with asyncio.timeout(30):
            while gateway.answered[GREEN] < before + 50:
                await asyncio.sleep(0.01)
    shares = [{BLUE: 100}, {BLUE: 80, GREEN: 20}, {BLUE: 50, GREEN: 50}, {GREEN: 100}]
    assert routes == [(each, {}) for each in shares]
    assert statuses == {200}  # nobody met a deployment that was not there
    told = [
        one for one in await events_of(plane) if one.startswith("Slipway.Rollout") or one == "Slipway.TrafficShifted"
    ]
    assert told == [
        *("Slipway.TrafficShifted", "Slipway.RolloutRolledBack"),
        *("Slipway.TrafficShifted", "Slipway.TrafficShifted", "Slipway.RolloutPromoted"),
    ]


@pytest.mark.slow
async def test_a_shadow_gets_copies_and_without_figures_nothing_is_promoted(
    plane: ControlPlane, double: KubernetesDouble, gateway: GatewayDouble
) -> None:
    await both_run(plane, failing(0.02))
    async with asked(gateway) as statuses:
        shadow = {"type": "shadow", "mirror_percent": 50, "duration_s": 0.2}
        status, routes = await rolled_out(plane, double, "shadow", shadow, checks=[CHECK])
    assert status["phase"] == "Succeeded", status
    assert routes == [({BLUE: 100}, {}), ({BLUE: 100}, {GREEN: 50}), ({BLUE: 100}, {})]
    assert gateway.answered[GREEN] == 0
    assert sum(count for (pod, _), count in gateway.counts.items() if pod.startswith(GREEN)) >= 40
    assert statuses == {200}  # its errors are nobody's

    short = {"inconclusive_timeout_s": 0.5, "on_inconclusive": "roll_back"}
    status, routes = await rolled_out(plane, double, "unseen", CANARY, checks=[CHECK], **short)
    assert (status["phase"], status["reason"]) == ("RolledBack", "Inconclusive"), status
    assert routes[-1] == ({BLUE: 100}, {})
