"""What a target would do for an endpoint."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shared.ports import DeploymentPlan
from shared.resources.base import Document


class PlannedField(Document):
    """One field that is not as declared."""

    pointer: str = Field(description="JSON pointer into the object")
    there: Any = Field(description="null: nothing")
    declared: Any


class PlannedChange(Document):
    """One object that is not as declared."""

    action: Literal["create", "update", "delete"]
    name: str = Field(description="KIND/NAME")
    fields: list[PlannedField] = Field(description="of an update")


class EndpointPlan(Document):
    """What would be applied, and what that would change; values of secrets are hidden."""

    documents: list[dict[str, Any]] = Field(description="in the order of applying")
    changes: list[PlannedChange]

    @classmethod
    def of(cls, plan: DeploymentPlan) -> EndpointPlan:
        """The answer for a plan."""
        changes = [
            PlannedChange(
                action=one.action,
                name=one.name,
                fields=[
                    PlannedField(pointer=each.pointer, there=each.there, declared=each.declared) for each in one.fields
                ],
            )
            for one in plan.changes
        ]
        return cls(documents=[dict(each) for each in plan.documents], changes=changes)
