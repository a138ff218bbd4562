"""Endpoints on Kubernetes against a double of its API server: applied, read back, put right, pruned."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.kubernetes.connections import KubeconfigConnection, LoginConnection
from shared.adapters.kubernetes.target import KubernetesTarget
from shared.deployment_targets.kubernetes.login import ClusterLogin
from shared.deployment_targets.kubernetes.names import object_name
from shared.errors import Invalid, NotFound, Retryable, Unauthorized
from shared.ports import DesiredEndpoint, ObservedEndpoint
from tests.doubles.kubernetes import NAMESPACE, KubernetesDouble, kubernetes_double
from tests.doubles.kubernetes_controllers import CRASH_LOG
from tests.doubles.tls import tls_files
from tests.unit.kubernetes.samples import cluster, deployment, endpoint, everything, scripted

BLUE = object_name("live", "blue")


@pytest.fixture
async def double() -> AsyncIterator[KubernetesDouble]:
    async with kubernetes_double() as found:
        yield found


@pytest.fixture
def target(double: KubernetesDouble, tmp_path: Path) -> KubernetesTarget:
    return target_of(double, tmp_path)


def target_of(double: KubernetesDouble, folder: Path, **more: Any) -> KubernetesTarget:
    connection = KubeconfigConnection(str(double.kubeconfig(folder)), "", NAMESPACE)
    return KubernetesTarget(cluster(**more), connection, max_age_s=0)


async def settled(target: KubernetesTarget, desired: DesiredEndpoint) -> ObservedEndpoint:
    """Looked at until every deployment is as desired."""
    async with asyncio.timeout(30):
        while True:
            seen = await target.ensure(desired)
            if seen.ready and all(one.ready and one.is_current for one in seen.deployments.values()):
                return seen


def with_image(image: str) -> DesiredEndpoint:
    return endpoint(deployment("blue", container={"image": image}))


async def test_what_is_declared_is_applied_once_and_read_back(
    target: KubernetesTarget, double: KubernetesDouble
) -> None:
    assert await target.observe("live") is None
    seen = await settled(target, everything())
    assert seen.scoring_uri == "https://live.models.example/score"
    assert {name: one.ready for name, one in seen.deployments.items()} == {"blue": 1, "green": 3, "red": 2}
    assert await target.observe("live") == seen
    double.requests.clear()
    await settled(target, everything())
    assert double.writes() == []  # nothing has changed, also not for quantities written in another way


async def test_a_changed_deployment_is_not_ready_before_its_new_pods_are(
    target: KubernetesTarget, double: KubernetesDouble
) -> None:
    await settled(target, endpoint(deployment()))
    (before,) = double.names("pods")
    changed = endpoint(deployment(environ={"V": "2"}))
    seen = await target.ensure(changed)
    assert seen.deployments["blue"].ready == 0  # the former pod serves on
    assert before in double.names("pods")
    await settled(target, changed)
    assert before not in double.names("pods")


async def test_what_is_not_declared_any_more_goes_after_the_traffic_left_it(
    target: KubernetesTarget, double: KubernetesDouble
) -> None:
    await settled(target, everything())
    double.requests.clear()
    only = endpoint(deployment(), weights={"blue": 100})
    await settled(target, only)
    assert double.names("deployments") == [BLUE]
    assert double.names("secrets") == double.names("configmaps") == double.names("horizontalpodautoscalers") == []
    writes = double.writes()
    route = writes.index(
        ("PATCH", f"/apis/gateway.networking.k8s.io/v1/namespaces/slipway/httproutes/{object_name('live')}")
    )
    assert all(writes.index(each) > route for each in writes if each[0] == "DELETE")
    assert await target.keep_only(frozenset({"live"})) == ()
    assert await target.keep_only(frozenset()) == ("live",)
    await target.observe("live")
    assert double.cluster.objects == {}


async def test_drift_is_put_right_and_what_others_own_stays(target: KubernetesTarget, double: KubernetesDouble) -> None:
    desired = endpoint(deployment(), weights={"blue": 100})
    await settled(target, desired)
    sidecar = {"name": "istio-proxy", "image": "mesh"}
    double.edit("deployments", BLUE, {"spec": {"replicas": 7, "template": {"spec": {"containers": [sidecar]}}}})
    double.edit("services", BLUE, {"spec": {"ports": []}, "metadata": {"labels": {"team": "risk"}}})
    await settled(target, desired)
    workload, service = double.one("deployments", BLUE), double.one("services", BLUE)
    assert workload["spec"]["replicas"] == 1
    assert {each["name"] for each in workload["spec"]["template"]["spec"]["containers"]} == {"server", "istio-proxy"}
    assert service["spec"]["ports"][0]["port"] == 80
    assert service["metadata"]["labels"]["team"] == "risk"
    del double.cluster.objects["services", NAMESPACE, BLUE]
    await settled(target, desired)
    assert double.names("services") == [BLUE]


async def test_a_field_that_is_left_out_again_goes(target: KubernetesTarget, double: KubernetesDouble) -> None:
    await settled(target, endpoint(deployment(environ={"DEBUG": "1"})))
    await settled(target, endpoint(deployment()))
    (container,) = double.one("deployments", BLUE)["spec"]["template"]["spec"]["containers"]
    assert "DEBUG" not in {each["name"] for each in container["env"]}


@pytest.mark.parametrize(
    ("image", "problem", "failures"),
    [
        ("registry.example/missing:1", "ImagePullBackOff: Back-off pulling", 3),
        ("registry.example/crash:1", "CrashLoopBackOff: a container ended: Error, exit code 1", 3),
        ("registry.example/pending:1", "Unschedulable: 0/3 nodes are available", 0),
    ],
)
async def test_why_a_deployment_is_not_ready_is_said(
    target: KubernetesTarget, image: str, problem: str, failures: int
) -> None:
    async with asyncio.timeout(30):
        while True:
            blue = (await target.ensure(with_image(image))).deployments["blue"]
            if blue.problem and blue.failures >= failures:
                break
    assert problem in blue.problem
    assert blue.ready == 0
    if "crash" in image:
        assert blue.log_tail == tuple(CRASH_LOG.splitlines())


async def test_logs_are_those_of_every_pod(target: KubernetesTarget, double: KubernetesDouble) -> None:
    await settled(target, endpoint(scripted()))
    pods = double.names("pods")
    double.logs = {pod: f"first\nsecond of {pod}\n" for pod in pods}
    text = await target.logs("live", "green", 1)
    assert text.splitlines() == [line for pod in pods for line in (f"== {pod}", f"second of {pod}")]
    with pytest.raises(NotFound, match="live/blue runs on k8s"):
        await target.logs("live", "blue", 1)


async def test_two_installations_share_a_namespace(double: KubernetesDouble, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    mine, theirs = target_of(double, tmp_path), target_of(double, tmp_path / "other", owner="other")
    await settled(mine, endpoint(deployment(), name="mine"))
    await settled(theirs, endpoint(deployment(), name="theirs"))
    assert await mine.keep_only(frozenset({"mine"})) == ()
    assert await theirs.keep_only(frozenset({"theirs"})) == ()
    assert await mine.observe("theirs") is None


async def test_what_somebody_else_has_under_a_name_is_left_alone(double: KubernetesDouble, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    mine, theirs = target_of(double, tmp_path), target_of(double, tmp_path / "other", owner="other")
    await settled(theirs, endpoint(deployment()))
    before = double.one("deployments", BLUE)
    with pytest.raises(Invalid, match="is not slipway's"):
        await mine.ensure(endpoint(deployment(environ={"V": "2"})))
    assert double.one("deployments", BLUE) == before


async def test_a_cluster_without_the_gateway_api_or_the_namespace_says_so(
    double: KubernetesDouble, tmp_path: Path
) -> None:
    double.has_gateway_api = False
    with pytest.raises(NotFound, match="listing HTTPRoute"):
        await target_of(double, tmp_path).ensure(endpoint(deployment()))
    without = target_of(double, tmp_path, gateway=None, host="")
    seen = await settled(without, endpoint(deployment()))
    assert seen.scoring_uri == ""


async def test_no_cluster_is_retryable_and_no_credential_is_not(double: KubernetesDouble, tmp_path: Path) -> None:
    nobody = KubeconfigConnection(str(double.kubeconfig(tmp_path, token="old")), "", NAMESPACE)
    with pytest.raises(Unauthorized):
        await KubernetesTarget(cluster(), nobody).ensure(endpoint(deployment()))
    double.url = "http://127.0.0.1:9"
    with pytest.raises(Retryable, match="cannot be reached"):
        await target_of(double, tmp_path).ensure(endpoint(deployment()))
    with pytest.raises(Invalid, match="leads to no cluster"):
        await KubernetesTarget(cluster(), KubeconfigConnection("absent", "", "x")).ensure(endpoint(deployment()))


class Logins:
    """Gives a new token after one was refused; each `uses`-th time the one it gives has just expired."""

    def __init__(self, double: KubernetesDouble, authority: str, uses: int) -> None:
        self.double, self.authority, self.uses = double, authority, uses
        self.number = self.used = 0

    async def login(self) -> ClusterLogin:
        self.used += 1
        if self.used % self.uses == 0:
            self.double.tokens = {f"token-{self.number + 1}"}  # the old one has expired, and nobody was told
        return ClusterLogin(self.double.url, self.authority, f"token-{self.number}")

    def forget(self, login: ClusterLogin) -> None:
        if login.token == f"token-{self.number}":
            self.number += 1


async def test_tokens_that_expire_in_the_middle_are_renewed(tmp_path: Path) -> None:
    tls = tls_files(tmp_path)
    async with kubernetes_double(tls.server_context()) as double:
        double.tokens = {"token-0"}
        logins = Logins(double, base64.b64encode(tls.certificate.read_bytes()).decode(), uses=25)
        target = KubernetesTarget(cluster(), LoginConnection(logins, NAMESPACE), max_age_s=0)
        await settled(target, everything())
        assert logins.number >= 1
        assert len(double.names("deployments")) == 3


async def test_weights_change_the_route_alone(target: KubernetesTarget, double: KubernetesDouble) -> None:
    desired = everything()
    await settled(target, desired)
    double.requests.clear()
    await settled(target, replace(desired, weights={"blue": 50, "green": 50, "red": 0}))
    assert [path.rpartition("/")[0].rpartition("/")[2] for _, path in double.writes()] == ["httproutes"]
