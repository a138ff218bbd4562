"""What a deployment target would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from shared.ports.deployments import DesiredEndpoint


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that is not as declared."""

    pointer: str  # JSON pointer into the object
    there: Any  # None: nothing
    declared: Any


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object that is not as declared."""

    action: Literal["create", "update", "delete"]
    name: str  # KIND/NAME
    fields: tuple[FieldChange, ...] = ()  # of an update


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What would be applied, and what that would change. Values of secrets are not in it."""

    documents: tuple[Mapping[str, Any], ...]  # in the order of applying
    changes: tuple[ObjectChange, ...]


@runtime_checkable
class DeploymentPlanner(Protocol):
    """A target that applies documents, and can say beforehand which."""

    async def plan(self, desired: DesiredEndpoint) -> DeploymentPlan:
        """Without any effect. Raises NotSupported where no documents are applied, Invalid for what can't be, and
        Retryable."""
        ...
