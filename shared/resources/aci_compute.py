"""A resource group in which endpoints can run on Azure Container Instances."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.resources.base import Document
from shared.resources.iot_edge_compute import COMPUTE_PATTERN

_GROUP = r"^/subscriptions/[^/?#]+/resourceGroups/[^/?#]+"


class AciCompute(Document):
    """Container groups of a resource group, one for each endpoint. Callers reach them by plain HTTP: in a network of
    their own, or, where that is said, from the internet."""

    type: Literal["aci"]
    name: str = Field(pattern=COMPUTE_PATTERN, description="what declarations call it: `compute: azureml:NAME`")
    resource_group_id: str = Field(pattern=f"{_GROUP}$", description="its ARM id: /subscriptions/S/resourceGroups/G")
    location: str = Field(pattern=r"^[a-z0-9]{1,40}$", description="region of the groups: westeurope")
    owner: str = Field(
        default="slipway", pattern=r"^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$", description="tag: one an installation"
    )
    subnet_id: str = Field(
        default="",
        pattern=f"^$|{_GROUP}/providers/Microsoft\\.Network/virtualNetworks/[^/?#]+/subnets/[^/?#]+$",
        description="ARM id of a subnet that is delegated to container groups, whose network callers are in",
    )
    open_to_internet: bool = Field(
        default=False, description="without a subnet: a public address, where keys go over plain HTTP"
    )
    open_to_callers: bool = Field(
        default=False, description="let callers in without a key: who is in the subnet's network may call"
    )
    identity_id: str = Field(
        default="",
        pattern=f"^$|{_GROUP}/providers/Microsoft\\.ManagedIdentity/userAssignedIdentities/[^/?#]+$",
        description="ARM id of the managed identity that the groups act as, and pull images by (AcrPull)",
    )
    cpu: float = Field(default=1.0, gt=0, le=32, description="CPUs of a group whose deployment asks for none")
    memory_gb: float = Field(default=1.5, gt=0, le=256, description="memory of it, in GB of 2**30 bytes")
    platform: Literal["linux/amd64"] = Field(default="linux/amd64", description="of images made for it")

    def model_post_init(self, _context: object) -> None:
        """Keys over plain HTTP are nothing to be had by default, and a public address without keys never is."""
        if bool(self.subnet_id) == self.open_to_internet:
            raise ValueError("give either subnet_id, or open_to_internet: true and know that keys go over plain HTTP")
        if self.open_to_internet and self.open_to_callers:
            raise ValueError("a public address needs keys: leave out open_to_callers, or give subnet_id")
