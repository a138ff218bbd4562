"""Online deployments, managed and Kubernetes: what a `deployment.yml` may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag

from shared.resources.compute import QUANTITY_PATTERN
from shared.resources.serving import Probe, RequestSettings, ScoringFacts
from shared.resources.shapes import (
    AnyCase,
    Int,
    Number,
    Shape,
    Version,
    by_type,
    is_mapping,
    known_type,
    may,
    must,
    some,
)

KIND = "online-deployment"


class DefaultScale(Shape):
    """A fixed number of instances."""

    type: Annotated[Literal["default"], AnyCase()] = must("default")


class TargetUtilizationScale(Shape):
    """As many instances as keep their load at a target."""

    type: Annotated[Literal["target_utilization"], AnyCase()] = must("target_utilization")
    min_instances: Int = may("least number of instances; 0 ends all of them while nobody asks", 1, ge=0)
    max_instances: Int | None = may("greatest number of instances", ge=1)
    polling_interval: Int | None = may("seconds between measurements", ge=1)
    cooldown_period: Int | None = may("seconds without a request before min_instances 0 is so; 300", ge=1)
    target_utilization_percentage: Int | None = may("load that is aimed at", ge=1, le=100)


ScaleSettings = Annotated[
    Annotated[DefaultScale, Tag("<default>")] | Annotated[TargetUtilizationScale, Tag("<target_utilization>")],
    Discriminator(by_type("default", "target_utilization")),
    known_type("default", "target_utilization"),
]


class CollectedData(Shape):
    """The data asset that a collection is kept as."""

    name: str | None = may("name of the data")
    version: Version | None = may("version of the data")
    path: str | None = may("where it is kept")
    data_id: str | None = may("id of an existing asset")


class Collection(Shape):
    """Requests or answers that are kept."""

    enabled: Annotated[Literal["true", "false"], AnyCase()] = must("whether it is kept")
    data: (
        Annotated[Annotated[str, Tag("<text>")] | Annotated[CollectedData, Tag("<mapping>")], Discriminator(is_mapping)]
        | None
    ) = may("the data asset it is kept as")
    client_id: str | None = may("client id of the identity that writes")


class RequestLogging(Shape):
    """What is kept of the HTTP requests."""

    capture_headers: list[str] = Field(default_factory=list, description="headers that are kept")


class DataCollector(Shape):
    """Which production data are kept."""

    collections: dict[str, Collection] = some("by name: model_inputs, model_outputs, request, response, or your own")
    rolling_rate: Annotated[Literal["minute", "hour", "day"], AnyCase()] | None = may("how often a new file begins")
    sampling_rate: Number | None = may("share of the requests that are kept", ge=0, le=1)
    request_logging: RequestLogging | None = may("what is kept of the HTTP requests")


class OnlineDeploymentFacts(ScoringFacts):
    """What every online deployment has."""

    instance_count: Int | None = may("number of instances", ge=0)
    scale_settings: ScaleSettings | None = may("how the number of instances changes")
    request_settings: RequestSettings | None = may("how requests are taken")
    liveness_probe: Probe | None = may("how it is found out whether a container lives")
    readiness_probe: Probe | None = may("how it is found out whether a container is ready")
    app_insights_enabled: bool = may("whether Application Insights is told", False)
    model_mount_path: str | None = may("where the model is mounted in a container of your own")
    data_collector: DataCollector | None = may("which production data are kept")


class ManagedOnlineDeployment(OnlineDeploymentFacts):
    """A managed online deployment's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Managed online deployment",
        json_schema_extra={
            "examples": [
                {
                    "name": "blue",
                    "endpoint_name": "diabetes",
                    "model": "azureml:diabetes@latest",
                    "instance_type": "Standard_DS3_v2",
                    "instance_count": 1,
                }
            ]
        },
    )

    type: Annotated[Literal["managed"], AnyCase()] = may("managed", "managed")
    instance_type: str = must("size of an instance, e.g. Standard_DS3_v2", min_length=1)
    egress_public_network_access: Annotated[Literal["enabled", "disabled"], AnyCase()] | None = may(
        "whether it reaches the internet"
    )
    private_network_connection: bool | None = may("whether it is reached by a private network only")


def _quantity(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Quantity = Annotated[
    str,
    BeforeValidator(_quantity, json_schema_input_type=str | int | float),
    Field(pattern=QUANTITY_PATTERN),
]


class Amounts(Shape):
    """Kubernetes quantities."""

    cpu: Quantity | None = may('cores, e.g. "0.5" or "500m"')
    memory: Quantity | None = may('memory, e.g. "0.5Gi"')
    gpu: Quantity | None = may('GPUs, e.g. "1"')


class ResourceRequirements(Shape):
    """What a container gets, and what it may take."""

    requests: Amounts | None = may("what it gets")
    limits: Amounts | None = may("the most it may take")


class KubernetesOnlineDeployment(OnlineDeploymentFacts):
    """A Kubernetes online deployment's file in Azure ML's CLI v2 format."""

    model_config = ConfigDict(
        title="Kubernetes online deployment",
        json_schema_extra={
            "examples": [
                {
                    "name": "blue",
                    "type": "kubernetes",
                    "endpoint_name": "diabetes",
                    "model": "azureml:diabetes@latest",
                    "resources": {"requests": {"cpu": "0.1", "memory": "0.1Gi"}},
                }
            ]
        },
    )

    type: Annotated[Literal["kubernetes"], AnyCase()] = may("kubernetes", "kubernetes")
    instance_type: str | None = may("instance type of the cluster")
    resources: ResourceRequirements | None = may("what a container gets, and what it may take")
