"""A cluster that fails at any moment: the end is the same as without faults, and nothing is left over."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.kubernetes.connections import KubeconfigConnection
from shared.adapters.kubernetes.target import KubernetesTarget
from shared.deployment_targets.kubernetes.render import rendered
from shared.errors import Retryable
from shared.ports import DesiredEndpoint, EndpointAccess
from tests.doubles.kubernetes import NAMESPACE, KubernetesDouble, kubernetes_double
from tests.unit.kubernetes import samples
from tests.unit.kubernetes.samples import autoscaled, cluster, deployment, endpoint, scripted


class Faults:
    """At random requests: too many, a defect, a proxy's page, an answer that is lost after it was done."""

    def __init__(self, double: KubernetesDouble, seed: int, share: float) -> None:
        self._random = random.Random(seed)
        self._share = share
        self.count = 0
        double.fault, double.lost = self.answer, self.is_lost

    def answer(self, _request: web.Request) -> web.Response | None:
        if self._random.random() >= self._share:
            return None
        self.count += 1
        status = self._random.choice([429, 500, 503])
        if self._random.random() < 0.5:
            return web.Response(status=status, text="<html>bad gateway</html>", content_type="text/html")
        document = {"kind": "Status", "status": "Failure", "code": status, "message": "try again"}
        return web.json_response(document, status=status)

    def is_lost(self, request: web.Request) -> bool:
        is_lost = request.method != "GET" and self._random.random() < self._share
        self.count += is_lost
        return is_lost


def rollout() -> list[DesiredEndpoint]:
    """What is desired in turn: a candidate comes, gets traffic by steps, and takes over."""
    blue, green = deployment("blue"), scripted("green")
    keys = {"access": EndpointAccess("key", keys=("one", "two"))}
    steps = [endpoint(blue, weights={"blue": 100}, **keys), endpoint(blue, green, weights={"blue": 100}, **keys)]
    for share in (10, 50, 100):
        steps.append(endpoint(blue, green, weights={"blue": 100 - share, "green": share}, **keys))
    return [*steps, endpoint(green, autoscaled("red"), weights={"green": 100}, **keys)]


async def ensured(target: KubernetesTarget, desired: DesiredEndpoint) -> None:
    """Tried again as the queue does, until it is so."""
    async with asyncio.timeout(120):
        while True:
            try:
                seen = await target.ensure(desired)
            except Retryable:
                continue
            if seen.ready and all(one.ready and one.is_current for one in seen.deployments.values()):
                return


def content(double: KubernetesDouble) -> dict[Any, Any]:
    """What people declared of each object but pods."""
    return {key: one.fields.document() for key, one in double.cluster.objects.items() if key[0] != "pods"}


async def rolled_out(folder: Path, seed: int, share: float) -> tuple[dict[Any, Any], int]:
    async with kubernetes_double() as double:
        connection = KubeconfigConnection(str(double.kubeconfig(folder)), "", NAMESPACE)
        target = KubernetesTarget(cluster(), connection, max_age_s=0)
        faults = Faults(double, seed, share)
        for desired in rollout():
            await ensured(target, desired)
        expected = {each["metadata"]["name"] for each in rendered(rollout()[-1], cluster(), samples.CODE)}
        assert {name for kind, _, name in double.cluster.objects if kind != "pods"} == expected
        return content(double), faults.count


async def test_a_rollout_ends_the_same_with_faults_at_random_moments(tmp_path: Path) -> None:
    calm, none = await rolled_out(tmp_path, 0, 0)
    assert none == 0
    for seed in range(1):
        stormy, count = await rolled_out(tmp_path, seed, 0.03)
        assert count > 3
        assert stormy == calm


@pytest.mark.slow
async def test_fifty_rollouts_bear_two_hundred_faults(tmp_path: Path) -> None:
    calm, _ = await rolled_out(tmp_path, 0, 0)
    total = 0
    for seed in range(50):
        stormy, count = await rolled_out(tmp_path, seed, 0.03)
        total += count
        assert stormy == calm, seed
    assert total >= 200
