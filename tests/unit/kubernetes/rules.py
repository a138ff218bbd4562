"""What an API server refuses and schemas do not see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
QUALIFIED = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
DURATION = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}")
MAX_ANNOTATIONS = 256 * 1024  # characters of an object's
UNITS = {"": 1, "m": Decimal("0.001"), "k": 1000, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def broken(manifests: Sequence[dict[str, Any]]) -> list[str]:
    """Every rule that is broken."""
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in manifests}
    return [
        f"{each['kind']}/{each['metadata']['name']}: {fault}"
        for each in manifests
        for fault in (*_metadata(each), *_CHECKS.get(each["kind"], lambda one, all: ())(each, by_name))
    ]


def quantity(text: str) -> Decimal | None:
    """Its value; None for what is no quantity."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)", text)
    return Decimal(match[1]) * UNITS[match[2]] if match and match[2] in UNITS else None


def _metadata(one: dict[str, Any]) -> Iterator[str]:
    said = one["metadata"]
    if not LABEL.fullmatch(said["name"]):
        yield f"name {said['name']!r}"
    for key, value in said["labels"].items():
        if not (QUALIFIED.fullmatch(key) and LABEL_VALUE.fullmatch(value)):
            yield f"label {key}={value!r}"
    for key in said["annotations"]:
        if not QUALIFIED.fullmatch(key):
            yield f"annotation {key!r}"
    if sum(len(key) + len(value) for key, value in said["annotations"].items()) > MAX_ANNOTATIONS:
        yield "too long annotations"


def _deployment(one: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    spec = one["spec"]
    template = spec["template"]
    if not spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items():
        yield "its selector does not match its pods"
    pod = template["spec"]
    if ("ServiceAccount", pod["serviceAccountName"]) not in by_name:
        yield "its service account is not there"
    yield from _volumes(pod, by_name)
    yield from _container(pod["containers"][0])


def _volumes(pod: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    volumes = {each["name"]: each for each in pod["volumes"]}
    if {each["name"] for each in pod["containers"][0]["volumeMounts"]} != set(volumes):
        yield "mounts and volumes differ"
    for kind, part in (("ConfigMap", "configMap"), ("Secret", "secret")):
        for source in (each[part] for each in volumes.values() if part in each):
            found = by_name.get((kind, source.get("name") or source.get("secretName")))
            held = (found or {}).get("binaryData") or (found or {}).get("data") or {}
            if not {item["key"] for item in source["items"]} <= set(held):
                yield f"{kind} has not the items that are mounted"
            if any(item["path"].startswith("/") or ".." in item["path"].split("/") for item in source["items"]):
                yield "a path leads out of its volume"


def _container(container: dict[str, Any]) -> Iterator[str]:
    names = [each["name"] for each in container["env"]]
    if len(names) != len(set(names)) or not all(ENV_NAME.fullmatch(each) for each in names):
        yield "names of variables"
    for port in container["ports"]:
        if not (PORT_NAME.fullmatch(port["name"]) and 1 <= port["containerPort"] <= 65535):
            yield f"port {port}"
    yield from _amounts(container["resources"])
    for name in ("startupProbe", "livenessProbe"):
        if container[name]["successThreshold"] != 1:
            yield f"{name} with a successThreshold that is not 1"
    named = {each["name"] for each in container["ports"]}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if container[name]["httpGet"]["port"] not in named:
            yield f"{name} asks a port that the container has not"


def _amounts(resources: dict[str, Any]) -> Iterator[str]:
    requests, limits = resources["requests"], resources.get("limits", {})
    for name, said in (*requests.items(), *limits.items()):
        if (value := quantity(said)) is None:
            yield f"{said!r} of {name} is no quantity"
        elif value > (quantity(limits.get(name, said)) or 0):
            yield f"requests more {name} than its limit"
        elif "/" in name and requests.get(name, said) != limits.get(name):
            yield f"{name} can't be shared, and has another limit than request"


def _service(one: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    workload = by_name.get(("Deployment", one["metadata"]["name"]))
    if workload is None:
        yield "nothing is behind it"
        return
    if not one["spec"]["selector"].items() <= workload["spec"]["template"]["metadata"]["labels"].items():
        yield "its selector matches no pod"
    names = {each["name"] for each in workload["spec"]["template"]["spec"]["containers"][0]["ports"]}
    if not all(1 <= each["port"] <= 65535 for each in one["spec"]["ports"]) or not one["spec"]["ports"]:
        yield "its port"
    if {each["targetPort"] for each in one["spec"]["ports"]} - names:
        yield "a target port that no container has"


def _autoscaler(one: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    workload = by_name.get(("Deployment", one["spec"]["scaleTargetRef"]["name"]))
    if workload is None or "replicas" in workload["spec"]:
        yield "scales what is not there, or sets replicas itself"
    if not 1 <= one["spec"]["minReplicas"] <= one["spec"]["maxReplicas"]:
        yield "bounds"


def _selecting(one: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    """A PodDisruptionBudget's or a NetworkPolicy's pods."""
    wanted = one["spec"].get("selector") or one["spec"]["podSelector"]
    pods = [each["spec"]["template"]["metadata"]["labels"] for key, each in by_name.items() if key[0] == "Deployment"]
    if not any(wanted["matchLabels"].items() <= labels.items() for labels in pods):
        yield "its selector matches no pod"


def _job(one: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    pod = one["spec"]["template"]["spec"]
    for volume in (each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each):
        if ("ConfigMap", volume) not in by_name:
            yield "a volume that is not there"
    names = [each["name"] for each in pod["containers"][0]["env"]]
    if len(names) != len(set(names)) or not all(ENV_NAME.fullmatch(each) for each in names):
        yield "names of variables"
    yield from _amounts(pod["containers"][0]["resources"])


def _route(one: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    rules = one["spec"]["rules"]
    if not all(HOST.fullmatch(each) and len(each) <= 253 for each in one["spec"]["hostnames"]):
        yield "a host name"
    if not 1 <= len(rules) <= 16 or sum(len(each["matches"]) for each in rules) > 128:
        yield "too many rules or matches"
    for rule in rules:
        yield from _rule(rule, by_name)


def _rule(rule: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    filters = [each["requestMirror"] for each in rule.get("filters", ())]
    for backend in (*rule["backendRefs"], *(each["backendRef"] for each in filters)):
        found = by_name.get(("Service", backend["name"]))
        if found is None or backend["port"] not in {each["port"] for each in found["spec"]["ports"]}:
            yield f"backend {backend['name']}:{backend['port']} is no service"
    if any({"percent", "fraction"} <= set(each) for each in filters):
        yield "only one of percent or fraction"
    if not all(0 <= each.get("percent", 0) <= 100 for each in filters):
        yield "a percent"
    if not all(0 <= each["weight"] <= 1_000_000 for each in rule["backendRefs"]):
        yield "a weight"
    if not all(each["path"]["value"].startswith("/") for each in rule["matches"]):
        yield "a path without /"
    if not DURATION.fullmatch(rule["timeouts"]["request"]):
        yield "a time-out"


def _keyed(one: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    for key in {**one.get("binaryData", {}), **one.get("data", {})}:
        if not CONFIG_KEY.fullmatch(key):
            yield f"key {key!r}"


_CHECKS: dict[str, Any] = {
    "Deployment": _deployment,
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "HTTPRoute": _route,
    "Job": _job,
    "NetworkPolicy": _selecting,
    "PodDisruptionBudget": _selecting,
    "ConfigMap": _keyed,
    "Secret": _keyed,
}
