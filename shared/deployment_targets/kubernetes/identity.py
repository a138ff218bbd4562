"""As whom pods act, and by which keys they know their callers."""

from __future__ import annotations

import base64
import json

from shared.deployment_targets.kubernetes.names import Manifest, metadata, object_name
from shared.deployment_targets.kubernetes.workload import KEYS_FILE
from shared.ports import DesiredEndpoint
from shared.resources.compute import Cluster


def service_account(endpoint: DesiredEndpoint, cluster: Cluster) -> Manifest:
    """The ServiceAccount; with a managed identity's client id where the compute has one (Microsoft Entra Workload ID).
    It has no rights in the cluster, and no token of it is mounted."""
    said = metadata(object_name(endpoint.name), endpoint, cluster.namespace, cluster.owner)
    if cluster.workload_identity_client_id:
        said["annotations"]["azure.workload.identity/client-id"] = cluster.workload_identity_client_id
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": said, "automountServiceAccountToken": False}


def keys_secret(endpoint: DesiredEndpoint, cluster: Cluster) -> Manifest | None:
    """The Secret with the keys as the scoring server reads them; None for an endpoint without keys."""
    if not endpoint.keys:
        return None
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": metadata(object_name(endpoint.name), endpoint, cluster.namespace, cluster.owner),
        "data": {KEYS_FILE: base64.b64encode(keys_document(endpoint).encode()).decode()},
    }


def keys_document(endpoint: DesiredEndpoint) -> str:
    """The keys as the scoring server reads them."""
    return json.dumps(dict(zip(("primaryKey", "secondaryKey"), endpoint.keys, strict=False)), sort_keys=True)
