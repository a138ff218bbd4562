"""Endpoints on Azure Container Instances against a double of Resource Manager: put, read back, replaced, removed."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from shared.adapters.azure.aci_target import AciTarget
from shared.compute_settings import load_computes
from shared.deployment_targets.aci.render import group_name, rendered
from shared.deployment_targets.kubernetes.workload import PORT
from shared.errors import Invalid, NotFound, NotSupported, Retryable, Unauthorized
from shared.monitors.deployment_figures import figures_of
from shared.monitors.infrastructure import infrastructure
from shared.ports import Autoscale, DesiredEndpoint, EndpointAccess, ObservedEndpoint
from shared.resources.aci_compute import AciCompute
from shared.resources.deployment_figures import DeploymentFigures
from shared.resources.monitor_result import Verdict
from shared.scoring.metrics import Metrics
from shared.scoring.usage import add_usage
from tests.doubles.arm_event_subscriptions import TokenCredential
from tests.doubles.container_instances import RESOURCE_GROUP, AciDouble, container_instances_double, failed
from tests.doubles.webhook_receiver import serving
from tests.unit.kubernetes.samples import deployment, endpoint, scripted

GROUP = group_name("live")
KEYS = EndpointAccess("key", keys=("first-key", "second-key"))
IDENTITY = f"{RESOURCE_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller"
SUBNET = f"{RESOURCE_GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/groups"


def compute(**more: Any) -> AciCompute:
    said = {"name": "aci", "type": "aci", "resource_group_id": RESOURCE_GROUP, "location": "westeurope"}
    return AciCompute.model_validate({**said, "subnet_id": SUBNET, **more})


def live(container: dict[str, Any] | None = None, **more: Any) -> DesiredEndpoint:
    one = deployment(container=container, **more)
    return endpoint(one, weights={"blue": 100}, access=KEYS)


@pytest.fixture
async def double() -> AsyncIterator[AciDouble]:
    async with container_instances_double() as found:
        yield found


def target_of(double: AciDouble, **more: Any) -> AciTarget:
    return AciTarget(compute(**more), TokenCredential(), double.url)


async def settled(target: AciTarget, desired: DesiredEndpoint) -> ObservedEndpoint:
    async with asyncio.timeout(30):
        while True:
            seen = await target.ensure(desired)
            if seen.ready and all(one.ready and one.is_current for one in seen.deployments.values()):
                return seen


async def test_what_is_declared_is_put_once_and_read_back(double: AciDouble) -> None:
    target = target_of(double)
    assert await target.observe("live") is None
    seen = await settled(target, live())
    assert seen.scoring_uri == "http://10.0.0.4:5001/score"
    assert seen.deployments["blue"].ready == 1
    assert await target.observe("live") == seen
    assert double.writes() == ["PUT"]
    await settled(target, live())
    assert double.writes() == ["PUT"]
    assert (await target.logs("live", "blue", 2)) == "two\nthree\n"
    assert await target.metrics("live") == ""
    with pytest.raises(NotFound):
        await target.logs("live", "green", 2)


async def test_figures_are_those_that_the_groups_server_counts(double: AciDouble) -> None:
    double.address = "127.0.0.61"  # of this machine alone, so that the server's port is free
    target, server = target_of(double), Metrics()
    await settled(target, live())
    assert await target.metrics("live") == ""  # nothing answers
    for status in (200, 200, 200, 503):
        server.count("/score", status, 0.02)
        server.run_seconds.observe(0.02)
    server.count("/v2/health/live", 200, 0.001)
    add_usage(server)
    before = await scraped(target, server)
    assert (before.counters.requests, before.counters.errors) == (4, 1)
    (usage,) = before.instances.values()
    assert usage.cpu_s > 0 < usage.memory_bytes
    for _ in range(80):
        server.count("/score", 200, 0.02)
        server.run_seconds.observe(0.02)
    after = await scraped(target, server)
    signal = infrastructure("serving", {"error_rate": 0.1, "request_latency_p99_ms": 5}, after, before)
    verdicts = {one.metric: one.verdict for one in signal.metrics}
    assert signal.counts.rows == 80
    assert (verdicts["error_rate"], verdicts["request_latency_p99_ms"]) == (Verdict.HEALTHY, Verdict.BREACHED)
    assert verdicts["cpu_utilization_percentage"] is Verdict.HEALTHY


async def scraped(target: AciTarget, server: Metrics) -> DeploymentFigures:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(body=server.text())

    app = web.Application()
    app.router.add_get("/metrics", page)
    sock = socket.create_server(("127.0.0.61", PORT))
    async with serving(app, sock):
        return figures_of(await target.metrics("live"), "live.blue", datetime.now(UTC))


async def test_changes_are_put_and_other_sizes_are_groups_of_their_own(double: AciDouble) -> None:
    target = target_of(double)
    await settled(target, live())
    changed = live(environ={"V": "2"})
    assert (await target.ensure(changed)).deployments["blue"].is_current
    await settled(target, changed)
    assert double.writes() == ["PUT", "PUT"]
    larger = live({"requests": {"cpu": "2", "memory": "3Gi"}}, environ={"V": "2"})
    await settled(target, larger)
    assert double.writes() == ["PUT", "PUT", "DELETE", "PUT"]
    resources = double.groups[GROUP]["properties"]["containers"][0]["properties"]["resources"]
    assert resources == {"requests": {"cpu": 2.0, "memoryInGB": 3.0}, "limits": {"cpu": 2.0, "memoryInGB": 3.0}}


async def test_a_former_group_is_not_taken_for_what_is_desired(double: AciDouble) -> None:
    target = target_of(double)
    await target.ensure(live())
    seen = await target.ensure(live(environ={"V": "2"}))  # Azure would refuse a second change now
    assert double.writes() == ["PUT"]
    assert (seen.deployments["blue"].ready, seen.deployments["blue"].is_current) == (0, False)


@pytest.mark.parametrize(
    ("image", "problem", "failures"),
    [
        ("registry.example/missing", "Failed: Failed to pull image: registry.example/missing", 0),
        ("registry.example/crash", "its container ended: Error, exit code 1", 4),
    ],
)
async def test_why_a_group_is_not_ready_is_read_back(
    image: str, problem: str, failures: int, double: AciDouble
) -> None:
    target = target_of(double)
    async with asyncio.timeout(30):
        while not (seen := (await target.ensure(live({"image": image}))).deployments.get("blue")) or not seen.problem:
            await asyncio.sleep(0)
    assert (seen.ready, seen.problem, seen.failures) == (0, problem, failures)


async def test_what_is_not_declared_any_more_goes_and_others_are_left_alone(double: AciDouble) -> None:
    target = target_of(double)
    await settled(target, live())
    other = target_of(double, owner="other")
    with pytest.raises(Invalid, match="somebody else's"):
        await other.ensure(live())
    second = replace(live(), name="second")
    await settled(target, second)
    assert await other.keep_only(frozenset()) == ()
    assert await target.keep_only(frozenset({"second"})) == ("live",)
    async with asyncio.timeout(30):
        while await target.observe("live"):
            await asyncio.sleep(0)
    assert await target.ensure(replace(second, deployments=())) == ObservedEndpoint("", True)
    async with asyncio.timeout(30):
        while double.groups:
            await target.observe("second")


async def test_the_plan_is_what_is_put_without_the_keys(double: AciDouble) -> None:
    target = target_of(double)
    plan = await target.plan(live())
    assert [(one.action, one.name) for one in plan.changes] == [("create", f"containerGroups/{GROUP}")]
    assert "first-key" not in json.dumps(plan.documents)
    assert double.writes() == []
    await settled(target, live())
    assert (await target.plan(live())).changes == ()
    assert [one.action for one in (await target.plan(live(environ={"V": "2"}))).changes] == ["update"]
    assert [one.action for one in (await target.plan(replace(live(), deployments=()))).changes] == ["delete"]
    kept = base64.b64decode(double.groups[GROUP]["properties"]["volumes"][0]["secret"]["keys.json"])
    assert json.loads(kept) == {"primaryKey": "first-key", "secondaryKey": "second-key"}


@pytest.mark.parametrize(
    "desired",
    [
        endpoint(deployment("blue"), deployment("green"), weights={"blue": 50, "green": 50}, access=KEYS),
        replace(live(), mirror={"blue": 10}),
        replace(live(), sticky_header="x-user"),
        live(instances=2),
        live({"autoscale": Autoscale(1, 3, 70)}),
        endpoint(scripted("green"), weights={"green": 100}, access=KEYS),
        replace(live(), access=None),
    ],
    ids=["split", "mirror", "sticky", "instances", "autoscale", "code", "no keys"],
)
async def test_what_a_group_cannot_do_is_refused_with_what_to_do(desired: DesiredEndpoint, double: AciDouble) -> None:
    with pytest.raises(NotSupported) as refused:
        await target_of(double).ensure(desired)
    assert refused.value.remedy
    assert double.writes() == []


async def test_azures_refusals_say_why_and_whether_to_try_again(double: AciDouble) -> None:
    target = target_of(double)
    cases = [
        (409, "ContainerGroupTransitioning", Retryable),
        (429, "TooManyRequests", Retryable),
        (500, "InternalServerError", Retryable),
        (400, "InaccessibleImage", Invalid),
        (403, "AuthorizationFailed", Unauthorized),
    ]
    for status, code, error in cases:

        async def refused(request: web.Request, status: int = status, code: str = code) -> web.Response | None:
            return failed(status, code) if request.method == "PUT" else None

        double.before = refused
        with pytest.raises(error, match=code):
            await target.ensure(live())


def test_groups_have_an_address_of_their_own_network_unless_that_is_said() -> None:
    private = rendered(live(), compute(identity_id=IDENTITY))
    assert private is not None
    assert private["properties"]["ipAddress"] == {"type": "Private", "ports": [{"protocol": "TCP", "port": 5001}]}
    assert private["properties"]["subnetIds"] == [{"id": SUBNET}]
    assert private["properties"]["imageRegistryCredentials"] == [{"server": "registry.example", "identity": IDENTITY}]
    public = rendered(live(), compute(subnet_id="", open_to_internet=True))
    assert public is not None
    assert public["properties"]["ipAddress"]["dnsNameLabel"] == GROUP
    assert public["properties"]["ipAddress"]["autoGeneratedDomainNameLabelScope"] == "ResourceGroupReuse"
    public_to_all = {"subnet_id": "", "open_to_internet": True, "open_to_callers": True}
    for said in ({"subnet_id": ""}, {"open_to_internet": True}, {"location": "West Europe"}, public_to_all):
        with pytest.raises(ValidationError):
            compute(**said)


async def test_a_network_may_decide_who_calls(double: AciDouble) -> None:
    seen = await settled(target_of(double, open_to_callers=True), replace(live(), access=None))
    assert seen.deployments["blue"].ready == 1
    assert double.groups[GROUP]["properties"]["volumes"] == []


def test_a_compute_of_groups_is_read_from_the_settings() -> None:
    (found,) = load_computes(json.dumps([compute().model_dump()])).values()
    assert found == compute()
