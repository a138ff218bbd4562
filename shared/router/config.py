"""The router's file: which deployments there are, where their processes listen, and who gets what."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.router.access import OPEN, Access, parse_access

MAX_MIRROR_PERCENT = 50


class ConfigError(Exception):
    """The file can't be used; its text names every fault with its place."""


@dataclass(frozen=True, slots=True)
class DeploymentConfig:
    """One deployment."""

    name: str
    weight: int  # percent of the requests
    processes: tuple[str, ...]  # HOST:PORT each; () while it is scaled to zero
    mirror_percent: int = 0  # of the requests that are copied to it
    request_timeout_ms: int = 5_000  # Azure ML's default; then 408
    max_in_flight: int = 1_000  # requests; then 429


@dataclass(frozen=True, slots=True)
class Config:
    """All of the file."""

    deployments: tuple[DeploymentConfig, ...]
    revision: str = ""  # the writer's own mark, shown in /metrics when the file is in force
    sticky_header: str = ""  # lower case; callers of one value stay with one deployment; "" for nobody
    sticky_client: bool = False  # callers of one address stay with one deployment
    hold_timeout_s: float = 30.0  # that a request waits for a process
    max_held: int = 256  # requests of a deployment that wait for a process; then 503
    max_mirrors_in_flight: int = 64  # copies of all deployments; further ones are not made
    max_body_bytes: int = 100 * 2**20  # of one request; then 413
    access: Access = OPEN  # what is asked of callers


# Name, least and greatest value of the numbers that may be given.
_NUMBERS: dict[str, tuple[float, float]] = {
    "weight": (0, 100),
    "mirror_percent": (0, MAX_MIRROR_PERCENT),
    "request_timeout_ms": (1, 3_600_000),
    "max_in_flight": (1, 100_000),
    "hold_timeout_s": (0, 3_600),
    "max_held": (0, 100_000),
    "max_mirrors_in_flight": (0, 10_000),
    "max_body_bytes": (0, 2**34),
}
_OF_DEPLOYMENT = ("weight", "mirror_percent", "request_timeout_ms", "max_in_flight")
_OF_ALL = ("hold_timeout_s", "max_held", "max_mirrors_in_flight", "max_body_bytes")


def read_config(path: Path) -> Config:
    """The file's content. Raises ConfigError with every fault."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name} can't be read: {error}") from error
    return parse_config(document)


def parse_config(document: Any) -> Config:
    """The document as a Config. Raises ConfigError with every fault."""
    if not isinstance(document, dict) or not isinstance(document.get("deployments"), dict):
        raise ConfigError("/deployments is no mapping of names to deployments")
    faults = _unknown(document, ("access", "deployments", "revision", "sticky", *_OF_ALL), "")
    deployments = tuple(_deployment(name, said, faults) for name, said in document["deployments"].items())
    numbers = _numbers(document, _OF_ALL, "", faults)
    header, client = _sticky(document.get("sticky"), faults)
    access = parse_access(document.get("access"), faults)
    total = sum(one.weight for one in deployments)
    if total not in (0, 100):
        faults.append(f"/deployments: the weights sum up to {total} (allowed: 100 or 0)")
    if sum(one.mirror_percent > 0 for one in deployments) > 1:
        faults.append("/deployments: more than one has a mirror_percent (allowed: one)")
    if faults:
        raise ConfigError("; ".join(faults))
    return Config(deployments, str(document.get("revision", "")), header, client, access=access, **numbers)


def _deployment(name: str, said: Any, faults: list[str]) -> DeploymentConfig:
    place = f"/deployments/{name}"
    if not isinstance(said, dict):
        faults.append(f"{place} is no mapping")
        return DeploymentConfig(name, 0, ())
    if not (name.isascii() and name.isprintable() and name.strip() and '"' not in name and "\\" not in name):
        faults.append(f"{place}: this can't be the name of a deployment (allowed: printable ASCII without quotes)")
    faults += _unknown(said, ("processes", *_OF_DEPLOYMENT), place)
    processes = said.get("processes", [])
    if not isinstance(processes, list) or not all(_is_address(one) for one in processes):
        faults.append(f'{place}/processes: {processes!r} (allowed: a list of "HOST:PORT")')
        processes = []
    numbers = {"weight": 0, **_numbers(said, _OF_DEPLOYMENT, place, faults)}
    return DeploymentConfig(name, processes=tuple(dict.fromkeys(processes)), **numbers)


def _is_address(text: Any) -> bool:
    host, _, port = str(text).rpartition(":")
    return isinstance(text, str) and bool(host) and port.isdecimal() and 0 < int(port) < 65_536


def _unknown(said: Mapping[str, Any], allowed: tuple[str, ...], place: str) -> list[str]:
    return [f"{place}/{key} is not known (allowed: {', '.join(allowed)})" for key in said if key not in allowed]


def _numbers(said: Mapping[str, Any], names: tuple[str, ...], place: str, faults: list[str]) -> dict[str, Any]:
    found = {}
    for name in names:
        if name not in said:
            continue
        value, (low, high) = said[name], _NUMBERS[name]
        kinds = (int, float) if name.endswith("_s") else int
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            faults.append(f"{place}/{name}: {value!r} (allowed: a number)")
        elif not low <= value <= high:
            faults.append(f"{place}/{name}: {value!r} (allowed: {low:g} to {high:g})")
        else:
            found[name] = value
    return found


def _sticky(said: Any, faults: list[str]) -> tuple[str, bool]:
    if said is None:
        return "", False
    if said == {"by": "client"}:
        return "", True
    if isinstance(said, dict) and said.keys() == {"by", "name"} and said["by"] == "header" and said["name"]:
        return str(said["name"]).lower(), False
    faults.append(f'/sticky: {said!r} (allowed: {{"by": "client"}} or {{"by": "header", "name": NAME}})')
    return "", False


def split_address(address: str) -> tuple[str, int]:
    """Host and port; the host of an IPv6 address without its brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
