"""What is so of online endpoints and their deployments."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from shared.resources.base import Document, Status


class ProvisioningState(StrEnum):
    """Azure ML's provisioning states, as far as they are shown."""

    CREATING = "Creating"  # it is declared; nothing of it runs yet
    UPDATING = "Updating"  # it is on its way to what is declared
    SUCCEEDED = "Succeeded"  # it is as declared; whether it is well now is a condition
    FAILED = "Failed"  # it cannot be as declared: a condition says why; it is tried on


_S = ProvisioningState
# Every change that may happen: a changed declaration is the way back to Updating.
PROVISIONING_TRANSITIONS: dict[ProvisioningState, frozenset[ProvisioningState]] = {
    _S.CREATING: frozenset({_S.UPDATING, _S.SUCCEEDED, _S.FAILED}),
    _S.UPDATING: frozenset({_S.SUCCEEDED, _S.FAILED}),
    _S.SUCCEEDED: frozenset({_S.UPDATING, _S.FAILED}),
    _S.FAILED: frozenset({_S.UPDATING, _S.SUCCEEDED}),
}


class _Provisioned(Status):
    phase: ProvisioningState = ProvisioningState.CREATING

    @field_validator("phase", mode="before")
    @classmethod
    def _new(cls, phase: Any) -> Any:
        return phase or ProvisioningState.CREATING


class TrafficBefore(Document):
    """The traffic before the newest change: the way back."""

    traffic: dict[str, int]  # percent by deployment
    mirror_traffic: dict[str, int] = Field(default_factory=dict)  # percent of copies
    sticky_header: str = ""  # "" for none


class OnlineEndpointStatus(_Provisioned):
    """What is so of an endpoint."""

    scoring_uri: str = ""  # where requests go; "" before it has a place
    target: str = ""  # where it runs: local
    traffic: dict[str, int] = Field(default_factory=dict)  # percent by deployment, as it was asked for last
    mirror_traffic: dict[str, int] = Field(default_factory=dict)  # percent of copies, at most one deployment
    sticky_header: str = ""  # whose value keeps a caller with one deployment; "" for none
    traffic_before: TrafficBefore | None = None  # what `rollback` gives back; None before the first change
    traffic_by: str = ""  # the rollout that changed it last, all of whose steps are one change; "" for people
    effective_traffic: dict[str, int] = Field(default_factory=dict)  # what the router does: without those not there
    auth_mode: str = "key"  # how callers prove who they are: key, aml_token or aad_token
    primary_key_generation: int = 1  # grows when somebody asks for a new key; the keys themselves are elsewhere
    secondary_key_generation: int = 1  # the same


class OnlineDeploymentStatus(_Provisioned):
    """What is so of a deployment."""

    model: str = ""  # NAME:VERSION that it serves; "" for none
    environment: str = ""  # NAME:VERSION that it runs in
    wanted_instances: int = 0
    ready_instances: int = 0
    scaled_to_zero: bool = False  # whether none runs because nobody asks: the next request starts it
    restarts: int = 0  # of its processes, that nobody asked for
    log_tail: list[str] = Field(default_factory=list)  # the last lines of a process that ended
