"""How many pods there are: the autoscaler, and how many may go at once."""

from __future__ import annotations

from typing import Any

from shared.deployment_targets.kubernetes.names import INSTANCE, Manifest, metadata, object_name
from shared.deployment_targets.kubernetes.workload import container_of
from shared.ports import DesiredDeployment, DesiredEndpoint
from shared.resources.compute import Cluster


def autoscaler(one: DesiredDeployment, endpoint: DesiredEndpoint, cluster: Cluster) -> Manifest | None:
    """The HorizontalPodAutoscaler (autoscaling/v2): by CPU, or by requests under way where the cluster has a metric of
    them. None for a fixed number. At least one pod stays: a HorizontalPodAutoscaler goes to 0 only behind a feature
    gate."""
    container = container_of(one)
    scale = container.autoscale
    if scale is None:
        return None
    name = object_name(endpoint.name, one.name)
    least = max(1, scale.min_instances)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(name, endpoint, cluster.namespace, cluster.owner, one.name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": max(least, scale.max_instances),
            "metrics": [_metric(scale.target_percent, container.max_concurrent, cluster)],
        },
    }


def _metric(percent: int, max_concurrent: int, cluster: Cluster) -> dict[str, Any]:
    if not cluster.in_flight_metric:
        target = {"type": "Utilization", "averageUtilization": percent}
        return {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    milli = max(1, max_concurrent * percent * 10)
    value = str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"
    pods = {"metric": {"name": cluster.in_flight_metric}, "target": {"type": "AverageValue", "averageValue": value}}
    return {"type": "Pods", "pods": pods}


def disruption_budget(one: DesiredDeployment, endpoint: DesiredEndpoint, cluster: Cluster) -> Manifest | None:
    """The PodDisruptionBudget (policy/v1): one pod at a time goes for a node's sake. None for a single pod, which
    would hold a node for ever."""
    scale = container_of(one).autoscale
    if (scale.min_instances if scale else one.instances) < 2:
        return None
    name = object_name(endpoint.name, one.name)
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, endpoint, cluster.namespace, cluster.owner, one.name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {INSTANCE: name}}},
    }
