"""What builds and runs for the instances of an Azure fleet: a registry's tasks and container groups behind Resource
Manager, a cluster, and a package index."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from tests.doubles import faults
from tests.doubles.acr_tasks import REGISTRY_ID, AcrDouble
from tests.doubles.container_instances import RESOURCE_GROUP, AciDouble
from tests.doubles.faults import FaultyProxy, Rates
from tests.doubles.kubernetes import KubernetesDouble, kubernetes_double
from tests.doubles.package_index import package_index
from tests.doubles.tls import TlsFiles
from tests.doubles.tokens import TokenDouble
from tests.doubles.webhook_receiver import serving

GATEWAY = {"name": "approuting", "namespace": "app-routing-system"}
GROUPS = {
    "name": "aci",
    "type": "aci",
    "resource_group_id": RESOURCE_GROUP,
    "location": "westeurope",
    "subnet_id": f"{RESOURCE_GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/groups",
    "open_to_callers": True,
}


@dataclass
class Platform:
    """The doubles, the proxy before Azure Resource Manager, and the settings that lead there."""

    acr: AcrDouble
    groups: AciDouble
    kubernetes: KubernetesDouble
    arm: FaultyProxy
    environ: dict[str, str]

    @property
    def resource(self) -> str:
        """What tokens for Azure Resource Manager are asked for."""
        return self.arm.url


@asynccontextmanager
async def platform(
    folder: Path, tls: TlsFiles, tokens: TokenDouble, rates: Rates, rng: random.Random
) -> AsyncIterator[Platform]:
    """All of it on free ports of loopback."""
    acr, groups = AcrDouble(), AciDouble()
    app = web.Application(middlewares=[acr.checks, groups.checks], client_max_size=50 * 2**20)
    acr.routes(app)
    groups.routes(app)
    async with serving(app) as manager, kubernetes_double() as kubernetes, package_index() as index:
        index.add("alpha", "1.0")
        arm = FaultyProxy(manager, rates, rng, tls, faults.event_grid_throttle, faults.never)
        async with arm.listening():
            acr.url = groups.url = arm.url  # where their links lead
            acr.takes_token = groups.takes_token = lambda token: tokens.is_for(token, arm.url)
            compute = {
                "name": "k8s",
                "type": "kubernetes",
                "kubeconfig": str(kubernetes.kubeconfig(folder)),
                "gateway": GATEWAY,
                "host": "{endpoint}.models.example",
                "open_to_callers": True,
            }
            environ = {
                "SLIPWAY_MANAGEMENT_URL": arm.url,
                "SLIPWAY_CONTAINER_REGISTRY_ID": REGISTRY_ID,
                "SLIPWAY_PACKAGE_INDEX_URL": index.url,
                "SLIPWAY_IMAGE_BASE": "mcr.example/base:1",
                "SLIPWAY_COMPUTES": json.dumps([compute, GROUPS]),
            }
            yield Platform(acr, groups, kubernetes, arm, environ)
