"""Endpoints on devices against a double of their hub: put, counted, laid over, rolled back, pruned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.iot_edge.client import HubClient
from shared.adapters.iot_edge.sas_tokens import SasTokens
from shared.adapters.iot_edge.target import IotEdgeTarget
from shared.errors import NotFound, NotSupported, Retryable
from shared.ports import DesiredEndpoint, ObservedEndpoint
from tests.doubles.iot_hub import KEY, POLICY, HubDouble, iot_hub_double
from tests.doubles.iot_hub_devices import Device
from tests.unit.iot_edge.samples import devices
from tests.unit.kubernetes.samples import autoscaled, deployment, endpoint, scripted

BAD = "registry.example/{}@sha256:" + "2" * 64


def fleet() -> list[Device]:
    """Ten of the site with rings 0 to 90, one of it without, one elsewhere."""
    here = [Device(f"d{ring:02}", {"site": "north", "ring": ring}) for ring in range(0, 100, 10)]
    return [*here, Device("untagged", {"site": "north"}), Device("other", {"site": "south"})]


@pytest.fixture(params=[False, True], ids=["covered ones do not count", "covered ones count"])
async def double(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[HubDouble]:
    async with iot_hub_double(tmp_path, *fleet()) as found:
        found.counts_covered = request.param
        yield found


def target_of(double: HubDouble, **more: Any) -> IotEdgeTarget:
    compute = devices(hub=double.host, look_s=0, certificate_authority=double.authority, **more)
    client = HubClient(double.host, SasTokens(double.host, POLICY, lambda: double.keys[POLICY]), double.authority)
    return IotEdgeTarget(compute, client, lambda: "pull-token")


@pytest.fixture
def target(double: HubDouble) -> IotEdgeTarget:
    return target_of(double)


async def until(
    target: IotEdgeTarget, desired: DesiredEndpoint, is_so: Callable[[ObservedEndpoint], bool]
) -> ObservedEndpoint:
    async with asyncio.timeout(30):
        while True:
            seen = await target.ensure(desired)
            if is_so(seen):
                return seen


async def settled(target: IotEdgeTarget, desired: DesiredEndpoint) -> ObservedEndpoint:
    """Looked at until every deployment is as desired, and nothing is left to do."""
    found = await until(target, desired, lambda one: all(each.ready for each in one.deployments.values()))
    async with asyncio.timeout(30):
        while (await target.plan(desired)).changes:
            found = await target.ensure(desired)
    return found


def shares(blue: int, green: int, **more: Any) -> DesiredEndpoint:
    return endpoint(deployment("blue"), deployment("green", **more), weights={"blue": blue, "green": green})


def ids(double: HubDouble, deployment: str) -> list[str]:
    return [
        name for name, one in double.stored.items() if one.document["labels"].get("slipwayDeployment") == deployment
    ]


async def test_what_is_declared_is_put_once_and_counted(target: IotEdgeTarget, double: HubDouble) -> None:
    assert await target.observe("live") is None
    desired = endpoint(deployment("blue"), weights={"blue": 100})
    seen = await settled(target, desired)
    assert seen.ready
    assert seen.deployments["blue"].ready == 11
    assert seen.scoring_uri.endswith(":5001/score")
    assert await target.observe("live") == seen
    assert {name for name, one in double.runs().items() if one == "blue"} == {
        one.id for one in double.devices if one.tags["site"] == "north"
    }
    double.requests.clear()
    assert await target.ensure(desired) == seen
    assert double.writes() == []
    text = await target.metrics("live")
    assert 'slipway_edge_running_devices{deployment="blue"} 11' in text
    assert await target.metrics("elsewhere") == ""


async def test_a_rollout_goes_by_rings_and_no_device_goes_back_and_forth(
    target: IotEdgeTarget, double: HubDouble
) -> None:
    for green, on_green in ((0, 0), (10, 1), (50, 5), (90, 9), (100, 11)):
        seen = await settled(target, shares(100 - green, green))
        assert list(double.runs().values()).count("green") == on_green
        assert seen.ready
        assert all(one.ready for one in seen.deployments.values())
    assert {tuple(one.history) for one in double.devices if one.tags["site"] == "north"} == {("blue", "green")}
    (blue,) = ids(double, "blue")
    assert double.stored[blue].document["targetCondition"] == ""
    await settled(target, shares(90, 10))  # the next one begins at ring 0 again
    assert {name for name, one in double.runs().items() if one == "blue"} == {f"d{ring}0" for ring in range(9)}


async def test_a_bad_candidate_is_said_and_goes_back(target: IotEdgeTarget, double: HubDouble) -> None:
    for image, said in (("missing", "could not do as told"), ("crash", "does not stay up")):
        bad = {"container": {"image": BAD.format(image)}}
        await settled(target, shares(100, 0, **bad))
        seen = await until(target, shares(80, 20, **bad), lambda one: bool(one.deployments["green"].failures))
        assert said in seen.deployments["green"].problem
        assert seen.deployments["green"].failures >= 3
        assert seen.deployments["blue"].ready
        await settled(target, shares(100, 0, **bad))
        assert set(double.runs().values()) == {"blue", ""}


async def test_what_ran_stays_below_until_the_new_one_is_applied(target: IotEdgeTarget, double: HubDouble) -> None:
    first = endpoint(deployment("blue"), weights={"blue": 100})
    await settled(target, first)
    (before,) = ids(double, "blue")
    double.is_counting = False  # the hub has not counted yet
    changed = endpoint(deployment("blue", environ={"V": "2"}), weights={"blue": 100})
    for _ in range(2):
        seen = await target.ensure(changed)
    assert not seen.ready
    after = next(one for one in ids(double, "blue") if one != before)
    levels = {one: double.stored[one].document["priority"] for one in (before, after)}
    assert levels == {before: 11, after: 12}
    conditions = {double.stored[one].document["targetCondition"] for one in (before, after)}
    assert conditions == {"(tags.site='north')"}
    await target.ensure(first)  # back: both are there, and the former one is above again
    assert double.stored[before].document["priority"] == 12
    assert {one.told[next(iter(one.told))]["env"].get("V") for one in double.devices if one.told} == {None}
    double.is_counting = True
    await settled(target, changed)
    assert ids(double, "blue") == [after]


async def test_counts_are_not_believed_before_the_hub_counted_again(double: HubDouble) -> None:
    target = target_of(double, settle_s=3600)
    desired = endpoint(deployment("blue"), weights={"blue": 100})
    for _ in range(3):
        seen = await target.ensure(desired)
    assert seen.deployments["blue"].ready == 0
    assert "waiting for the hub" in seen.deployments["blue"].problem


async def test_devices_that_are_off_are_waited_for_or_allowed_for(double: HubDouble) -> None:
    double.devices[3].is_online = False
    target = target_of(double)
    desired = endpoint(deployment("blue"), weights={"blue": 100})
    seen = await until(target, desired, lambda one: "10 of 11" in one.deployments["blue"].problem)
    assert (seen.deployments["blue"].ready, seen.deployments["blue"].failures) == (0, 0)
    lenient = target_of(double, success_percent=90)
    assert (await settled(lenient, desired)).deployments["blue"].ready == 10


async def test_an_endpoint_that_is_not_declared_any_more_leaves_the_devices(
    target: IotEdgeTarget, double: HubDouble
) -> None:
    await settled(target, shares(90, 10))
    await settled(target, endpoint(deployment("blue"), weights={"blue": 100}))
    assert ids(double, "green") == []
    assert await target.keep_only(frozenset({"live"})) == ()
    assert await target.keep_only(frozenset()) == ("live",)
    assert await target.observe("live") is None
    (left,) = double.stored.values()
    assert "slipwayEndpoint" not in left.document["labels"]  # the base: without it devices would keep the module
    assert set(double.runs().values()) == {""}
    await settled(target, endpoint(deployment("blue"), weights={"blue": 100}))
    assert list(double.runs().values()).count("blue") == 11


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        (endpoint(deployment("blue"), deployment("green"), weights={"blue": 100}, mirror={"green": 10}), "mirrored"),
        (endpoint(deployment("blue"), sticky_header="x-user"), "sticky"),
        (endpoint(scripted("blue")), "entry script"),
        (endpoint(autoscaled("blue")), "autoscaling"),
    ],
)
async def test_what_devices_do_not_have_is_refused_before_anything_is_put(
    target: IotEdgeTarget, double: HubDouble, desired: DesiredEndpoint, message: str
) -> None:
    with pytest.raises(NotSupported, match=message):
        await target.ensure(desired)
    assert double.writes() == []


async def test_logs_say_where_they_are(target: IotEdgeTarget) -> None:
    await settled(target, endpoint(deployment("blue"), weights={"blue": 100}))
    with pytest.raises(NotSupported, match="iotedge logs"):
        await target.logs("live", "blue", 10)
    with pytest.raises(NotFound, match="live/green"):
        await target.logs("live", "green", 10)


async def test_the_plan_hides_the_password_that_is_put(target: IotEdgeTarget, double: HubDouble) -> None:
    plan = await target.plan(shares(90, 10))
    assert [one.action for one in plan.changes] == ["create"] * 3
    assert "pull-token" not in str(plan)
    assert "***" in str(plan.documents[0])
    assert double.writes() == []
    await settled(target, shares(90, 10))
    assert "pull-token" in str(double.stored)
    assert "pull-token" not in repr((await target._view.current(), await target.plan(shares(50, 50))))


async def test_a_hub_that_does_not_answer_is_retryable(tmp_path: Path, double: HubDouble) -> None:
    client = HubClient("127.0.0.1:9", SasTokens("127.0.0.1:9", POLICY, lambda: KEY), double.authority)
    with pytest.raises(Retryable, match="cannot be reached"):
        await IotEdgeTarget(devices(look_s=0), client, str).ensure(endpoint(deployment()))
