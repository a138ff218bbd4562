"""What applying would do, for people: without the values of secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.deployment_targets.kubernetes.comparison import differences
from shared.deployment_targets.kubernetes.names import Manifest
from shared.ports import DeploymentPlan, FieldChange, ObjectChange

HIDDEN = "***"


def planned(
    manifests: Sequence[Manifest],
    changed: Sequence[tuple[Manifest, Manifest | None]],
    stale: Sequence[tuple[str, str]],
) -> DeploymentPlan:
    """The plan: everything that is rendered, what of it differs from what is there (None: nothing), what goes."""
    changes = [_change(manifest, live) for manifest, live in changed]
    changes += [ObjectChange("delete", f"{kind}/{name}") for kind, name in stale]
    return DeploymentPlan(tuple(without_secrets(each) for each in manifests), tuple(changes))


def without_secrets(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest; values of a Secret are HIDDEN."""
    if manifest["kind"] != "Secret":
        return dict(manifest)
    return {**manifest, "data": dict.fromkeys(manifest["data"], HIDDEN)}


def _change(manifest: Manifest, live: Manifest | None) -> ObjectChange:
    name = f"{manifest['kind']}/{manifest['metadata']['name']}"
    if live is None:
        return ObjectChange("create", name)
    is_secret = manifest["kind"] == "Secret"
    fields = [
        FieldChange(pointer, HIDDEN, HIDDEN)
        if is_secret and pointer.startswith("/data")
        else FieldChange(pointer, there, declared)
        for pointer, declared, there in differences(manifest, live)
    ]
    return ObjectChange("update", name, tuple(fields))
