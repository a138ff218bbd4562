"""Which resources a declaration refers to: found by the keys that Azure ML's files have, pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared.declarations.source import escape
from shared.resources.declared import ENDPOINT_OF, deployment_name
from shared.resources.references import AssetReference, parse_name, parse_reference

# The key -> the kind that a reference there is to.
_KINDS = {
    "environment": "environment",
    "model": "model",
    "model_id": "model",
    "component": "component",
    "component_id": "component",
    "trial": "component",
    "job": "job",
    "create_job": "job",
    "job_definition": "job",
    "endpoint_deployment_id": "online-deployment",
}
_MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
CURATED = "AzureML-"  # names of environments that Microsoft publishes; they are not in this registry


@dataclass(frozen=True, slots=True)
class Need:
    """A resource that must be there."""

    kind: str
    name: str
    version: str | None  # None: the newest, or a kind without versions
    label: str | None
    pointer: str  # where in the file it is named

    def __str__(self) -> str:
        tail = f":{self.version}" if self.version else f"@{self.label}" if self.label else ""
        return f"{self.kind} {self.name}{tail}"


def needs_of(kind: str, declaration: dict[str, Any]) -> tuple[Need, ...]:
    """The resources that a declaration of this kind refers to, in the order of the file. References to registries,
    ARM ids and curated environments name what is elsewhere: they are left out."""
    found = list(_walk(declaration, ""))
    if endpoint := ENDPOINT_OF.get(kind):
        found.insert(0, Need(endpoint, declaration["endpoint_name"], None, None, "/endpoint_name"))
    if kind == "model" and isinstance(parent := declaration.get("parent"), str):
        asset = parse_name(parent)
        found.append(Need("model", asset.name, asset.version, asset.label, "/parent"))
    return tuple(found)


def awaited_of(kind: str, declaration: dict[str, Any]) -> tuple[str, ...]:
    """Deployments that an endpoint names and that may come after it, as names of resources."""
    name = str(declaration.get("name"))
    if kind == "online-endpoint":
        named = {**(declaration.get("traffic") or {}), **(declaration.get("mirror_traffic") or {})}
        return tuple(deployment_name(name, one) for one in sorted(named) if named[one])
    if kind == "batch-endpoint" and (one := (declaration.get("defaults") or {}).get("deployment_name")):
        return (deployment_name(name, one),)
    return ()


def _walk(value: Any, pointer: str) -> Iterator[Need]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{pointer}/{index}")
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        place = f"{pointer}/{escape(key)}"
        if isinstance(item, str):
            yield from _named(_kind_at(key, value), item, place)
        elif key not in ("tags", "properties", "environment_variables"):
            yield from _walk(item, place)


def _kind_at(key: str, around: dict[str, Any]) -> str | None:
    if key == "path":
        return "model" if around.get("type") in _MODEL_TYPES else "data"
    if key == "resource_id" and around.get("type") == "environment_asset":
        return "environment"
    return _KINDS.get(key)


def _named(kind: str | None, text: str, pointer: str) -> Iterator[Need]:
    if kind is None or not text.startswith("azureml:"):
        return
    try:
        found = parse_reference(text)
    except ValueError:  # the shape has checked what it must be; here it is only no reference
        return
    if not isinstance(found, AssetReference) or found.registry:
        return
    if kind == "environment" and found.name.startswith(CURATED):
        return
    if kind == "online-deployment":
        yield Need(kind, deployment_name(found.name, found.version or ""), None, None, pointer)
    else:
        yield Need(kind, found.name, found.version, found.label, pointer)
