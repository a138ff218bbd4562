"""Everything that is put to the hub for an endpoint: the base deployment, and a layer for each deployment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.deployment_targets.iot_edge.configurations import (
    COMPUTE,
    CRASHED,
    DEPLOYMENT,
    ENDPOINT,
    OWNER,
    PLACE,
    REST,
    RUNNING,
    Configuration,
    LiveConfiguration,
)
from shared.deployment_targets.iot_edge.manifest import Content, base_content, layer_content, module_name, module_of
from shared.deployment_targets.iot_edge.rings import Level, rings
from shared.deployment_targets.kubernetes.names import object_name
from shared.deployment_targets.kubernetes.workload import PORT, digest_of
from shared.ports import DesiredDeployment, DesiredEndpoint
from shared.resources.iot_edge_compute import IotEdgeCompute

_MODULE = "properties.reported.modules.{module}"
_ENDED = ("backoff", "failed", "unhealthy")  # runtimeStatus of modules that do not stay up (edgeAgent's own words)


def base(compute: IotEdgeCompute, password: str) -> Configuration | None:
    """The base deployment, with the registry's password ("" for none); None where it is somebody else's."""
    if compute.runtime is None:
        return None
    content = base_content(compute.runtime, password)
    name = f"{compute.owner}-{object_name('base', compute.name)}-{digest_of(content)}"
    labels = {OWNER: compute.owner, COMPUTE: compute.name}
    return Configuration(name, content, labels, f"({compute.target_condition})", compute.priority + Level.BASE)


def layers(endpoint: DesiredEndpoint, compute: IotEdgeCompute, rest: str) -> dict[str, Configuration]:
    """For each deployment by its name; `rest` is the one that has had the rest of the devices so far, "" for none. {}
    without a deployment. Raises Invalid and NotSupported for what devices can't have."""
    weights = {one.name: endpoint.weights.get(one.name, 0) for one in endpoint.deployments}
    places = rings(weights, compute, rest)
    found = {}
    for one in endpoint.deployments:
        content = layer_content(one, endpoint, compute)
        name = f"{compute.owner}-{object_name(compute.name, endpoint.name, one.name)}-{digest_of(content)}"
        place = places[one.name]
        labels = _labels(one, endpoint, compute) | ({PLACE: REST} if place.level is Level.REST else {})
        priority = compute.priority + place.level
        found[one.name] = Configuration(
            name, content, labels, place.condition, priority, _queries(content, endpoint.name)
        )
    return found


def rest_of(weights: Mapping[str, int], there: Iterable[LiveConfiguration]) -> str:
    """The deployment that has had the rest of the devices so far and has a share still; "" for none."""
    marked = [
        (-each.configuration.priority, each.configuration.labels.get(DEPLOYMENT, ""))
        for each in there
        if each.configuration.labels.get(PLACE) == REST
    ]
    return next((name for _, name in sorted(marked) if weights.get(name, 0) > 0), "")


def uri_of(endpoint: str, compute: IotEdgeCompute) -> str:
    """Where a device's own callers reach the module: other modules by its name, or the device on a port."""
    if compute.host_port is not None:
        return f"http://127.0.0.1:{compute.host_port}/score"
    return f"http://{module_name(endpoint)}:{PORT}/score"


def _labels(one: DesiredDeployment, endpoint: DesiredEndpoint, compute: IotEdgeCompute) -> dict[str, str]:
    return {OWNER: compute.owner, COMPUTE: compute.name, ENDPOINT: endpoint.name, DEPLOYMENT: one.name}


def _queries(content: Content, endpoint: str) -> dict[str, str]:
    """About modules of just this content, by the version that edgeAgent reports: a device below a ring's deployment may
    count as one that was told of both. Names and versions are of letters and digits: nothing to escape."""
    module = _MODULE.format(module=module_name(endpoint))
    version = module_of(content)["version"]
    head = "SELECT deviceId FROM devices.modules WHERE moduleId = '$edgeAgent'"
    head += f" AND {module}.version = '{version}'"
    ended = " OR ".join(f"{module}.runtimeStatus = '{one}'" for one in _ENDED)
    return {RUNNING: f"{head} AND {module}.runtimeStatus = 'running'", CRASHED: f"{head} AND ({ended})"}
