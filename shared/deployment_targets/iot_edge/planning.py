"""What applying would do, for people: without the registry's password."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from shared.deployment_targets.iot_edge.changes import Change, Delete, Put
from shared.deployment_targets.iot_edge.configurations import Configuration
from shared.ports import DeploymentPlan, FieldChange, ObjectChange

HIDDEN = "***"


def planned(wanted: Iterable[Configuration], changes: Sequence[Change]) -> DeploymentPlan:
    """The plan: everything that is declared, and what would be put and deleted next."""
    return DeploymentPlan(tuple(shown(one) for one in wanted), tuple(_change(one) for one in changes))


def shown(one: Configuration) -> dict[str, Any]:
    """The body of its PUT; passwords of registries are HIDDEN."""
    document = copy.deepcopy(one.document())
    agent = document["content"].get("modulesContent", {}).get("$edgeAgent", {}).get("properties.desired", {})
    for login in agent.get("runtime", {}).get("settings", {}).get("registryCredentials", {}).values():
        login["password"] = HIDDEN
    return document


def _change(change: Change) -> ObjectChange:
    match change:
        case Delete(live):
            return ObjectChange("delete", f"Configuration/{live.configuration.id}")
        case Put(one, None):
            return ObjectChange("create", f"Configuration/{one.id}")
        case Put(one, live):
            assert live is not None
            before, after = live.configuration.document(), one.document()
            fields = tuple(
                FieldChange(f"/{name}", before[name], after[name])
                for name in ("labels", "targetCondition", "priority", "metrics")
                if before[name] != after[name]
            )
            return ObjectChange("update", f"Configuration/{one.id}", fields)
