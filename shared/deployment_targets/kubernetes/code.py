"""The code of a deployment in a ConfigMap: what is not in the image."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from shared.deployment_targets.kubernetes.names import Manifest, metadata, object_name
from shared.errors import Invalid
from shared.ports import DesiredDeployment, DesiredEndpoint
from shared.resources.compute import Cluster

CODE_PATH = "/var/azureml-app"  # Azure ML's AML_APP_ROOT
MAX_CODE_BYTES = 700_000  # a ConfigMap holds 1 MiB, and base64 takes a third more


def code_map(
    one: DesiredDeployment, endpoint: DesiredEndpoint, cluster: Cluster, content: Mapping[str, bytes]
) -> Manifest:
    """The ConfigMap with the code's files, by their SHA-256: their paths are said where it is mounted. `content` is by
    SHA-256, too. Raises Invalid for more than MAX_CODE_BYTES."""
    total = sum(len(content[each.sha256]) for each in one.code)
    if total > MAX_CODE_BYTES:
        raise Invalid(
            f"the code of {one.name} has {total} bytes; at most {MAX_CODE_BYTES} can be given to a cluster",
            remedy="put what is large into the model or the environment",
        )
    name = object_name(endpoint.name, one.name)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, endpoint, cluster.namespace, cluster.owner, one.name),
        "binaryData": {
            each.sha256: base64.b64encode(content[each.sha256]).decode()
            for each in sorted(one.code, key=lambda file: file.sha256)
        },
    }


def code_volume(one: DesiredDeployment, name: str) -> dict[str, Any]:
    """The volume's source: each file at its path. It names the files' digests: pods are replaced when one changes."""
    items = [{"key": each.sha256, "path": each.path} for each in sorted(one.code, key=lambda file: file.path)]
    return {"name": name, "items": items, "defaultMode": 0o444}
