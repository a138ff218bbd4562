"""Devices of Azure IoT Edge that endpoints can run on: an IoT hub, and which of its devices."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from shared.resources.base import Document

COMPUTE_PATTERN = r"^[a-zA-Z][-a-zA-Z0-9]{0,62}$"
ENVIRONMENT_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
IMAGE_PATTERN = r"^[a-z0-9][a-zA-Z0-9._:@/-]+$"
HOST_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+(:[0-9]{1,5})?$"
_LITERALS = re.compile(r"'[^']*'")


class EdgeRegistry(Document):
    """The registry that devices pull from. A device's twin shows what is in a manifest: give a token that may
    pull from one repository."""

    address: str = Field(pattern=HOST_PATTERN, description="its host")
    username: str = Field(min_length=1, max_length=256, description="or the name of a repository-scoped token")
    password_env: str = Field(
        pattern=ENVIRONMENT_PATTERN, description="environment variable of Slipway that holds the password"
    )


class EdgeRuntime(Document):
    """The base deployment: what every device needs before a model's module can be laid over it."""

    agent_image: str = Field(pattern=IMAGE_PATTERN, description="image of edgeAgent, with its tag")
    hub_image: str = Field(pattern=IMAGE_PATTERN, description="image of edgeHub, with its tag")
    registry: EdgeRegistry | None = Field(default=None, description="where devices pull from; none: it needs no login")
    routes: dict[str, str] = Field(
        default={"upstream": "FROM /messages/* INTO $upstream"}, description="of edgeHub, by name"
    )
    time_to_live_s: int = Field(default=7200, ge=0, description="how long edgeHub keeps messages without a connection")

    @field_validator("routes")
    @classmethod
    def _check_routes(cls, routes: dict[str, str]) -> dict[str, str]:
        if not all(re.fullmatch(r"[^.$# ]+", name) and route.strip() for name, route in routes.items()):
            raise ValueError("a route's name has no `.`, `$`, `#` or space, and its text is not empty")
        return routes


class IotEdgeCompute(Document):
    """Devices of an IoT hub. The share of traffic that a deployment has is its share of devices, by their rings."""

    type: Literal["iot-edge"]
    name: str = Field(pattern=COMPUTE_PATTERN, description="what declarations call it: `compute: azureml:NAME`")
    hub: str = Field(pattern=HOST_PATTERN, description="host of the IoT hub: NAME.azure-devices.net")
    owner: str = Field(
        default="slipway", pattern=r"^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$", description="label: one an installation"
    )
    target_condition: str = Field(
        min_length=1, max_length=1000, description="which devices, in the hub's query language: tags.site='north'"
    )
    ring_tag: str = Field(
        default="ring",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$",
        description="tag with a number from 0 to 99: a deployment with 10 % of the traffic runs where it is < 10",
    )
    priority: int = Field(
        default=10, ge=0, le=2**31 - 10, description="of the base deployment; modules are laid over it"
    )
    runtime: EdgeRuntime | None = Field(default=None, description="the base deployment; none: it is somebody else's")
    success_percent: int = Field(
        default=100, ge=1, le=100, description="of devices have to report success; fewer allow for those that are off"
    )
    settle_s: int = Field(
        default=360,
        ge=0,
        description="how old a change must be before the hub's counts are believed: it counts every 5 min",
    )
    open_to_callers: bool = Field(
        default=False, description="let callers in without a key: what reaches the module on the device may call it"
    )
    host_port: int | None = Field(
        default=None, ge=1, le=65535, description="port of the device on 127.0.0.1; none: other modules reach it only"
    )
    sas_policy: str = Field(
        default="", pattern=r"^[A-Za-z0-9._-]{0,64}$", description="shared access policy; empty: Entra ID"
    )
    sas_key_env: str = Field(
        default="",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
        description="environment variable that holds the policy's key",
    )
    look_s: float = Field(
        default=15,
        ge=0,
        le=3600,
        description="how old a look at the hub may be: it takes 20 requests about deployments a minute and unit",
    )
    certificate_authority: str = Field(default="", description="path of PEM to trust instead of the machine's")
    platform: Literal["linux/amd64", "linux/arm64"] = Field(default="linux/amd64", description="of images made for it")

    @field_validator("target_condition")
    @classmethod
    def _check_condition(cls, condition: str) -> str:
        """It is put into parentheses and narrowed: nothing in it may close them."""
        rest, depth = _LITERALS.sub("", condition), 0
        for char in rest:
            depth += {"(": 1, ")": -1}.get(char, 0)
            if depth < 0 or not char.isprintable() or char in "'\"`;":
                break
        else:
            if depth == 0 and condition.isprintable() and condition.strip():
                return condition
        raise ValueError("target_condition is one expression with texts in single quotes and parentheses in pairs")

    def model_post_init(self, _context: object) -> None:
        """A policy needs its key."""
        if bool(self.sas_policy) != bool(self.sas_key_env):
            raise ValueError("sas_policy and sas_key_env belong together: give both, or none for Entra ID")
