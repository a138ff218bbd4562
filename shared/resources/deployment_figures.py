"""What the router and the servers of a deployment have counted by one moment."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from shared.resources.base import Document
from shared.resources.rollout import ArmCounters


class InstanceUsage(Document):
    """What one server uses of what it may."""

    cpu_s: float  # processor time since it began
    cpu_limit_cores: float | None = None  # that it may use at once; None: not told
    memory_bytes: int  # resident now
    memory_limit_bytes: int | None = None  # that it may use; None: not told


class DeploymentFigures(Document):
    """Counters only grow until a process begins anew: two of these tell what happened between them."""

    at: datetime  # when they were read
    deployment: str  # ENDPOINT.DEPLOYMENT
    counters: ArmCounters = Field(default_factory=ArmCounters)  # requests, and copies of them
    instances: dict[str, InstanceUsage] = Field(default_factory=dict)  # by process; {} where servers tell nothing
    problem: str = ""  # why there are none; "": there are
