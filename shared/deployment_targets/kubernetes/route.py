"""An endpoint's HTTPRoute (Gateway API v1): named deployments by header, the others by weight, copies by a filter."""

from __future__ import annotations

from typing import Any

from shared.deployment_targets.kubernetes.names import Manifest, metadata, object_name
from shared.deployment_targets.kubernetes.network import SERVICE_PORT
from shared.errors import Invalid, NotSupported
from shared.ports import DesiredDeployment, DesiredEndpoint
from shared.resources.compute import Cluster

DEPLOYMENT_HEADER = "azureml-model-deployment"
PATHS = ("/score", "/swagger.json", "/invocations", "/v2")  # what callers may ask; figures are for the cluster only
MAX_RULES = 16  # of an HTTPRoute (gateway.networking.k8s.io/v1, spec.rules)


def host_of(endpoint: str, cluster: Cluster) -> str:
    """The endpoint's host: by its name, or where that has capitals, which hosts have not, by its object's."""
    return cluster.host.replace("{endpoint}", endpoint if endpoint == endpoint.lower() else object_name(endpoint))


def uri_of(endpoint: str, cluster: Cluster) -> str:
    """Where requests go; "" without a gateway: then each deployment's Service is called by itself."""
    return f"{cluster.scheme}://{host_of(endpoint, cluster)}/score" if cluster.gateway else ""


def route(endpoint: DesiredEndpoint, cluster: Cluster) -> Manifest | None:
    """The HTTPRoute; None without a gateway or deployments. Raises NotSupported for callers that are to stay with a
    deployment, Invalid for more deployments than it has rules."""
    if cluster.gateway is None or not endpoint.deployments:
        return None
    if endpoint.sticky_header:
        raise NotSupported(
            "a Gateway API route keeps no caller with a deployment by a header's value",
            remedy="use weights: a canary, ramp or blue_green strategy, or shadow",
        )
    if len(endpoint.deployments) >= MAX_RULES:
        raise Invalid(f"{endpoint.name} has {len(endpoint.deployments)} deployments", remedy="at most 15 on Kubernetes")
    parent = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": cluster.gateway.name,
        "namespace": cluster.gateway.namespace,
    }
    if cluster.gateway.section_name:
        parent["sectionName"] = cluster.gateway.section_name
    rules = [_named(each, endpoint) for each in sorted(endpoint.deployments, key=lambda one: one.name)]
    weighted = _weighted(endpoint)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(object_name(endpoint.name), endpoint, cluster.namespace, cluster.owner),
        "spec": {
            "parentRefs": [parent],
            "hostnames": [host_of(endpoint.name, cluster)],
            "rules": [*rules, *([weighted] if weighted else [])],
        },
    }


def _named(one: DesiredDeployment, endpoint: DesiredEndpoint) -> dict[str, Any]:
    header = {"type": "Exact", "name": DEPLOYMENT_HEADER, "value": one.name}
    return {
        "matches": [{**_path(path), "headers": [dict(header)]} for path in PATHS],
        "backendRefs": [{**_backend(endpoint, one.name), "weight": 1}],
        "timeouts": {"request": duration(one.request_timeout_ms)},
    }


def _weighted(endpoint: DesiredEndpoint) -> dict[str, Any] | None:
    """By weight; None when nothing has any: a gateway answers 404 to what no rule matches."""
    there = {each.name: each for each in endpoint.deployments}
    weights = {name: weight for name, weight in sorted(endpoint.weights.items()) if weight and name in there}
    if not weights:
        return None
    rule: dict[str, Any] = {
        "matches": [_path(path) for path in PATHS],
        "backendRefs": [{**_backend(endpoint, name), "weight": weight} for name, weight in weights.items()],
        "timeouts": {"request": duration(max(there[name].request_timeout_ms for name in weights))},
    }
    copies = [(name, percent) for name, percent in sorted(endpoint.mirror.items()) if percent and name in there]
    if copies:
        rule["filters"] = [
            {
                "type": "RequestMirror",
                "requestMirror": {"backendRef": _backend(endpoint, name), "percent": percent},
            }
            for name, percent in copies
        ]
    return rule


def _path(path: str) -> dict[str, Any]:
    return {"path": {"type": "PathPrefix", "value": path}}


def _backend(endpoint: DesiredEndpoint, deployment: str) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": object_name(endpoint.name, deployment), "port": SERVICE_PORT}


def duration(milliseconds: int) -> str:
    """As GEP-2257 writes it: at most five digits a unit, no fractions."""
    minutes, rest = divmod(milliseconds, 60_000)
    seconds, rest = divmod(rest, 1000)
    parts = [f"{value}{unit}" for value, unit in ((minutes, "m"), (seconds, "s"), (rest, "ms")) if value]
    return "".join(parts) or "0s"
