"""What a deployment's declaration asks a target to run; pure but for the resources it refers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.deployments.collecting import collecting_environ
from shared.errors import Invalid
from shared.ports import DesiredDeployment
from shared.resources.base import Resource
from shared.resources.declared import DeclaredSpec
from shared.resources.environment_build import EnvironmentVersionStatus
from shared.resources.model import ModelFile, ModelSpec

DEFAULT_REQUEST_TIMEOUT_MS = 5_000  # Azure ML's
DEFAULT_COOLDOWN_S = 300  # KEDA's cooldownPeriod; Azure ML has no instances 0


@dataclass(frozen=True, slots=True)
class Parts:
    """The names that a deployment's declaration refers to."""

    model: str  # NAME:VERSION; "" for none
    environment: str  # NAME:VERSION; "" for none


def parts_of(spec: DeclaredSpec) -> Parts:
    """The model's and the environment's version. Raises Invalid for those declared inside, which are not registered."""
    found = {"model": "", "environment": ""}
    for reference in spec.references:
        kind, _, name = reference.partition("/")
        if kind in found and ":" in name:
            found[kind] = name
    for kind in found:
        if isinstance(spec.declaration.get(kind), dict):
            raise Invalid(f"the {kind} is declared inside of the deployment", remedy=f"declare the {kind} by itself")
    return Parts(found["model"], found["environment"])


def desired_of(name: str, spec: DeclaredSpec, model: Resource | None, environment: Resource) -> DesiredDeployment:
    """What is to run of a deployment, with its model's version and its environment's, which is built. Raises Invalid
    for a script that is not there, and when there is neither a model nor a script."""
    said = spec.declaration
    code, script = _code(spec)
    if model is None and not script:
        raise Invalid("there is neither a model nor a scoring script", remedy="give `model` or `code_configuration`")
    built = EnvironmentVersionStatus.model_validate(environment.status)
    settings = said.get("request_settings") or {}
    return DesiredDeployment(
        name=name,
        model_name=model.name if model else "",
        model_version=str(model.version) if model else "",
        files=tuple(ModelSpec.model_validate(model.spec).files) if model else (),
        code=code,
        entry_script=script,
        environment_location=built.location,
        packages=tuple(one.partition("==")[0] for one in built.packages),
        instances=_instances(said),
        idle_timeout_s=_idle_timeout_s(said),
        environ=collecting_environ(said, name, str(model.version) if model else "")
        | {str(key): str(value) for key, value in (said.get("environment_variables") or {}).items()},
        request_timeout_ms=int(settings.get("request_timeout_ms") or DEFAULT_REQUEST_TIMEOUT_MS),
        memory_bytes=None,
    )


def _code(spec: DeclaredSpec) -> tuple[tuple[ModelFile, ...], str]:
    """The files of the code, by paths in its folder, and the script's path there."""
    said = spec.declaration.get("code_configuration") or {}
    script = str(said.get("scoring_script") or "")
    if not script:
        return (), ""
    folder = str(said.get("code") or ".").removeprefix("./").rstrip("/")
    prefix = "" if folder in ("", ".") else f"{folder}/"
    code = tuple(
        file.model_copy(update={"path": file.path.removeprefix(prefix)})
        for file in spec.files
        if file.path.startswith(prefix)
    )
    if script not in {file.path for file in code}:
        raise Invalid(f"the scoring script {script!r} is not in the code", remedy="name it relative to `code`")
    return code, script


def _instances(said: Mapping[str, Any]) -> int:
    scale = said.get("scale_settings") or {}
    if scale.get("type") == "target_utilization":
        return max(1, int(scale.get("min_instances") or 1))  # 0 is about when nobody asks: see _idle_timeout_s
    count = said.get("instance_count")
    return 1 if count is None else int(count)


def _idle_timeout_s(said: Mapping[str, Any]) -> float | None:
    scale = said.get("scale_settings") or {}
    if scale.get("type") != "target_utilization" or scale.get("min_instances") != 0:
        return None
    return float(scale.get("cooldown_period") or DEFAULT_COOLDOWN_S)
