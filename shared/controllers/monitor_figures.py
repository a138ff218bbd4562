"""The figures of a deployment for a run of its monitor: what is counted now, and what the run before it saw."""

from __future__ import annotations

from shared.controllers.outcome import Deps
from shared.errors import Retryable
from shared.monitors.deployment_figures import figures_of
from shared.monitors.infrastructure import infrastructure, of_the_past
from shared.monitors.run_plan import RunPlan
from shared.ports import ResourceQuery
from shared.resources.base import Resource
from shared.resources.deployment_figures import DeploymentFigures
from shared.resources.monitor_result import MonitorResult, SignalResult
from shared.resources.monitor_run import KIND, MonitorRunSpec, MonitorRunStatus, RunReason
from shared.resources.search import field_term

LOOKED_AT = 50  # runs before this one, among which is the newest that has figures


async def figures_now(plan: RunPlan, spec: MonitorRunSpec, deps: Deps) -> DeploymentFigures | None:
    """None where no signal asks for them, and of a time that is over; with a problem where they cannot be had now."""
    if not plan.infrastructure or spec.reason is RunReason.BACKFILL:
        return None
    endpoint = plan.deployment.partition(".")[0]
    try:
        text = await deps.target.metrics(endpoint)
    except Retryable as error:  # the signal fails and no other one; the next run counts from where this one could not
        problem = f"{error.message}; {error.remedy}" if error.remedy else error.message
        return DeploymentFigures(at=deps.clock.now(), deployment=plan.deployment, problem=problem)
    return figures_of(text, plan.deployment, deps.clock.now())


async def with_figures(
    plan: RunPlan, result: MonitorResult, run: Resource, now: DeploymentFigures | None, deps: Deps
) -> MonitorResult:
    """The result with the signals that were judged by figures, all in their order."""
    if not plan.infrastructure:
        return result
    before = await _before(run, now, deps) if now is not None else None
    found = {one.name: one for one in result.signals}
    for name, limits in plan.infrastructure.items():
        found[name] = of_the_past(name, limits) if now is None else infrastructure(name, limits, now, before)
    signals: list[SignalResult] = [found[name] for name in plan.order]
    return result.model_copy(update={"signals": signals})


async def _before(run: Resource, now: DeploymentFigures, deps: Deps) -> DeploymentFigures | None:
    """The newest figures of the deployment that another run of the monitor saw earlier."""
    monitor = MonitorRunSpec.model_validate(run.spec).monitor
    terms = (field_term("monitor", monitor),)
    query = ResourceQuery(KIND, terms=terms, sort="created", descending=True, limit=LOOKED_AT)
    page = await deps.store.list_resources(query)
    seen = [MonitorRunStatus.model_validate(one.status).figures for one in page.items if one.name != run.name]
    fitting = [one for one in seen if one and not one.problem and one.deployment == now.deployment and one.at < now.at]
    return max(fitting, key=lambda one: one.at, default=None)
