"""Simulated devices of a hub: each is told what the configurations say whose target conditions it meets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.deployment_targets.iot_edge.create_options import joined
from shared.errors import Invalid
from tests.doubles.hub_queries import condition

BEHAVIOUR = "BEHAVIOUR"
LAYER = "properties.desired.modules."
_METRIC = "SELECT deviceId FROM devices.modules WHERE "


@dataclass
class Stored:
    """A configuration at the hub."""

    document: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    version: int
    results: dict[str, dict[str, int]] = field(default_factory=lambda: {"system": {}, "own": {}})

    @property
    def rank(self) -> tuple[int, datetime]:
        """The highest wins; on a tie the newest."""
        return self.document["priority"], self.created_at

    @property
    def agent(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["content"]["modulesContent"]["$edgeAgent"]
        return found

    def layer(self) -> dict[str, Any]:
        """The modules of a layered deployment; {} of a base."""
        return {key.removeprefix(LAYER): value for key, value in self.agent.items() if key.startswith(LAYER)}

    def meets(self, device: Device) -> bool:
        text = self.document["targetCondition"]
        return bool(text) and condition(text)({"deviceId": device.id, "tags": device.tags})


@dataclass
class Device:
    """One with the runtime. What is in a module's image, or in its variable BEHAVIOUR, says what becomes of it: `crash`
    or `missing`."""

    id: str
    tags: dict[str, Any] = field(default_factory=dict)
    is_online: bool = True
    version: int = 1  # of what it was told
    told: dict[str, Any] = field(default_factory=dict)  # modules
    statuses: dict[str, str] = field(default_factory=dict)  # of configurations
    done: int = 0  # the version that it has reported
    code: int = 200
    running: dict[str, Any] = field(default_factory=dict)  # modules
    history: list[str] = field(default_factory=list)  # deployments that ran, whenever another one did

    def deployment(self) -> str:
        """The one that runs here; "" for none."""
        names = [one["env"]["SLIPWAY_SCORING_DEPLOYMENT"]["value"] for one in self.running.values()]
        return names[0] if names else ""

    def twin(self) -> dict[str, Any]:
        """That of its edgeAgent."""
        modules = {
            name: {"version": one["version"], "runtimeStatus": _runtime_status(one)}
            for name, one in self.running.items()
        }
        reported = {"lastDesiredVersion": self.done, "lastDesiredStatus": {"code": self.code}, "modules": modules}
        return {
            "deviceId": self.id,
            "moduleId": "$edgeAgent",
            "configurations": {name: {"status": status} for name, status in self.statuses.items()},
            "properties": {"desired": {"$version": self.version}, "reported": reported},
        }


def tell(device: Device, stored: Mapping[str, Stored], *, counts_covered: bool) -> None:
    """What the hub writes into its twin. Without a base nothing is changed, and modules stay."""
    found = {name: one for name, one in stored.items() if one.meets(device)}
    bases = {name: one for name, one in found.items() if "properties.desired" in one.agent}
    device.statuses = dict.fromkeys(found, "Targeted")
    if not bases:
        return
    base = max(bases, key=lambda name: bases[name].rank)
    told: dict[str, Any] = dict(bases[base].agent["properties.desired"]["modules"])
    owners: dict[str, str] = {}
    above = {name: one for name, one in found.items() if one.layer() and one.rank[0] > bases[base].rank[0]}
    for name in sorted(above, key=lambda one: above[one].rank):
        told |= above[name].layer()
        owners |= dict.fromkeys(above[name].layer(), name)
    for name in (base, *above):
        device.statuses[name] = "Applied" if name == base or counts_covered or name in owners.values() else "Covered"
    if told != device.told:
        device.told, device.version = told, device.version + 1


def act(device: Device) -> None:
    """What its edgeAgent does, and reports."""
    if not device.is_online or device.done == device.version:
        return
    device.done, device.code = device.version, 200
    if any(_says(one, "missing") or not _has_options(one) for one in device.told.values()):
        device.code = 400
        return
    device.running = dict(device.told)
    if (name := device.deployment()) != (device.history[-1] if device.history else ""):
        device.history.append(name)


def count(stored: Mapping[str, Stored], devices: Iterable[Device]) -> None:
    """As the hub does every five minutes."""
    twins = [one.twin() for one in devices]
    for name, one in stored.items():
        told = [twin for twin in twins if twin["configurations"].get(name, {}).get("status") == "Applied"]
        done = [twin["properties"]["reported"] for twin in told if _is_done(twin["properties"])]
        good = sum(each["lastDesiredStatus"]["code"] == 200 for each in done)
        one.results["system"] = {
            "targetedCount": sum(name in twin["configurations"] for twin in twins),
            "appliedCount": len(told),
            "reportedSuccessfulCount": good,
            "reportedFailedCount": len(done) - good,
        }
        queries = one.document.get("metrics", {}).get("queries", {})
        one.results["own"] = {key: sum(map(metric(text), twins)) for key, text in queries.items()}


def metric(text: str) -> Any:
    """Raises ValueError for what is no query about twins of modules."""
    if not text.startswith(_METRIC):
        raise ValueError(f"unexpected {text[:20]!r}")
    return condition(text.removeprefix(_METRIC))


def _is_done(properties: Mapping[str, Any]) -> bool:
    return bool(properties["desired"]["$version"] == properties["reported"]["lastDesiredVersion"])


def _runtime_status(module: Mapping[str, Any]) -> str:
    return "backoff" if _says(module, "crash") else "running"


def _says(module: Mapping[str, Any], behaviour: str) -> bool:
    return behaviour in (module["settings"]["image"] + module["env"].get(BEHAVIOUR, {}).get("value", ""))


def _has_options(module: Mapping[str, Any]) -> bool:
    """As edgeAgent reads them: pieces put together, each of at most 512 bytes."""
    settings = module["settings"]
    pieces = [value for key, value in settings.items() if key.startswith("createOptions")]
    try:
        return bool(joined(settings)["HostConfig"]) and max(len(each.encode()) for each in pieces) <= 512
    except (Invalid, KeyError, json.JSONDecodeError):
        return False
