"""What is an installation's own at a hub is put right, and what is somebody else's is left alone."""

from __future__ import annotations

import pytest

from shared.errors import Invalid
from tests.contract.test_iot_edge_target import IotEdgeTarget, double, ids, settled, target, target_of
from tests.doubles.iot_hub import HubDouble
from tests.unit.kubernetes.samples import deployment, endpoint

__all__ = ["double", "target"]


async def test_drift_is_put_right_and_others_are_left_alone(double: HubDouble) -> None:
    mine, theirs = target_of(double), target_of(double, owner="other", priority=1, target_condition="tags.site='south'")
    desired = endpoint(deployment("blue"), weights={"blue": 100})
    await settled(theirs, desired)
    await settled(mine, desired)
    (blue,) = [name for name in ids(double, "blue") if name.startswith("slipway-")]
    stored = double.stored[blue]
    stored.document |= {"priority": 3, "targetCondition": "tags.site='south'"}
    stored.document["labels"] = {**stored.document["labels"], "team": "risk"}
    (change,) = (await mine.plan(desired)).changes
    assert (change.action, {one.pointer for one in change.fields}) == ("update", {"/targetCondition", "/priority"})
    await settled(mine, desired)
    assert (stored.document["priority"], stored.document["labels"]["team"]) == (12, "risk")
    before = {name: one.version for name, one in double.stored.items() if name.startswith("other-")}
    assert await mine.keep_only(frozenset()) == ("live",)
    assert {name: one.version for name, one in double.stored.items() if name.startswith("other-")} == before
    assert len(before) == 2


async def test_a_name_that_is_somebody_elses_is_left_alone(target: IotEdgeTarget, double: HubDouble) -> None:
    desired = endpoint(deployment("blue"), weights={"blue": 100})
    await settled(target, desired)
    (blue,) = ids(double, "blue")
    double.stored[blue].document["labels"] = {}
    with pytest.raises(Invalid, match="somebody else's"):
        await target.ensure(desired)


async def test_the_base_is_replaced_when_its_image_changes(double: HubDouble) -> None:
    desired = endpoint(deployment("blue"), weights={"blue": 100})
    await settled(target_of(double), desired)
    runtime = {"agent_image": "mcr.example/azureiotedge-agent:1.7", "hub_image": "mcr.example/azureiotedge-hub:1.7"}
    await settled(target_of(double, runtime=runtime), desired)
    bases = [one for one in double.stored.values() if "slipwayEndpoint" not in one.document["labels"]]
    assert [one.agent["properties.desired"]["systemModules"]["edgeHub"]["settings"]["image"] for one in bases] == [
        runtime["hub_image"]
    ]
    assert list(double.runs().values()).count("blue") == 11


async def test_a_base_of_somebody_else_is_not_touched(double: HubDouble) -> None:
    await settled(target_of(double, owner="platform"), endpoint(deployment("x"), name="x", weights={"x": 0}))
    target = target_of(double, runtime=None)
    await settled(target, endpoint(deployment("blue"), weights={"blue": 100}))
    assert [one.document["labels"]["slipwayOwner"] for one in double.stored.values()].count("slipway") == 1
