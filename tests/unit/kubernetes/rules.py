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
PORT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
DURATION = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}")
UNITS = {"": 1, "m": Decimal("0.001"), "k": 1000, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def broken(manifests: Sequence[dict[str, Any]]) -> list[str]:
    """Every rule that is broken."""
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in manifests}
    return [
        f"{each['kind']}/{each['metadata']['name']}: {fault}"
        for each in manifests
        for fault in (*_metadata(each), *_CHECKS.get(each["kind"], lambda one, all: ())(each, by_name))
    ]


def quantity(text: str) -> Decimal:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)", text)
    assert match, text
    return Decimal(match[1]) * UNITS[match[2]]


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
    amounts = container["resources"]
    for name, most in amounts.get("limits", {}).items():
        if quantity(amounts["requests"].get(name, "0")) > quantity(most):
            yield f"requests more {name} than its limit"
    for name in ("startupProbe", "livenessProbe"):
        if container[name]["successThreshold"] != 1:
            yield f"{name} with a successThreshold that is not 1"


def _service(one: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    workload = by_name.get(("Deployment", one["metadata"]["name"]))
    if workload is None:
        yield "nothing is behind it"
        return
    if not one["spec"]["selector"].items() <= workload["spec"]["template"]["metadata"]["labels"].items():
        yield "its selector matches no pod"
    names = {each["name"] for each in workload["spec"]["template"]["spec"]["containers"][0]["ports"]}
    if {each["targetPort"] for each in one["spec"]["ports"]} - names:
        yield "a target port that no container has"


def _autoscaler(one: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    workload = by_name.get(("Deployment", one["spec"]["scaleTargetRef"]["name"]))
    if workload is None or "replicas" in workload["spec"]:
        yield "scales what is not there, or sets replicas itself"
    if not 1 <= one["spec"]["minReplicas"] <= one["spec"]["maxReplicas"]:
        yield "bounds"


def _route(one: dict[str, Any], by_name: dict[tuple[str, str], Any]) -> Iterator[str]:
    rules = one["spec"]["rules"]
    if not 1 <= len(rules) <= 16 or sum(len(each["matches"]) for each in rules) > 128:
        yield "too many rules or matches"
    for rule in rules:
        filters = [each["requestMirror"] for each in rule.get("filters", ())]
        for backend in (*rule["backendRefs"], *(each["backendRef"] for each in filters)):
            found = by_name.get(("Service", backend["name"]))
            if found is None or backend["port"] not in {each["port"] for each in found["spec"]["ports"]}:
                yield f"backend {backend['name']}:{backend['port']} is no service"
        if any({"percent", "fraction"} <= set(each) for each in filters):
            yield "only one of percent or fraction"
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
    "ConfigMap": _keyed,
    "Secret": _keyed,
}
