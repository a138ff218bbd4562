"""Online endpoints, their deployments, their live traffic, and rollouts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared.deployments.credentials import Token
from shared.resources.base import NAME_PATTERN, Condition, Document, Resource
from shared.resources.endpoint_credentials import EndpointCredentials, KeyType
from shared.resources.endpoint_status import OnlineDeploymentStatus, OnlineEndpointStatus, ProvisioningState
from shared.resources.rollout import RolloutSpec, RolloutStatus

Percent = Annotated[int, Field(ge=0, le=100, strict=True)]


class OnlineDeployment(Document):
    """A deployment, and what is so of it."""

    name: str
    endpoint_name: str
    provisioning_state: ProvisioningState
    model: str = Field(description="NAME:VERSION; empty for none")
    environment: str = Field(description="NAME:VERSION")
    wanted_instances: int
    ready_instances: int
    scaled_to_zero: bool = Field(description="none runs because nobody asks: the next request starts it")
    restarts: int
    traffic: int = Field(description="percent of the endpoint's requests that it gets now")
    conditions: list[Condition]
    log_tail: list[str] = Field(description="the last lines of a process that ended")

    @classmethod
    def of(cls, resource: Resource, traffic: int) -> OnlineDeployment:
        """The answer for a stored deployment."""
        status = OnlineDeploymentStatus.model_validate(resource.status)
        shared = {"model", "environment", "wanted_instances", "ready_instances", "scaled_to_zero"}
        shared |= {"restarts", "conditions", "log_tail"}
        endpoint, _, name = resource.name.partition(".")
        return cls(
            **status.model_dump(include=shared),
            name=name,
            endpoint_name=endpoint,
            provisioning_state=status.phase,
            traffic=traffic,
        )


class OnlineEndpoint(Document):
    """An endpoint, and what is so of it."""

    name: str
    provisioning_state: ProvisioningState
    scoring_uri: str = Field(description="where requests go; empty before it has a place")
    target: str
    auth_mode: str = Field(description="how callers prove who they are: key, aml_token or aad_token")
    traffic: dict[str, int] = Field(description="percent by deployment, as it was asked for last")
    mirror_traffic: dict[str, int]
    effective_traffic: dict[str, int] = Field(description="what the router does: without deployments not there")
    conditions: list[Condition]
    deployments: list[OnlineDeployment] = Field(description="shown for one endpoint only")
    tags: dict[str, str]
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource, deployments: list[Resource]) -> OnlineEndpoint:
        """The answer for a stored endpoint."""
        status = OnlineEndpointStatus.model_validate(resource.status)
        shared = {"scoring_uri", "target", "auth_mode", "traffic", "mirror_traffic", "effective_traffic", "conditions"}
        shares = status.effective_traffic
        return cls(
            **status.model_dump(include=shared),
            name=resource.name,
            provisioning_state=status.phase,
            deployments=[OnlineDeployment.of(one, shares.get(one.name.partition(".")[2], 0)) for one in deployments],
            tags=resource.tags,
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class OnlineEndpointPage(Document):
    items: list[OnlineEndpoint]
    continuation: str | None


class TrafficPatch(Document):
    """Change the shares of some deployments; those not named keep theirs."""

    traffic: dict[str, Percent] = Field(default_factory=dict, max_length=50)
    mirror_traffic: dict[str, Percent] = Field(default_factory=dict, max_length=1)


class EndpointAuth(Document):
    """What opens an endpoint: its keys, or a token. Azure ML's names."""

    token_type: str | None = Field(default=None, description="Bearer; null for keys")
    primary_key: str | None = Field(default=None, repr=False)
    secondary_key: str | None = Field(default=None, repr=False)
    access_token: str | None = Field(default=None, repr=False)
    expiry_time_utc: int | None = Field(default=None, description="seconds of Unix time")
    refresh_after_time_utc: int | None = Field(default=None, description="seconds of Unix time")

    @classmethod
    def of(cls, found: EndpointCredentials | Token) -> EndpointAuth:
        """The answer for keys, or for a token."""
        if isinstance(found, EndpointCredentials):
            return cls(primary_key=found.primary_key, secondary_key=found.secondary_key)
        return cls(token_type="Bearer", **asdict(found))  # noqa: S106 - the name of a scheme


class RegenerateKey(Document):
    """Make one of the two keys anew; the former one opens nothing any more."""

    key_type: KeyType


class DeploymentLogs(Document):
    """The last lines of a deployment's instances."""

    text: str


class RolloutRequested(Document):
    """Roll a candidate out."""

    name: str = Field(pattern=NAME_PATTERN)
    spec: RolloutSpec


class Rollout(Document):
    """A rollout, and how far it is."""

    name: str
    spec: RolloutSpec
    status: RolloutStatus
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource) -> Rollout:
        """The answer for a stored rollout."""
        return cls(
            name=resource.name,
            spec=RolloutSpec.model_validate(resource.spec),
            status=RolloutStatus.model_validate(resource.status),
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class RolloutPage(Document):
    items: list[Rollout]
    continuation: str | None
