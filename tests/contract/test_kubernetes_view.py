"""A look at a cluster is kept for a while, the longer the longer it took."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from shared.adapters.kubernetes.connections import KubeconfigConnection
from shared.adapters.kubernetes.objects import NamespaceObjects
from shared.adapters.kubernetes.target import KubernetesTarget
from shared.adapters.kubernetes.view import OwnedObjects
from tests.doubles.kubernetes import NAMESPACE, KubernetesDouble, kubernetes_double
from tests.unit.kubernetes.samples import cluster, deployment, endpoint


class Watch:
    """A clock that stands still but while the cluster lists, which takes it `list_s`."""

    def __init__(self, double: KubernetesDouble, list_s: float) -> None:
        self.now_s, self._list_s = 1000.0, list_s
        double.before = self._before

    async def _before(self, _request: web.Request) -> web.Response | None:
        self.now_s += self._list_s
        return None


async def looks(
    double: KubernetesDouble, folder: Path, *, list_s: float, max_age_s: float, pauses_s: list[float]
) -> int:
    """How many looks there were, of one at once and one after each pause."""
    watch = Watch(double, list_s)
    objects = NamespaceObjects(KubeconfigConnection(str(double.kubeconfig(folder)), "", NAMESPACE), "slipway")
    view = OwnedObjects(objects, ("Service",), max_age_s, lambda: watch.now_s)
    double.requests.clear()
    await view.current()
    for pause_s in pauses_s:
        watch.now_s += pause_s
        await view.current()
    return len(double.requests)


async def test_a_slow_cluster_is_looked_at_half_of_the_time_at_most(tmp_path: Path) -> None:
    async with kubernetes_double() as double:
        assert await looks(double, tmp_path, list_s=0.1, max_age_s=1, pauses_s=[0.5, 0.4]) == 1
        assert await looks(double, tmp_path, list_s=0.1, max_age_s=1, pauses_s=[0.5, 0.6]) == 2
        assert await looks(double, tmp_path, list_s=8, max_age_s=1, pauses_s=[3, 4]) == 1
        assert await looks(double, tmp_path, list_s=8, max_age_s=1, pauses_s=[3, 6]) == 2
        assert await looks(double, tmp_path, list_s=8, max_age_s=0, pauses_s=[0, 0]) == 3


async def test_what_has_not_changed_costs_few_requests_and_no_write(tmp_path: Path) -> None:
    fleet = [endpoint(*(deployment(f"d{each}") for each in range(6)), name=f"e{number}") for number in range(4)]
    async with kubernetes_double() as double:
        connection = KubeconfigConnection(str(double.kubeconfig(tmp_path)), "", NAMESPACE)
        target = KubernetesTarget(cluster(), connection)
        for one in fleet:
            await target.ensure(one)
        double.requests.clear()
        for one in fleet:
            assert len((await target.ensure(one)).deployments) == 6
        assert double.writes() == []
        assert len(double.requests) <= 2 * 6 * len(fleet)
