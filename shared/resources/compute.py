"""The places that endpoints can run at beside this machine: what a `compute` in a declaration names."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, field_validator

from shared.resources.aci_compute import AciCompute
from shared.resources.base import Document
from shared.resources.iot_edge_compute import COMPUTE_PATTERN, IotEdgeCompute

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"  # RFC 1123, section 2.1, in lower case, as Kubernetes wants
QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]+)?([eE][0-9]+|m|k|Ki|[MGTPE]i?)?$"  # Kubernetes, apimachinery's resource.Quantity
_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
QUALIFIED_PATTERN = rf"^([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}$"  # Kubernetes, "Labels and Selectors"
VALUE_PATTERN = rf"^({_NAME})?$"

Label = Annotated[str, Field(pattern=LABEL_PATTERN)]
Quantity = Annotated[str, Field(pattern=QUANTITY_PATTERN)]
Qualified = Annotated[str, Field(pattern=QUALIFIED_PATTERN)]
LabelValue = Annotated[str, Field(pattern=VALUE_PATTERN)]
_HOST = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")


class GatewayReference(Document):
    """The Gateway API gateway that endpoints are reached by."""

    name: Label = Field(description="name of the Gateway")
    namespace: Label = Field(description="namespace of the Gateway")
    section_name: str | None = Field(default=None, pattern=LABEL_PATTERN, description="its listener; all of them")
    pods_namespace: Label | None = Field(
        default=None, description="namespace of the pods that send requests on; the Gateway's own"
    )


class InstanceType(Document):
    """What an `instance_type` of a deployment means on this cluster."""

    node_selector: dict[Qualified, LabelValue] = Field(default_factory=dict, description="labels of the nodes")
    requests: dict[Qualified, Quantity] = Field(
        default_factory=dict, description="what a container gets, unless it asks"
    )
    limits: dict[Qualified, Quantity] = Field(default_factory=dict, description="the most it may take, unless it asks")


class _Cluster(Document):
    """What every cluster has."""

    name: str = Field(pattern=COMPUTE_PATTERN, description="what declarations call it: `compute: azureml:NAME`")
    namespace: Label = Field(default="slipway", description="where everything is put; it has to be there")
    owner: Label = Field(default="slipway", description="field manager and managed-by label: one an installation")
    gateway: GatewayReference | None = Field(default=None, description="without one, requests come from the cluster")
    host: str = Field(default="", description="host of an endpoint, with {endpoint} in it; needed with a gateway")
    scheme: Literal["https", "http"] = Field(default="https", description="how the gateway's listener is called")
    open_to_callers: bool = Field(
        default=False, description="let callers in without a key: the gateway or the network knows who they are"
    )
    image_pull_secrets: list[Label] = Field(default_factory=list, description="secrets of the namespace, by name")
    workload_identity_client_id: str = Field(
        default="", pattern=r"^([0-9a-fA-F-]{36})?$", description="managed identity the containers act as"
    )
    collect_url: str = Field(
        default="",
        pattern=r"^(https://[^?#]+)?$",
        description="a container of Blob Storage that deployments collect to that name no place; empty: they do not",
    )
    allow_https_egress: bool = Field(default=False, description="whether containers may call port 443 anywhere")
    instance_types: dict[str, InstanceType] = Field(default_factory=dict, description="by name")
    default_requests: dict[Qualified, Quantity] = Field(
        default={"cpu": "100m", "memory": "256Mi"}, description="what a container gets that asks for nothing"
    )
    in_flight_metric: str = Field(
        default="",
        pattern=r"^([a-zA-Z_:][a-zA-Z0-9_:]*)?$",
        description="pods' metric of requests under way; instances follow it instead of the CPU",
    )
    prometheus_url: str = Field(
        default="", pattern=r"^(https?://.*)?$", description="whose figures rollouts and monitors judge by"
    )
    platform: Literal["linux/amd64", "linux/arm64"] = Field(default="linux/amd64", description="of images made for it")

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        if host and (host.count("{endpoint}") != 1 or not _HOST.fullmatch(host.replace("{endpoint}", "e"))):
            raise ValueError("host is a host name in lower case with {endpoint} in it once: {endpoint}.models.example")
        return host

    def model_post_init(self, _context: object) -> None:
        """A gateway needs hosts to tell endpoints apart."""
        if (self.gateway is None) != (self.host == ""):
            raise ValueError("gateway and host belong together: give both or none")


class KubernetesCompute(_Cluster):
    """Any cluster that a kubeconfig leads to."""

    type: Literal["kubernetes"]
    kubeconfig: str = Field(
        default="", description="path; empty: the pod's service account, KUBECONFIG, ~/.kube/config"
    )
    context: str = Field(default="", description="a context of it; empty: the current one")


class AksCompute(_Cluster):
    """A cluster of Azure Kubernetes Service with Entra ID, reached by this installation's identity."""

    type: Literal["aks"]
    resource_id: str = Field(
        pattern=r"^/subscriptions/[^/?#]+/resourceGroups/[^/?#]+/providers/"
        r"Microsoft\.ContainerService/managedClusters/[^/?#]+$",
        description="its ARM id",
    )


Cluster = KubernetesCompute | AksCompute
AnyCompute = KubernetesCompute | AksCompute | IotEdgeCompute | AciCompute
Compute = Annotated[AnyCompute, Field(discriminator="type")]
COMPUTES: TypeAdapter[AnyCompute] = TypeAdapter(Compute)
