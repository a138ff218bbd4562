"""A cluster that fails at any moment: the end is the same as without faults, and nothing is left over."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.azure.aks_logins import AksLogins
from shared.adapters.kubernetes.connections import KubeconfigConnection, LoginConnection
from shared.adapters.kubernetes.target import KubernetesTarget
from shared.deployment_targets.kubernetes.render import rendered
from shared.errors import Retryable
from shared.ports import DesiredEndpoint, EndpointAccess
from tests.doubles.kubernetes import NAMESPACE, KubernetesDouble, kubernetes_double, status_answer
from tests.doubles.kubernetes_faults import CLUSTER_ID, TIMEOUT_S, ExpiringCredential, Faults, arm_double
from tests.unit.kubernetes import samples
from tests.unit.kubernetes.samples import autoscaled, cluster, deployment, endpoint, scripted


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


async def rolled_out(seed: int, share: float) -> tuple[dict[Any, Any], Counter[str]]:
    """What is on the cluster at the end, and the faults that there were."""
    async with kubernetes_double() as double, arm_double(double) as management_url:
        credential = ExpiringCredential(double)
        faults = Faults(share, seed, credential.expire).of(double)
        logins = AksLogins(CLUSTER_ID, credential, management_url)
        connection = LoginConnection(logins, NAMESPACE, read_timeout_s=TIMEOUT_S if share else 30)
        target = KubernetesTarget(cluster(), connection, max_age_s=0)
        for desired in rollout():
            await ensured(target, desired)
        expected = {each["metadata"]["name"] for each in rendered(rollout()[-1], cluster(), samples.CODE)}
        assert {name for kind, _, name in double.cluster.objects if kind != "pods"} == expected
        return content(double), faults.counts


async def test_a_rollout_ends_the_same_with_faults_at_random_moments() -> None:
    calm, none = await rolled_out(0, 0)
    assert not none
    counts: Counter[str] = Counter()
    for seed in range(2):
        stormy, found = await rolled_out(seed, 0.05)
        counts += found
        assert stormy == calm, seed
    assert len(counts) >= 6, counts  # nearly every kind of fault


async def test_pages_that_come_too_late_and_changed_objects_are_tried_again(tmp_path: Path) -> None:
    async with kubernetes_double() as double:
        connection = KubeconfigConnection(str(double.kubeconfig(tmp_path)), "", NAMESPACE)
        target = KubernetesTarget(cluster(), connection, max_age_s=0)
        for code, reason in ((410, "Expired"), (409, "Conflict"), (504, "Timeout")):

            async def refused(_request: web.Request, code: int = code, reason: str = reason) -> web.Response:
                return status_answer(code, reason, "try again")

            double.before = refused
            with pytest.raises(Retryable, match="try again"):
                await target.ensure(rollout()[0])
