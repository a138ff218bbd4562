"""Endpoints on a Kubernetes cluster: what is declared is applied, what is there is read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.adapters.kubernetes.figures import Authorization, PrometheusFigures
from shared.adapters.kubernetes.objects import POD, Connection, NamespaceObjects
from shared.adapters.kubernetes.view import MAX_AGE_S, Key, OwnedObjects
from shared.deployment_targets.kubernetes.comparison import differences
from shared.deployment_targets.kubernetes.jobs import JOB
from shared.deployment_targets.kubernetes.names import (
    DEPLOYMENT_NAME,
    ENDPOINT,
    ENDPOINT_NAME,
    INSTANCE,
    Manifest,
    object_name,
)
from shared.deployment_targets.kubernetes.planning import planned
from shared.deployment_targets.kubernetes.progress import observed
from shared.deployment_targets.kubernetes.render import KINDS, code_files, rendered
from shared.deployment_targets.kubernetes.route import uri_of
from shared.deployment_targets.kubernetes.workload import CONTAINER
from shared.errors import NotFound
from shared.ports import DeploymentPlan, DesiredEndpoint, ObservedDeployment, ObservedEndpoint
from shared.resources.compute import Cluster

_ORDER = list(KINDS)


class KubernetesTarget:
    """A DeploymentTarget: one namespace of one cluster, and there only what carries its owner's label."""

    def __init__(
        self,
        cluster: Cluster,
        connection: Connection,
        *,
        max_age_s: float = MAX_AGE_S,
        authorization: Authorization | None = None,
    ) -> None:
        """`authorization`: see PrometheusFigures."""
        self._cluster = cluster
        self._objects = NamespaceObjects(connection, cluster.owner)
        kinds = tuple(kind for kind in KINDS if kind != "HTTPRoute" or cluster.gateway)
        self._view = OwnedObjects(self._objects, (*kinds, POD), max_age_s)
        self._figures = PrometheusFigures(cluster, authorization)

    async def manifests(self, desired: DesiredEndpoint) -> tuple[Manifest, ...]:
        """Exactly what `ensure` applies. Raises Invalid, NotSupported."""
        code = {sha256: await _content(desired, sha256) for sha256 in sorted(code_files(desired))}
        return rendered(desired, self._cluster, code)

    async def changes(self, desired: DesiredEndpoint) -> tuple[list[tuple[Manifest, Manifest | None]], list[Key]]:
        """What `ensure` would apply, each with what is there (None: nothing), and what it would delete."""
        manifests = await self.manifests(desired)
        there = await self._view.of_endpoint(object_name(desired.name))
        changed = []
        for each in manifests:
            live = there.get((each["kind"], each["metadata"]["name"]))
            if live is None or next(differences(each, live), None) is not None:
                changed.append((each, live))
        wanted = {(each["kind"], each["metadata"]["name"]) for each in manifests}
        stale = {key for key in there if key[0] in KINDS} - wanted
        return changed, sorted(stale, key=_last_first)

    async def plan(self, desired: DesiredEndpoint) -> DeploymentPlan:
        """See DeploymentPlanner."""
        changed, stale = await self.changes(desired)
        return planned(await self.manifests(desired), changed, stale)

    async def ensure(self, desired: DesiredEndpoint) -> ObservedEndpoint:
        """See DeploymentTarget. Nothing is deleted before all that is declared was applied, so that traffic leaves a
        deployment before it goes."""
        changed, stale = await self.changes(desired)
        for manifest, live in changed:
            if live is None or not live["metadata"].get("deletionTimestamp"):  # what is going is made anew when it went
                self._view.put(manifest["kind"], await self._objects.apply(manifest, is_new=live is None))
        for key in stale:
            await self._objects.delete(*key)
            self._view.drop(key)
        names = [one.name for one in desired.deployments]
        return self._observed(await self._view.of_endpoint(object_name(desired.name)), desired.name, names)

    async def observe(self, endpoint: str) -> ObservedEndpoint | None:
        """See DeploymentTarget: what is so now."""
        found = await self._view.of_endpoint(object_name(endpoint))
        names = sorted(_deployments(found))
        return self._observed(found, endpoint, names) if names else None

    def _observed(self, found: Mapping[Key, Manifest], endpoint: str, names: list[str]) -> ObservedEndpoint:
        if not names:
            return ObservedEndpoint("", True)
        pods: dict[str, list[Manifest]] = {}
        for (kind, _), each in found.items():
            if kind == POD:
                pods.setdefault(each["metadata"]["labels"].get(INSTANCE, ""), []).append(each)
        deployments: dict[str, ObservedDeployment] = {}
        for name in names:
            known_as = object_name(endpoint, name)
            deployments[name] = observed(found.get(("Deployment", known_as)), pods.get(known_as, []))
        route = found.get(("HTTPRoute", object_name(endpoint)))
        is_ready = self._cluster.gateway is None or _is_accepted(route)
        return ObservedEndpoint(uri_of(endpoint, self._cluster), is_ready, deployments=deployments)

    async def metrics(self, endpoint: str) -> str:
        """See DeploymentTarget: from Prometheus; "" when none is configured or it does not answer."""
        return await self._figures.text(_deployments(await self._view.of_endpoint(object_name(endpoint))))

    async def logs(self, endpoint: str, deployment: str, lines: int) -> str:
        """See DeploymentTarget: of every pod, the newest last."""
        label = object_name(endpoint, deployment)
        pods = sorted(
            (
                each
                for (kind, _), each in (await self._view.of_endpoint(object_name(endpoint))).items()
                if kind == POD and each["metadata"]["labels"].get(INSTANCE) == label
            ),
            key=lambda each: (each["metadata"].get("creationTimestamp") or "", each["metadata"]["name"]),
        )
        parts = []
        for pod in pods:
            name = pod["metadata"]["name"]
            try:
                text = await self._objects.log(name, CONTAINER, lines)
            except NotFound:  # it went meanwhile
                continue
            parts.append(f"== {name}\n{text}".rstrip("\n"))
        if not parts:
            raise NotFound(f"nothing of {endpoint}/{deployment} runs on {self._cluster.name}")
        return "\n".join(parts)

    async def keep_only(self, endpoints: frozenset[str]) -> tuple[str, ...]:
        """See DeploymentTarget."""
        kept = {object_name(name) for name in endpoints}
        gone: set[str] = set()
        found = await self._view.current()
        for kind, name in sorted((key for key in found if key[0] in KINDS), key=_last_first):
            metadata = found[kind, name]["metadata"]
            labels = metadata.get("labels") or {}
            if labels.get(ENDPOINT) in kept or JOB in labels:
                continue
            gone.add((metadata.get("annotations") or {}).get(ENDPOINT_NAME, name))
            await self._objects.delete(kind, name)
            self._view.drop((kind, name))
        return tuple(sorted(gone))


def _deployments(found: Mapping[Key, Manifest]) -> dict[str, str]:
    """What deployments are called, and their objects."""
    return {
        each["metadata"]["annotations"][DEPLOYMENT_NAME]: name
        for (kind, name), each in found.items()
        if kind == "Deployment"
    }


def _last_first(key: Key) -> tuple[int, str]:
    return -_ORDER.index(key[0]), key[1]


async def _content(desired: DesiredEndpoint, sha256: str) -> bytes:
    return b"".join([chunk async for chunk in desired.read_file(sha256)])


def _is_accepted(route: Mapping[str, Any] | None) -> bool:
    """Whether a gateway takes the route as it is (Gateway API, RouteParentStatus)."""
    if route is None:
        return False
    generation = route["metadata"].get("generation", 0)
    for parent in (route.get("status") or {}).get("parents") or ():
        said = {
            one["type"]: one["status"]
            for one in parent.get("conditions") or ()
            if one.get("observedGeneration", generation) >= generation
        }
        if said.get("Accepted") == "True" and said.get("ResolvedRefs", "True") == "True":
            return True
    return False
