"""How pods are reached inside of the cluster, and by whom."""

from __future__ import annotations

from typing import Any

from shared.deployment_targets.kubernetes.names import ENDPOINT, INSTANCE, Manifest, metadata, object_name
from shared.deployment_targets.kubernetes.workload import PORT, PORT_NAME
from shared.ports import DesiredDeployment, DesiredEndpoint
from shared.resources.compute import Cluster

SERVICE_PORT = 80
_DNS = ({"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53})


def service(one: DesiredDeployment, endpoint: DesiredEndpoint, cluster: Cluster) -> Manifest:
    """The Service of a deployment's pods."""
    name = object_name(endpoint.name, one.name)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, endpoint, cluster.namespace, cluster.owner, one.name),
        "spec": {
            "type": "ClusterIP",
            "selector": {INSTANCE: name},
            "ports": [{"name": PORT_NAME, "port": SERVICE_PORT, "targetPort": PORT_NAME, "protocol": "TCP"}],
        },
    }


def network_policy(endpoint: DesiredEndpoint, cluster: Cluster) -> Manifest:
    """The NetworkPolicy of an endpoint's pods: requests come from the gateway's namespace, or from the cluster where
    there is none; names are looked up; nothing else goes out, unless the compute allows HTTPS."""
    gateway = cluster.gateway
    namespace = (gateway.pods_namespace or gateway.namespace) if gateway else ""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}} if namespace else {}
    egress: list[dict[str, Any]] = [{"ports": [dict(each) for each in _DNS]}]
    if cluster.allow_https_egress:
        egress.append({"ports": [{"protocol": "TCP", "port": 443}]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(object_name(endpoint.name), endpoint, cluster.namespace, cluster.owner),
        "spec": {
            "podSelector": {"matchLabels": {ENDPOINT: object_name(endpoint.name)}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [{"namespaceSelector": selector}], "ports": [{"protocol": "TCP", "port": PORT}]},
            ],
            "egress": egress,
        },
    }
