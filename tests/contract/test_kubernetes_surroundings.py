"""What a cluster is reached by on Azure, and what Prometheus says of its pods: against doubles on loopback."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from shared.adapters.azure.aks_logins import API_VERSION, SCOPE, AksLogins
from shared.adapters.azure.prometheus_tokens import prometheus_authorization
from shared.adapters.kubernetes.connections import KubeconfigConnection, LoginConnection
from shared.adapters.kubernetes.figures import PrometheusFigures, is_azure_monitor
from shared.adapters.kubernetes.target import KubernetesTarget
from shared.deployment_targets.kubernetes.names import object_name
from shared.errors import NotFound, Permanent, Retryable, Unauthorized
from shared.monitors.deployment_figures import figures_of
from shared.resources.deployment_figures import InstanceUsage
from shared.rollout.prometheus import arm_counters, read_samples
from tests.contract.test_kubernetes_target import settled
from tests.doubles.arm_event_subscriptions import TOKEN, TokenCredential
from tests.doubles.kubernetes import NAMESPACE, kubernetes_double
from tests.doubles.tls import tls_files
from tests.doubles.webhook_receiver import serving
from tests.unit.kubernetes.samples import cluster, deployment, endpoint

CLUSTER_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks"


@asynccontextmanager
async def arm(answer: web.Response | dict[str, Any]) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.Response:
        assert request.query["api-version"] == API_VERSION
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        return web.json_response(answer) if isinstance(answer, dict) else answer

    app = web.Application()
    app.router.add_post(f"{CLUSTER_ID}/listClusterUserCredential", handle)
    async with serving(app) as url:
        yield url


def kubeconfig(server: str, authority: str) -> dict[str, Any]:
    document = {
        "clusters": [{"name": "aks", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": {"exec": {"command": "kubelogin", "apiVersion": "v1", "args": []}}}],
    }
    return {
        "kubeconfigs": [{"name": "clusterUser", "value": base64.b64encode(yaml.safe_dump(document).encode()).decode()}]
    }


async def test_an_aks_cluster_is_reached_by_this_identity(tmp_path: Path) -> None:
    tls = tls_files(tmp_path)
    authority = base64.b64encode(tls.certificate.read_bytes()).decode()
    credential = TokenCredential()
    async with kubernetes_double(tls.server_context()) as double, arm(kubeconfig(double.url, authority)) as url:
        double.tokens = {TOKEN}
        logins = AksLogins(CLUSTER_ID, credential, url)
        target = KubernetesTarget(cluster(), LoginConnection(logins, NAMESPACE), max_age_s=0)
        await settled(target, endpoint(deployment()))
        assert SCOPE in credential.scopes
        assert "token" not in repr(await logins.login()).replace("token=", "")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (web.json_response({"error": {"code": "ResourceNotFound"}}, status=404), NotFound),
        (web.json_response({}, status=503), Retryable),
        ({"kubeconfigs": []}, Permanent),
        ({"kubeconfigs": [{"value": "bm90IHlhbWw6IFs="}]}, Permanent),
    ],
)
async def test_no_kubeconfig_is_told(answer: web.Response | dict[str, Any], error: type[Exception]) -> None:
    async with arm(answer) as url:
        with pytest.raises(error):
            await AksLogins(CLUSTER_ID, TokenCredential(), url).login()


BLUE, GREEN = object_name("live", "blue"), object_name("live", "green")


def sample(value: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [1764000000, value]}


@asynccontextmanager
async def prometheus(status: int = 200) -> AsyncIterator[str]:
    async def query(request: web.Request) -> web.Response:
        text = (await request.post())["query"]
        assert f"{BLUE}-.*|{GREEN}-.*" in str(text)
        if "requests_total" in str(text):
            result = [
                sample("90", pod=f"{BLUE}-1-a", status="200"),
                sample("10", pod=f"{BLUE}-1-b", status="500"),
                sample("7", pod=f"{GREEN}-1-a", status="200"),
            ]
        elif "process_cpu_seconds_total" in str(text):
            assert f'namespace="{NAMESPACE}"' in str(text)
            result = [
                sample("12.5", __name__="process_cpu_seconds_total", pod=f"{BLUE}-1-a"),
                sample("1e+06", __name__="process_resident_memory_bytes", pod=f"{BLUE}-1-a"),
                sample("2e+06", __name__="slipway_scoring_memory_limit_bytes", pod=f"{BLUE}-1-a"),
                sample("3", __name__="process_cpu_seconds_total", pod=f"{GREEN}-1-a"),
            ]
        else:
            result = [sample("40", pod=f"{BLUE}-1-a", le="0.1"), sample("100", pod=f"{BLUE}-1-a", le="+Inf")]
        return web.json_response(
            {"status": "success", "data": {"resultType": "vector", "result": result}}, status=status
        )

    app = web.Application()
    app.router.add_post("/api/v1/query", query)
    async with serving(app) as url:
        yield url


async def test_rollouts_read_what_pods_counted_from_prometheus(tmp_path: Path) -> None:
    async with kubernetes_double() as double, prometheus() as url:
        connection = KubeconfigConnection(str(double.kubeconfig(tmp_path)), "", NAMESPACE)
        target = KubernetesTarget(cluster(prometheus_url=url), connection, max_age_s=0)
        await settled(target, endpoint(deployment("blue"), deployment("green")))
        samples = read_samples(await target.metrics("live"))
        blue, green = arm_counters(samples, "blue"), arm_counters(samples, "green")
        assert (blue.requests, blue.errors, green.requests, green.errors) == (100, 10, 7, 0)
        assert blue.latency.counts == [40, 60]
        figures = figures_of(await target.metrics("live"), "live.blue", datetime.now(UTC))
        usage = InstanceUsage(cpu_s=12.5, memory_bytes=1_000_000, memory_limit_bytes=2_000_000)
        assert figures.instances == {f"{BLUE}-1-a": usage}


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://w-ab12.westeurope.prometheus.monitor.azure.com", True),
        ("http://w-ab12.westeurope.prometheus.monitor.azure.com", False),
        ("https://prometheus.monitor.azure.com.evil.example", False),
        ("https://evil.example/.prometheus.monitor.azure.com", False),
        ("https://prometheus.example", False),
    ],
)
def test_only_an_azure_monitor_workspace_is_sent_a_token(url: str, asked: bool) -> None:
    assert is_azure_monitor(url) is asked


async def test_an_azure_monitor_workspace_is_asked_as_the_installations_identity() -> None:
    credential = TokenCredential()
    authorization = prometheus_authorization(credential)
    assert (await authorization()).startswith("Bearer ")
    assert credential.scopes == ["https://prometheus.monitor.azure.com/.default"]

    async def nobody() -> str:
        raise Unauthorized("no identity here")

    workspace = cluster(prometheus_url="https://w-ab12.westeurope.prometheus.monitor.azure.com")
    with pytest.raises(Unauthorized):  # before anything is sent
        await PrometheusFigures(workspace, nobody).text({"blue": BLUE})


async def test_a_prometheus_that_refuses_says_which_role_is_lacking() -> None:
    async with prometheus(status=403) as url:
        with pytest.raises(Retryable, match="Monitoring Data Reader"):
            await PrometheusFigures(cluster(prometheus_url=url)).text({"blue": BLUE, "green": GREEN})


async def test_without_a_prometheus_there_are_no_figures() -> None:
    assert await PrometheusFigures(cluster()).text({"blue": BLUE}) == ""
    with pytest.raises(Retryable, match="no figures"):
        await PrometheusFigures(cluster(prometheus_url="http://127.0.0.1:9")).text({"blue": BLUE})
