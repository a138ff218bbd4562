"""Monitors are checked when they are applied, against what they name."""

from __future__ import annotations

from shared.compute_settings import load_computes
from shared.deployments.compute import compute_name
from shared.errors import Invalid
from shared.monitors.checking import SIGNALS, problems_of, untold_of
from shared.monitors.checking_assets import asset_problems
from shared.monitors.checking_figures import figure_problems
from shared.monitors.planning import check_signal, signals_of
from shared.monitors.target import deployment_of
from shared.notifier_settings import load_notifiers
from shared.resources.base import ResourceKey
from shared.resources.compute import AnyCompute
from shared.resources.declared import DeclaredSpec
from shared.resources.monitor import MonitorDeclaration
from shared.resources.online_deployment import KIND as ONLINE_DEPLOYMENT
from shared.resources.online_endpoint import KIND as ONLINE_ENDPOINT
from shared.syncing.loading import DeclaredFile
from shared.syncing.world import World


async def check_monitor(file: DeclaredFile, world: World) -> None:
    """Raises Invalid with everything that its first run would fail of. What is not there yet (in a dry run: another
    file declares it) is not looked into."""
    monitor = file.declared.declaration
    if not isinstance(monitor, MonitorDeclaration):
        return
    name = deployment_of(monitor)
    found = await world.store.read(ResourceKey(ONLINE_DEPLOYMENT, name)) if name else None
    declared = DeclaredSpec.model_validate(found.spec).declaration if found else None
    now = world.clock.now()
    problems = problems_of(monitor, declared, load_notifiers(world.settings.notifiers), now)
    problems += figure_problems(monitor, await _compute_of(name, world))
    if not problems:
        plans = {key: check_signal(monitor, key, now) for key in signals_of(monitor)}
        problems = await asset_problems(plans, SIGNALS, world.store, world.artifacts)
    if problems:
        faults = tuple(file.source.fault(one.pointer, one.message, one.allowed) for one in problems)
        raise Invalid(f"{file.path} declares a monitor that cannot run", faults=faults)


async def _compute_of(deployment: str, world: World) -> AnyCompute | None:
    """Where the endpoint of ENDPOINT.DEPLOYMENT runs; None for this machine, where it is not declared yet, and for a
    compute that is not configured: its endpoint says so."""
    endpoint = deployment.partition(".")[0]
    found = await world.store.read(ResourceKey(ONLINE_ENDPOINT, endpoint)) if endpoint else None
    if found is None:
        return None
    name = compute_name(DeclaredSpec.model_validate(found.spec), world.settings.default_compute)
    return load_computes(world.settings.computes).get(name)


def note_on_monitor(file: DeclaredFile, world: World) -> str:
    """What whoever applies it should know; "" for nothing."""
    monitor = file.declared.declaration
    return (
        untold_of(monitor, load_notifiers(world.settings.notifiers)) if isinstance(monitor, MonitorDeclaration) else ""
    )
