"""A hub that fails at any moment: the end is the same as without faults, and nothing is left over."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.azure.hub_tokens import EntraHubTokens
from shared.adapters.iot_edge.client import HubClient
from shared.adapters.iot_edge.target import IotEdgeTarget
from shared.errors import Retryable
from shared.ports import DesiredEndpoint
from tests.doubles.iot_hub import HubDouble, iot_hub_double
from tests.doubles.iot_hub_devices import Device
from tests.doubles.kubernetes_faults import TIMEOUT_S, ExpiringCredential, Faults
from tests.unit.iot_edge.samples import devices
from tests.unit.kubernetes.samples import deployment, endpoint


def rollout() -> list[DesiredEndpoint]:
    """What is desired in turn: a candidate comes, gets devices by rings, takes over, and a newer version of it."""
    blue, green = deployment("blue"), deployment("green")
    steps = [endpoint(blue, weights={"blue": 100})]
    steps += [endpoint(blue, green, weights={"blue": 100 - share, "green": share}) for share in (0, 10, 50, 100)]
    return [*steps, endpoint(deployment("green", environ={"V": "2"}), weights={"green": 100})]


async def ensured(target: IotEdgeTarget, desired: DesiredEndpoint) -> None:
    """Tried again as the queue does, until it is so and nothing is left to do."""
    async with asyncio.timeout(120):
        while True:
            try:
                seen = await target.ensure(desired)
                if all(one.ready for one in seen.deployments.values()) and not (await target.plan(desired)).changes:
                    return
            except Retryable:
                await asyncio.sleep(0.02)


def content(double: HubDouble) -> dict[str, Any]:
    """What is at the hub, and which deployments ran on each device in turn."""
    fields = ("content", "labels", "targetCondition", "priority", "metrics")
    stored = {name: {key: one.document[key] for key in fields} for name, one in double.stored.items()}
    return {"stored": stored, "history": {one.id: one.history for one in double.devices}}


async def rolled_out(folder: Path, seed: int, share: float) -> tuple[dict[str, Any], Counter[str]]:
    """What is there at the end, and the faults that there were."""
    fleet = [Device(f"d{ring:02}", {"site": "north", "ring": ring}) for ring in range(0, 100, 10)]
    async with iot_hub_double(folder, *fleet) as double:
        credential = ExpiringCredential(double)
        faults = Faults(share, seed, credential.expire).of(double)
        tokens = EntraHubTokens(credential)
        client = HubClient(double.host, tokens, double.authority, timeout_s=TIMEOUT_S if share else 30)
        compute = devices(hub=double.host, look_s=0)
        target = IotEdgeTarget(compute, client, lambda: "pull-token")
        for desired in rollout():
            await ensured(target, desired)
        assert len(double.stored) == 2  # the base, and what is declared last
        return content(double), faults.counts


async def test_a_rollout_ends_the_same_with_faults_at_random_moments(tmp_path: Path) -> None:
    calm, none = await rolled_out(tmp_path, 0, 0)
    assert not none
    assert set(map(tuple, calm["history"].values())) == {("blue", "green")}
    counts: Counter[str] = Counter()
    for seed in range(3):
        stormy, found = await rolled_out(tmp_path, seed, 0.05)
        counts += found
        assert stormy == calm, seed
    assert len(counts) >= 5, counts  # most kinds of fault


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_fifty_rollouts_with_two_hundred_faults_end_the_same(tmp_path: Path) -> None:
    calm, _ = await rolled_out(tmp_path, 0, 0)
    counts: Counter[str] = Counter()
    for seed in range(50):
        stormy, found = await rolled_out(tmp_path, 100 + seed, 0.08)
        counts += found
        assert stormy == calm, seed
    assert counts.total() >= 200, counts
    assert counts["expired"], counts  # in the middle of a rollout
