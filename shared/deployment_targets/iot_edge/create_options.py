"""createOptions of a module: the body of the Docker API's container-create call, in pieces that a twin can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.deployment_targets.kubernetes.comparison import amount
from shared.deployment_targets.kubernetes.workload import PORT, USER
from shared.errors import Invalid
from shared.ports import ContainerDesired

CHUNK_BYTES = 512  # the most that edgeAgent takes in one string
PIDS_LIMIT = 512
_NANO = 1_000_000_000


def create_options(container: ContainerDesired, host_port: int | None) -> dict[str, Any]:
    """No root, a read-only root file system, no capabilities, and the limits that are declared. Raises Invalid for a
    limit that a device can't keep."""
    host: dict[str, Any] = {
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": PIDS_LIMIT,
        "Tmpfs": {"/tmp": "rw,size=64m"},  # noqa: S108 - of the container
        **_limits(container.limits),
    }
    if host_port is not None:
        host["PortBindings"] = {f"{PORT}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(host_port)}]}
    return {"User": f"{USER}:{USER}", "ExposedPorts": {f"{PORT}/tcp": {}}, "HostConfig": host}


def _limits(limits: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, said in limits.items():
        value = amount(said)
        if name not in ("cpu", "memory") or value is None or value <= 0:
            raise Invalid(
                f"no device can limit {name[:40]!r} to {said[:40]!r}", remedy="give `cpu` and `memory` limits"
            )
        if name == "cpu":
            found["NanoCpus"] = int(value * _NANO)
        else:
            found["Memory"] = found["MemorySwap"] = int(value)
    return found


def chunked(options: Mapping[str, Any]) -> dict[str, str]:
    """`createOptions`, `createOptions01`...: its JSON in ASCII, at most CHUNK_BYTES in each. Raises Invalid for more
    than 100 of them."""
    text = json.dumps(options, sort_keys=True, separators=(",", ":"))
    parts = [text[begin : begin + CHUNK_BYTES] for begin in range(0, len(text), CHUNK_BYTES)]
    if len(parts) > 100:
        raise Invalid(f"createOptions have {len(text)} bytes; at most {100 * CHUNK_BYTES} fit")
    return {f"createOptions{index:02}" if index else "createOptions": part for index, part in enumerate(parts)}


def joined(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options that `chunked` cut, from a module's settings; {} for none. Raises Invalid for what is no JSON."""
    names = sorted(name for name in settings if name.startswith("createOptions"))
    try:
        options: dict[str, Any] = json.loads("".join(str(settings[name]) for name in names) or "{}")
    except ValueError as error:
        raise Invalid("createOptions are no JSON") from error
    return options
