"""The components that custom signals run: found, and checked against what they are given."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from typing import Any

from shared.errors import Invalid, NotFound, NotSupported
from shared.monitors.run_plan import ComponentPlan
from shared.paths import is_valid_path
from shared.ports import ComponentRun, ResourceStore
from shared.resources.base import Resource, ResourceKey
from shared.resources.bindings import bindings
from shared.resources.component import KIND
from shared.resources.declared import AssetHeadStatus, DeclaredSpec
from shared.resources.environment import KIND as ENVIRONMENT
from shared.resources.environment_build import KIND as BUILD
from shared.resources.environment_build import EnvironmentBuildSpec, EnvironmentPhase, EnvironmentRecipe
from shared.resources.monitor_request import SignalRequest

METRICS = "signal_metrics"  # Azure ML's name of the output
LATEST = "latest"


async def component_run(plan: ComponentPlan, signal: SignalRequest, store: ResourceStore) -> ComponentRun:
    """What is run for the signal. Raises NotFound for a component that is not there; Invalid and NotSupported for one
    that is not given what it takes, or that cannot be run here, with what can."""
    spec = DeclaredSpec.model_validate((await _component(plan, store)).spec)
    said = spec.declaration
    if str(said.get("type") or "command").lower() != "command" or "command" not in said:
        raise NotSupported(f"the component {plan.name} is {said.get('type')}", remedy="use one of type: command")
    if outside := [file.path for file in spec.files if not is_valid_path(file.path)]:
        raise NotSupported(f"its file {outside[0]} is outside of its folder", remedy="keep the code beside its file")
    values = _values(plan, said.get("inputs") or {}, signal.inputs)
    _check_command(str(said["command"]), said.get("outputs") or {}, {*values, *signal.inputs})
    location, recipe = await _environment(plan.name, spec, store)
    return ComponentRun(
        command=str(said["command"]),
        values=values,
        folders=frozenset(
            name for name, one in (said.get("inputs") or {}).items() if str(one.get("type")).lower() != "uri_file"
        ),
        variables=plan.variables,
        files=tuple(spec.files),
        code=_code(said.get("code")),
        environment=location,
        recipe=recipe,
    )


async def _component(plan: ComponentPlan, store: ResourceStore) -> Resource:
    version = plan.version
    if version == LATEST:
        head = await store.read(ResourceKey(KIND, plan.name))
        version = AssetHeadStatus.model_validate(head.status).latest_version if head else ""
    found = await store.read(ResourceKey(KIND, plan.name, version)) if version else None
    if found is None:
        raise NotFound(f"there is no component {plan.name}:{plan.version}", remedy="apply it")
    return found


def _values(plan: ComponentPlan, declared: Mapping[str, Any], data: Collection[str]) -> dict[str, str]:
    """Inputs that are no data, with their defaults. Raises Invalid for one that is missing or unknown."""
    given = {**plan.values}
    if unknown := sorted({*given, *data} - set(declared)):
        raise Invalid(
            f"the component {plan.name} has no input {unknown[0]}", remedy=f"give {', '.join(declared) or 'none'}"
        )
    for name, one in declared.items():
        if name in given or name in data:
            continue
        if one.get("default") is not None:
            value = one["default"]
            given[name] = str(value).lower() if isinstance(value, bool) else str(value)
        elif not one.get("optional"):
            raise Invalid(f"the component {plan.name} takes {name}, which is not given", remedy="give it in the signal")
    return given


def _check_command(command: str, outputs: Mapping[str, Any], given: Collection[str]) -> None:
    if set(outputs) != {METRICS}:
        raise Invalid(f"it makes {', '.join(outputs) or 'nothing'}", remedy=f"declare one output: {METRICS}")
    for root, *rest in bindings(command):
        known = given if root == "inputs" else outputs if root == "outputs" else ()
        if rest and rest[0] not in known and not (root == "inputs" and "$[[" in command):
            raise NotSupported(
                f"the command names ${{{{{'.'.join((root, *rest))}}}}}, which is not given here",
                remedy=f"name inputs, and ${{{{outputs.{METRICS}}}}}",
            )


def _code(said: Any) -> str:
    if said is None:
        return ""
    if not isinstance(said, str) or "://" in said or said.startswith(("azureml:", "git+")):
        raise NotSupported(f"the code {said!r} is elsewhere", remedy="name a folder beside the component's file")
    path = posixpath.normpath(said)
    return "" if path == "." else path


async def _environment(name: str, spec: DeclaredSpec, store: ResourceStore) -> tuple[str, EnvironmentRecipe | None]:
    """Where the environment it runs in is, "" while it is not built, and what it is made of."""
    named = [ResourceKey.parse(one) for one in spec.references if one.startswith(f"{ENVIRONMENT}/")]
    found = await store.read(named[0]) if len(named) == 1 else None
    if found is None:
        raise NotSupported(
            f"the component {name} names no environment of this control plane",
            remedy="environment: azureml:NAME:VERSION",
        )
    status = found.status
    if status.get("phase") == EnvironmentPhase.FAILED:
        raise Invalid(f"{found.key} could not be built", remedy="see `slipway environment show`")
    if status.get("phase") != EnvironmentPhase.SUCCEEDED:
        return "", None
    built = await store.read(ResourceKey(BUILD, str(status.get("identity")))) if status.get("identity") else None
    recipe = EnvironmentBuildSpec.model_validate(built.spec).recipe if built else None
    return str(status.get("location") or ""), recipe
