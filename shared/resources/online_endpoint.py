"""Online endpoints, managed and Kubernetes: what an `endpoint.yml` may say."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator

from shared.resources.paths_in_files import Compute
from shared.resources.shapes import AnyCase, Int, Shape, TextMap, may, must, refuse, some

KIND = "online-endpoint"
# azure-ai-ml, _schema/_endpoint/endpoint.py; the length is the service's.
ENDPOINT_NAME = Annotated[str, Field(pattern=r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", min_length=3, max_length=32)]
MAX_MIRROR_PERCENT = 50


def _identity(value: Any) -> Any:
    return {"resource_id": value} if isinstance(value, str) else value


class UserAssignedIdentity(Shape):
    """A managed identity that somebody made."""

    dump_only: ClassVar[frozenset[str]] = frozenset({"client_id", "principal_id"})

    resource_id: str = must("its ARM id", min_length=1)


UserIdentity = Annotated[
    UserAssignedIdentity, BeforeValidator(_identity, json_schema_input_type=str | UserAssignedIdentity)
]


class EndpointIdentity(Shape):
    """As whom an endpoint's deployments act."""

    dump_only: ClassVar[frozenset[str]] = frozenset({"principal_id", "tenant_id"})

    type: Annotated[Literal["system_assigned", "user_assigned", "none"], AnyCase()] = may(
        "whose identity", "system_assigned"
    )
    user_assigned_identities: list[UserIdentity] | None = may("ARM ids of managed identities, as `resource_id: ID`")


class EndpointFacts(Shape):
    """What every endpoint has."""

    dump_only: ClassVar[frozenset[str]] = frozenset(
        {"id", "location", "openapi_uri", "provisioning_state", "scoring_uri", "kind", "creation_context"}
    )

    schema_: str | None = may("the schema's URL, for editors", alias="$schema")
    name: ENDPOINT_NAME = must("name of the endpoint, in its URL")
    description: str | None = may("free text")
    tags: TextMap = some("mutable labels for search")
    properties: TextMap = some("facts that never change")
    identity: EndpointIdentity | None = may("as whom its deployments act")


class OnlineEndpointFacts(EndpointFacts):
    """What every online endpoint has."""

    auth_mode: Annotated[Literal["key", "aml_token", "aad_token"], AnyCase()] = may(
        "how callers prove who they are", "key"
    )
    traffic: dict[str, Annotated[Int, Field(ge=0, le=100)]] = some("percent of the requests, by deployment")
    mirror_traffic: dict[str, Annotated[Int, Field(ge=0, le=MAX_MIRROR_PERCENT)]] = some(
        "percent of the requests that are copied to one deployment"
    )

    @field_validator("traffic")
    @classmethod
    def _sum(cls, value: dict[str, int]) -> dict[str, int]:
        if sum(value.values()) > 100:
            raise refuse(f"the percentages sum up to {sum(value.values())}", "at most 100 in all")
        return value

    @field_validator("mirror_traffic")
    @classmethod
    def _one(cls, value: dict[str, int]) -> dict[str, int]:
        if len(value) > 1:
            raise refuse("traffic can be mirrored to one deployment only", "one deployment")
        return value


class ManagedOnlineEndpoint(OnlineEndpointFacts):
    """A managed online endpoint's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Managed online endpoint",
        json_schema_extra={"examples": [{"name": "diabetes", "auth_mode": "key", "traffic": {"blue": 100}}]},
    )

    public_network_access: Annotated[Literal["enabled", "disabled"], AnyCase()] = may(
        "whether it is reached from the internet", "enabled"
    )


class KubernetesOnlineEndpoint(OnlineEndpointFacts):
    """A Kubernetes online endpoint's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Kubernetes online endpoint",
        json_schema_extra={"examples": [{"name": "diabetes", "compute": "azureml:k8s", "auth_mode": "key"}]},
    )

    compute: Compute | None = may("the cluster it runs on")
