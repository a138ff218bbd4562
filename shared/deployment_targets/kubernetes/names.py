"""Names and labels of objects: short, unique, and whatever an endpoint is called."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from shared.ports import DesiredEndpoint

MANAGED_BY = "app.kubernetes.io/managed-by"  # whose object it is: an installation's owner name
INSTANCE = "app.kubernetes.io/instance"  # the deployment's object name: what selectors go by
ENDPOINT = "slipway/endpoint"  # the endpoint's object name
ENDPOINT_NAME = "slipway/endpoint-name"  # annotation: as it was declared
DEPLOYMENT_NAME = "slipway/deployment-name"  # annotation: as it was declared
DIGEST = "slipway/digest"  # annotation: SHA-256 of what was rendered, so that what is left out again is noticed
DIGEST_LENGTH = 8
MAX_STEM = 40  # leaves room in 63 characters for digests of Slipway's and of Kubernetes' own

Manifest = dict[str, Any]


def object_name(*names: str) -> str:
    """A DNS label (RFC 1035: a letter first, at most 63 characters) for an endpoint, or an endpoint and a deployment.
    It ends in a digest of the names as they are: no two share one (`a-b`, `c` and `a`, `b-c`; `Blue`, `blue`)."""
    stem = re.sub(r"[^a-z0-9]+", "-", "-".join(names).lower())[:MAX_STEM].strip("-")
    if not stem[:1].isalpha():
        stem = f"e-{stem}"
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:DIGEST_LENGTH]
    return f"{stem}-{digest}"


def metadata(name: str, endpoint: DesiredEndpoint, namespace: str, owner: str, deployment: str = "") -> dict[str, Any]:
    """The metadata of an object; `deployment` is "" for what belongs to the endpoint as a whole."""
    labels = {MANAGED_BY: owner, ENDPOINT: object_name(endpoint.name)}
    annotations = {ENDPOINT_NAME: endpoint.name}
    if deployment:
        labels[INSTANCE] = object_name(endpoint.name, deployment)
        annotations[DEPLOYMENT_NAME] = deployment
    return {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations}
