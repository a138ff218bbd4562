"""Where an endpoint runs, and what its declaration says of containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.ports import Autoscale, ContainerDesired, ProbeTiming
from shared.resources.declared import DeclaredSpec

DEFAULT_TARGET_PERCENT = 70  # Azure ML's target_utilization_percentage
DEFAULT_MAX_INSTANCES = 1  # Azure ML's max_instances


def compute_name(spec: DeclaredSpec, default: str) -> str:
    """The name of the compute that an endpoint's declaration names (`azureml:NAME`, or an ARM id's last part), or the
    default; "" for none."""
    said = str(spec.declaration.get("compute") or "") or default
    return said.removeprefix("azureml:").rstrip("/").rpartition("/")[2]


def container_desired(said: Mapping[str, Any], image: str) -> ContainerDesired:
    """What the declaration of a deployment says of its containers."""
    resources = said.get("resources") or {}
    settings = said.get("request_settings") or {}
    scale = said.get("scale_settings") or {}
    autoscale = None
    if scale.get("type") == "target_utilization":
        autoscale = Autoscale(
            int(scale.get("min_instances", 1)),
            int(scale.get("max_instances") or DEFAULT_MAX_INSTANCES),
            int(scale.get("target_utilization_percentage") or DEFAULT_TARGET_PERCENT),
        )
    is_kubernetes = said.get("type") == "kubernetes"  # a managed deployment names Azure's virtual machines
    return ContainerDesired(
        image,
        _amounts(resources.get("requests") or {}),
        _amounts(resources.get("limits") or {}),
        str(said.get("instance_type") or "") if is_kubernetes else "",
        autoscale,
        int(settings.get("max_concurrent_requests_per_instance") or 1),
        _probe(said.get("liveness_probe")),
        _probe(said.get("readiness_probe")),
    )


def _amounts(said: Mapping[str, Any]) -> dict[str, str]:
    """`gpu` is NVIDIA's device plugin's resource, as on Azure ML."""
    names = {"cpu": "cpu", "memory": "memory", "gpu": "nvidia.com/gpu"}
    return {names[key]: str(value) for key, value in said.items() if key in names and value is not None}


def _probe(said: Any) -> ProbeTiming:
    fields = ("initial_delay", "period", "timeout")
    counts = ("success_threshold", "failure_threshold")
    given = {name: int(said[name]) for name in (*fields, *counts) if isinstance(said, dict) and said.get(name)}
    return ProbeTiming(**{f"{name}_s" if name in fields else name: value for name, value in given.items()})
