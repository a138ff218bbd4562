"""The server itself, and what went wrong."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shared.resources.base import Document


class Reconciling(Document):
    """A resource that will be looked at."""

    kind: str
    name: str
    phase: str


class Health(Document):
    """Whether the control plane can work."""

    status: Literal["Healthy", "Unhealthy"]
    version: str
    mode: str
    checks: dict[str, str] = Field(description="each dependency: ok, or what is wrong")
    deliveries_refused: dict[str, int] = Field(
        default_factory=dict, description="deliveries of git hosts that this process refused, by error code"
    )


class Problem(Document):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    faults: list[dict[str, Any]]
    remedy: str | None = None
