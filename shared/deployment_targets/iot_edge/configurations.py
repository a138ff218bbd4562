"""Configurations of an IoT hub, which it calls deployments for devices of IoT Edge: as declared, and as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.errors import Retryable

SCHEMA_VERSION = "1.0"  # of configurations; manifests have their own
OWNER = "slipwayOwner"  # label: whose it is, an installation's owner name
COMPUTE = "slipwayCompute"  # label: the compute's name
ENDPOINT = "slipwayEndpoint"  # label: as it was declared; a base deployment has none
DEPLOYMENT = "slipwayDeployment"  # label: as it was declared
PLACE = "slipwayPlace"  # label: REST of the deployment that runs wherever no ring's does
REST = "rest"
RUNNING, CRASHED = "running", "crashed"  # names of metrics
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is put to the hub. Its id names its content, which the hub lets nobody change: what differs is a new one."""

    id: str
    content: Mapping[str, Any] = field(repr=False)  # may hold the registry's password
    labels: Mapping[str, str]
    condition: str  # which devices, in the hub's query language; "" for none
    priority: int  # the highest of those that a device meets wins; among equals the newest
    queries: Mapping[str, str] = field(default_factory=dict)  # metrics that the hub counts, by name

    def document(self) -> dict[str, Any]:
        """The body of a PUT (IoT Hub service REST API, Configuration)."""
        return {
            "id": self.id,
            "schemaVersion": SCHEMA_VERSION,
            "labels": dict(self.labels),
            "content": self.content,
            "targetCondition": self.condition,
            "priority": self.priority,
            "metrics": {"queries": dict(self.queries)},
        }


@dataclass(frozen=True, slots=True)
class Counts:
    """Devices, as the hub counted them last; it does so every five minutes."""

    targeted: int = 0  # meet the target condition
    applied: int = 0  # were told of its content
    succeeded: int = 0  # have said that they did as told
    failed: int = 0  # have said that they could not
    running: int = 0  # of those that succeeded, whose module runs
    crashed: int = 0  # whose module ended, is unhealthy, or waits to be started again


@dataclass(frozen=True, slots=True)
class LiveConfiguration:
    """What the hub has."""

    configuration: Configuration
    etag: str
    created_at: datetime
    updated_at: datetime
    counts: Counts = Counts()


def live_configuration(document: Mapping[str, Any]) -> LiveConfiguration:
    """From the hub's answer. Raises Retryable for what is none, as a proxy's page."""
    try:
        configuration = Configuration(
            str(document["id"]),
            document.get("content") or {},
            {str(name): str(value) for name, value in (document.get("labels") or {}).items()},
            str(document.get("targetCondition") or ""),
            int(document.get("priority") or 0),
            dict((document.get("metrics") or {}).get("queries") or {}),
        )
        times = (_time(document.get("createdTimeUtc")), _time(document.get("lastUpdatedTimeUtc")))
        return LiveConfiguration(configuration, str(document["etag"]), *times, _counts(document))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Retryable(f"the hub's answer is no configuration ({type(error).__name__})") from error


def _counts(document: Mapping[str, Any]) -> Counts:
    system = (document.get("systemMetrics") or {}).get("results") or {}
    own = (document.get("metrics") or {}).get("results") or {}
    names = ("targetedCount", "appliedCount", "reportedSuccessfulCount", "reportedFailedCount")
    return Counts(*(int(system.get(name) or 0) for name in names), *(int(own.get(n) or 0) for n in (RUNNING, CRASHED)))


def _time(text: str | None) -> datetime:
    """The hub gives seven digits of a second, and no zone but UTC; without one it was never."""
    if not text or text.startswith("0001-"):
        return _NEVER
    whole, _, fraction = text.removesuffix("Z").partition("+")[0].partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}").replace(tzinfo=UTC)
