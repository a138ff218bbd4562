"""Fifty whole rollouts on a cluster that fails at random moments: each ends as on a calm one, and nothing is left.

SLIPWAY_STORM_ROLLOUTS says how many they are: 50 unless it says otherwise.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.azure.aks_logins import AksLogins
from shared.adapters.kubernetes.connections import LoginConnection
from shared.adapters.kubernetes.target import KubernetesTarget
from shared.bootstrap import ControlPlane
from shared.errors import Retryable
from shared.resources.rollout import TERMINAL
from tests.doubles.kubernetes import NAMESPACE, KubernetesDouble, kubernetes_double
from tests.doubles.kubernetes_faults import CLUSTER_ID, TIMEOUT_S, ExpiringCredential, Faults, arm_double
from tests.doubles.kubernetes_gateway import ERROR_SHARE, gateway_double
from tests.doubles.registry import registry_double
from tests.scenarios.test_endpoints import look, states
from tests.scenarios.test_endpoints_on_kubernetes import ENDPOINT, computes, declare, deployment
from tests.scenarios.test_images import call, prepared
from tests.scenarios.test_rollouts_on_kubernetes import CANARY, CHECK, LOOKED_AT, asked
from tests.unit.kubernetes.samples import cluster

ROLLOUTS = int(os.environ.get("SLIPWAY_STORM_ROLLOUTS", "50"))
FAULTS = 4 * ROLLOUTS
SHARE = 0.05
END = {"good": "Succeeded", "bad": "RolledBack"}
SPEC = {
    **{"endpoint_name": "live", "stable": "blue", "candidate": "green", "strategy": CANARY},
    "analysis": {"checks": [CHECK], "inconclusive_timeout_s": 300},
}


async def looked(plane: ControlPlane) -> None:
    """A look at everything; what failed is looked at again, as the queue does."""
    for kind in LOOKED_AT:
        with suppress(Retryable):
            await look(plane, (kind,))


async def rolled_out(plane: ControlPlane, double: KubernetesDouble, kind: str, name: str) -> dict[Any, Any]:
    """What is on the cluster at the rollout's end; then the endpoint is deleted, and all that was there is gone."""
    more = f"environment_variables: {{{ERROR_SHARE}: '0.6'}}\n" if kind == "bad" else ""
    files = {"blue.yml": deployment("blue"), "green.yml": deployment("green", more)}
    await declare(plane, {**files, "endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n"})
    async with asyncio.timeout(300):
        while states(await call(plane, "get_endpoint", 200, name="live")) != dict.fromkeys(
            ("blue", "green"), "Succeeded"
        ):
            await looked(plane)
        await call(plane, "start_rollout", 202, {"name": name, "spec": SPEC})
        while (status := (await call(plane, "get_rollout", 200, name=name))["status"])["phase"] not in TERMINAL:
            await looked(plane)
        assert status["phase"] == END[kind], status
        while not await _is_applied(plane):
            await looked(plane)
        found = {key: one.fields.document() for key, one in double.cluster.objects.items() if key[0] != "pods"}
        await declare(plane, {}, prune=True)
        while double.cluster.objects:
            with suppress(Retryable):
                await plane._prune_endpoints()
    return _without_secrets(found)


async def _is_applied(plane: ControlPlane) -> bool:
    try:
        return not (await call(plane, "get_endpoint_plan", 200, name="live"))["changes"]
    except AssertionError:  # it failed: asked again
        return False


def _without_secrets(found: dict[Any, Any]) -> dict[Any, Any]:
    """Keys are made anew with each endpoint, and so are the digests of what they are in."""
    for (plural, _, _), document in found.items():
        if plural == "secrets":
            document["data"] = sorted(document["data"])
            document["metadata"]["annotations"].pop("slipway/digest")
    return found


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_fifty_rollouts_bear_two_hundred_faults(tmp_path: Path) -> None:
    async with (
        kubernetes_double() as double,
        gateway_double(double) as gateway,
        registry_double() as registry,
        arm_double(double) as management_url,
    ):
        kubeconfig = computes(double, tmp_path, prometheus_url=gateway.url)
        made = await prepared(tmp_path, image_repository=f"{registry.host}/models/slipway", computes=kubeconfig)
        credential = ExpiringCredential(double)
        logins = AksLogins(CLUSTER_ID, credential, management_url)
        connection = LoginConnection(logins, NAMESPACE, read_timeout_s=TIMEOUT_S)
        target = KubernetesTarget(cluster(prometheus_url=gateway.url), connection)
        plane = ControlPlane(replace(made.deps, target=target))
        async with asked(gateway):
            calm = {kind: await rolled_out(plane, double, kind, f"calm-{kind}") for kind in END}
            counts: Counter[str] = Counter()
            for seed in range(ROLLOUTS):
                kind = ("good", "bad")[seed % 2]
                faults = Faults(SHARE, seed, credential.expire).of(double)
                stormy = await rolled_out(plane, double, kind, f"stormy-{seed}")
                assert stormy == calm[kind], seed
                counts += faults.counts
                print(seed, kind, sum(faults.counts.values()), flush=True)
        print(dict(counts))
        assert sum(counts.values()) >= FAULTS
        assert len(counts) == 9 or ROLLOUTS < 50, counts  # every kind
