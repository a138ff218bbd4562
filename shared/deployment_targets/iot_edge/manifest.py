"""Deployment manifests (schema 1.1): the base with the runtime, and a layer with one model's module."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from shared.deployment_targets.iot_edge.create_options import chunked, create_options
from shared.deployment_targets.kubernetes.names import object_name
from shared.deployment_targets.kubernetes.workload import container_of, digest_of, server_environment
from shared.errors import Fault, Invalid, NotSupported
from shared.ports import DesiredDeployment, DesiredEndpoint
from shared.resources.iot_edge_compute import EdgeRuntime, IotEdgeCompute

SCHEMA_VERSION = "1.1"
MAX_STRING_BYTES = 4096  # of one value in a twin
MAX_DESIRED_BYTES = 32 * 1024  # of a twin's desired properties
REGISTRY_NAME = "slipway"
_ALWAYS = {"status": "running", "restartPolicy": "always"}  # what acts: never and always
_LAYER = "properties.desired.modules."

Content = dict[str, Any]


def module_name(endpoint: str) -> str:
    """The module of an endpoint: deployments of one endpoint take each other's place. Letters and digits alone: it is
    a host name for other modules, and a name in the hub's queries."""
    return object_name(endpoint).replace("-", "")


def base_content(runtime: EdgeRuntime, password: str) -> Content:
    """The base deployment's content; `password` is the registry's, "" for none."""
    credentials = {}
    if runtime.registry is not None:
        registry = runtime.registry
        entry = {"username": registry.username, "password": password, "address": registry.address}
        credentials = {"registryCredentials": {REGISTRY_NAME: entry}}
    system = {
        "edgeAgent": {"type": "docker", "settings": {"image": runtime.agent_image}},
        "edgeHub": {"type": "docker", **_ALWAYS, "settings": {"image": runtime.hub_image}},
    }
    agent = {
        "schemaVersion": SCHEMA_VERSION,
        "runtime": {"type": "docker", "settings": credentials},
        "systemModules": system,
        "modules": {},
    }
    hub = {
        "schemaVersion": SCHEMA_VERSION,
        "routes": dict(sorted(runtime.routes.items())),
        "storeAndForwardConfiguration": {"timeToLiveSecs": runtime.time_to_live_s},
    }
    desired = {"$edgeAgent": {"properties.desired": agent}, "$edgeHub": {"properties.desired": hub}}
    return {"modulesContent": _checked(desired)}


def layer_content(one: DesiredDeployment, endpoint: DesiredEndpoint, compute: IotEdgeCompute) -> Content:
    """The layered deployment's content: the module alone. Raises Invalid, NotSupported for what no device runs."""
    refuse(one, endpoint, compute)
    container = container_of(one)
    if "@sha256:" not in container.image:
        raise Invalid(f"the image of {one.name} is not named by its digest: devices would not notice a change")
    module = {
        "type": "docker",
        **_ALWAYS,
        "imagePullPolicy": "on-create",
        "settings": {"image": container.image, **chunked(create_options(container, compute.host_port))},
        "env": {name: {"value": value} for name, value in sorted(_environment(one, endpoint).items())},
    }
    versioned = {"version": digest_of(module), **module}  # what devices say that they run
    agent = {f"{_LAYER}{module_name(endpoint.name)}": versioned}
    return {"modulesContent": _checked({"$edgeAgent": agent, "$edgeHub": {}})}


def module_of(content: Content) -> Content:
    """The module of a layered deployment's content."""
    (module,) = content["modulesContent"]["$edgeAgent"].values()
    return dict(module)


def refuse(one: DesiredDeployment, endpoint: DesiredEndpoint, compute: IotEdgeCompute) -> None:
    """Raises NotSupported for what is declared and devices do not have."""
    container = container_of(one)
    asked = {
        "mirrored traffic": any(endpoint.mirror.values()),
        "sticky callers": bool(endpoint.sticky_header),
        "an entry script beside the image": bool(one.entry_script),
        "autoscaling": container.autoscale is not None,
        "more than one instance": one.instances != 1,
        "an instance type": bool(container.instance_type),
    }
    found = ", ".join(name for name, is_asked in asked.items() if is_asked)
    if found:
        raise NotSupported(
            f"{endpoint.name}/{one.name}: a device has no {found}", remedy="leave it out of the declaration"
        )
    if not compute.open_to_callers:
        raise NotSupported(
            f"{endpoint.name}: a device cannot keep the endpoint's keys secret: its twin shows what it was given",
            remedy="let whatever reaches the module call it, and say so: `open_to_callers: true` of the compute",
        )


def _environment(one: DesiredDeployment, endpoint: DesiredEndpoint) -> dict[str, str]:
    """As of a container, but without keys, in values that a twin can hold. Raises Invalid."""
    faults = tuple(
        Fault(
            f"the value of {name[:80]!r} is too long",
            f"/environment_variables/{name[:80]}",
            allowed=f"at most {MAX_STRING_BYTES} bytes",
        )
        for name, value in one.environ.items()
        if len(value.encode()) > MAX_STRING_BYTES
    )
    if faults:
        raise Invalid("the environment variables can't be given to a module", faults=faults)
    return server_environment(one, replace(endpoint, access=None))


def _checked(desired: dict[str, Any]) -> dict[str, Any]:
    """Raises Invalid for more than a twin can hold."""
    size = len(json.dumps(desired, separators=(",", ":")).encode())
    if size > MAX_DESIRED_BYTES:
        raise Invalid(
            f"a device's twin holds {MAX_DESIRED_BYTES} bytes; these are {size}", remedy="give fewer variables"
        )
    return desired
