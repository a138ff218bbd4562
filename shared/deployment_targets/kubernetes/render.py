"""Everything that is applied for an endpoint, in the order in which it is applied."""

from __future__ import annotations

from collections.abc import Mapping

from shared.deployment_targets.kubernetes.code import code_map
from shared.deployment_targets.kubernetes.identity import keys_secret, service_account
from shared.deployment_targets.kubernetes.names import DIGEST, Manifest
from shared.deployment_targets.kubernetes.network import network_policy, service
from shared.deployment_targets.kubernetes.route import route
from shared.deployment_targets.kubernetes.scaling import autoscaler, disruption_budget
from shared.deployment_targets.kubernetes.workload import digest_of, workload
from shared.errors import NotSupported
from shared.ports import DesiredEndpoint
from shared.resources.compute import Cluster

# Every kind that Slipway applies, in the order of applying; what is not declared any more goes in the reverse order.
KINDS = {
    "ServiceAccount": "v1",
    "Secret": "v1",
    "ConfigMap": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Service": "v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "PodDisruptionBudget": "policy/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
}


def rendered(endpoint: DesiredEndpoint, cluster: Cluster, code: Mapping[str, bytes]) -> tuple[Manifest, ...]:
    """The manifests of an endpoint with its deployments; `code` is the content of their code's files, by SHA-256. ()
    without a deployment. Raises Invalid and NotSupported for what the cluster can't have."""
    if not endpoint.deployments:
        return ()
    if not endpoint.keys and not cluster.open_to_callers:
        raise NotSupported(
            f"{endpoint.name} has no keys that its pods could know callers by",
            remedy="let the gateway or the network check callers, and say so: `open_to_callers: true` of the compute",
        )
    found = [service_account(endpoint, cluster), keys_secret(endpoint, cluster), network_policy(endpoint, cluster)]
    for one in endpoint.deployments:
        found += [
            code_map(one, endpoint, cluster, code) if one.entry_script else None,
            service(one, endpoint, cluster),
            workload(one, endpoint, cluster),
            autoscaler(one, endpoint, cluster),
            disruption_budget(one, endpoint, cluster),
        ]
    found.append(route(endpoint, cluster))
    order = list(KINDS)
    manifests = sorted((each for each in found if each), key=lambda each: order.index(each["kind"]))
    return tuple(_digested(each) for each in manifests)


def code_files(endpoint: DesiredEndpoint) -> frozenset[str]:
    """The SHA-256 of every file whose content `rendered` needs."""
    return frozenset(each.sha256 for one in endpoint.deployments if one.entry_script for each in one.code)


def _digested(manifest: Manifest) -> Manifest:
    manifest["metadata"]["annotations"][DIGEST] = digest_of(manifest)
    return manifest
