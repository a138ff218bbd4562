"""What builds and runs for instances of an Azure fleet: a registry's tasks, container groups and an AKS cluster behind
Resource Manager, and a package index. The cluster's nodes run jobs of our own image as processes of this machine."""

from __future__ import annotations

import base64
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from aiohttp import web

from shared.adapters.azure.aks_logins import API_VERSION
from shared.bootstrap.jobs import SERVICE_ACCOUNT
from tests.doubles import faults
from tests.doubles.acr_tasks import REGISTRY_ID, AcrDouble
from tests.doubles.container_instances import RESOURCE_GROUP, AciDouble
from tests.doubles.faults import FaultyProxy, Rates
from tests.doubles.kubernetes import NAMESPACE, KubernetesDouble, kubernetes_double
from tests.doubles.kubernetes_jobs import JobControllers
from tests.doubles.package_index import package_index
from tests.doubles.tls import TlsFiles
from tests.doubles.tokens import AKS, TENANT, TokenDouble
from tests.doubles.webhook_receiver import serving

CLUSTER_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks"
GATEWAY = {"name": "approuting", "namespace": "app-routing-system"}
GROUPS = {
    "name": "aci",
    "type": "aci",
    "resource_group_id": RESOURCE_GROUP,
    "location": "westeurope",
    "subnet_id": f"{RESOURCE_GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/groups",
    "open_to_callers": True,
}
JOB_IMAGE = "slipway.azurecr.io/slipway/jobs:1"


@dataclass
class Platform:
    """The doubles, the proxies before Azure Resource Manager, the cluster and Microsoft Entra ID, and the settings that
    lead there."""

    acr: AcrDouble
    groups: AciDouble
    kubernetes: KubernetesDouble
    arm: FaultyProxy
    cluster: FaultyProxy
    entra: FaultyProxy
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
    groups.routes(app)
    acr.routes(app)  # answers what is nobody's
    async with serving(app) as manager, kubernetes_double() as kubernetes, package_index() as index:
        index.add("alpha", "1.0")

        def proxy(upstream: str) -> FaultyProxy:
            return FaultyProxy(upstream, rates, rng, tls, faults.event_grid_throttle, faults.never)

        arm, cluster, entra = proxy(manager), proxy(kubernetes.url), proxy(tokens.url)
        async with arm.listening(), cluster.listening(), entra.listening():
            acr.url = groups.url = arm.url  # where its links lead
            acr.takes_token = groups.takes_token = lambda token: tokens.is_for(token, arm.url)
            acr.others[f"{CLUSTER_ID}/listClusterUserCredential"] = _kubeconfig(cluster.url, tls)
            kubernetes.tokens = set()
            kubernetes.takes_token = lambda token: tokens.is_for(token, AKS)
            kubernetes.jobs = _nodes(kubernetes, folder, tls, tokens, entra.url)
            try:
                yield Platform(acr, groups, kubernetes, arm, cluster, entra, _environ(arm.url, index.url))
            finally:
                await kubernetes.jobs.close()


def _kubeconfig(server: str, tls: TlsFiles) -> Callable[[web.Request], Awaitable[web.Response]]:
    authority = base64.b64encode(tls.certificate.read_bytes()).decode()
    document = {"clusters": [{"name": "aks", "cluster": {"server": server, "certificate-authority-data": authority}}]}
    value = base64.b64encode(yaml.safe_dump(document).encode()).decode()

    async def give(request: web.Request) -> web.Response:
        assert request.query["api-version"] == API_VERSION
        return web.json_response({"kubeconfigs": [{"name": "clusterUser", "value": value}]})

    return give


def _nodes(
    kubernetes: KubernetesDouble, folder: Path, tls: TlsFiles, tokens: TokenDouble, entra_url: str
) -> JobControllers:
    """Kubelets, the service account that an administrator applied, and what the webhook adds to its pods."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": SERVICE_ACCOUNT,
            "annotations": {"azure.workload.identity/client-id": tokens.pods_client_id},
        },
    }
    kubernetes.cluster.apply(("serviceaccounts", NAMESPACE, SERVICE_ACCOUNT), account, "people", force=False)
    token_file = folder / "azure-identity-token"
    token_file.write_text(tokens.pods_token)
    image = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SSL_CERT_FILE": str(tls.certificate)}
    identity = {
        "AZURE_TENANT_ID": TENANT,
        "AZURE_AUTHORITY_HOST": entra_url,
        "AZURE_FEDERATED_TOKEN_FILE": str(token_file),
    }
    return JobControllers(kubernetes.cluster, folder / "kubelet", image, identity)


def _environ(arm_url: str, index_url: str) -> dict[str, str]:
    compute = {
        "name": "k8s",
        "type": "aks",
        "resource_id": CLUSTER_ID,
        "gateway": GATEWAY,
        "host": "{endpoint}.models.example",
        "collect_url": "https://slipway.blob.example/collected",
        "open_to_callers": True,
    }
    return {
        "SLIPWAY_MANAGEMENT_URL": arm_url,
        "SLIPWAY_CONTAINER_REGISTRY_ID": REGISTRY_ID,
        "SLIPWAY_PACKAGE_INDEX_URL": index_url,
        "SLIPWAY_IMAGE_BASE": "mcr.example/base:1",
        "SLIPWAY_COMPUTES": json.dumps([compute, GROUPS]),
        "SLIPWAY_DEFAULT_COMPUTE": "k8s",
        "SLIPWAY_JOB_IMAGE": JOB_IMAGE,
    }
