"""The controller of optimisations: lets the optimiser work, and registers the best variant as a version of its own."""

from __future__ import annotations

from shared.controllers.outcome import Deps, Outcome, work_controller
from shared.errors import NotSupported
from shared.events import types
from shared.ports import OptimizationRequest
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, with_condition
from shared.resources.model import ModelDeclaration, ModelFile
from shared.resources.optimization import OptimizationResult, VariantResult
from shared.resources.optimization_job import (
    OPTIMIZATION_ID,
    OPTIMIZATION_TERMINAL,
    OPTIMIZATION_TRANSITIONS,
    OptimizationPhase,
    OptimizationSpec,
    OptimizationStatus,
)

LOOK_S = 1.0
TAIL_LINES = 20
FILE = "model.onnx"


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when a store or the package index is not available."""
    spec = OptimizationSpec.model_validate(resource.spec)
    status = OptimizationStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    if status.phase in OPTIMIZATION_TERMINAL:
        return Outcome(status)
    if status.cancel_requested:
        await deps.optimizer.cancel(resource.name)
        return _ended(spec, status, OptimizationPhase.CANCELED, "somebody canceled it", deps)
    if status.phase == OptimizationPhase.PENDING:
        status.phase, status.started_at = OptimizationPhase.RUNNING, deps.clock.now()
        return Outcome(status, unfinished=True, look_again_after_s=0)
    timeout_s = deps.settings.optimization_timeout_s
    request = OptimizationRequest(resource.name, spec, deps.artifacts.read, deps.artifacts.put, timeout_s)
    try:
        progress = await deps.optimizer.advance(request, status.run_id)
    except NotSupported as error:
        return _ended(spec, status, OptimizationPhase.FAILED, str(error), deps)
    status.run_id, status.log_tail = progress.run_id, progress.log.splitlines()[-TAIL_LINES:]
    if progress.reason:
        return _ended(spec, status, OptimizationPhase.FAILED, progress.reason, deps)
    if progress.result is None:
        return Outcome(status, unfinished=True, look_again_after_s=LOOK_S)
    status.result = progress.result
    best = next((one for one in progress.result.variants if one.variant == progress.result.best), None)
    if best is not None:
        status.registered = await _registered(resource.name, spec, progress.result, best, deps, cause)
    return _ended(spec, status, OptimizationPhase.SUCCEEDED, progress.result.reason, deps)


async def _registered(
    optimization_id: str,
    spec: OptimizationSpec,
    result: OptimizationResult,
    best: VariantResult,
    deps: Deps,
    cause: Cause,
) -> str:
    """NAME:VERSION of the best variant, derived from its model; registering it again finds it."""
    gain = best.gain
    facts = {
        OPTIMIZATION_ID: optimization_id,
        "slipway.optimization.variant": best.variant.value,
        "slipway.optimization.gain": f"{gain.value:.2f}" if gain else "",
        "slipway.optimization.gain_95": f"{gain.low:.2f}-{gain.high:.2f}" if gain else "",
        "slipway.optimization.rows_compared": str(result.proof.rows_compared),
    }
    declaration = ModelDeclaration.model_validate(
        {
            "name": spec.register_as,
            "path": FILE,
            "framework": "Onnx",
            "description": f"{best.variant} of {spec.model_name}:{spec.model_version}",
            "properties": facts,
            "parent": f"{spec.model_name}:{spec.model_version}",
        }
    )
    file = ModelFile(path=FILE, sha256=best.sha256, size_bytes=best.size_bytes)
    version = await deps.registry.register(declaration, [file], f"o-{optimization_id}", cause)
    return f"{version.name}:{version.version}"


def _ended(
    spec: OptimizationSpec, status: OptimizationStatus, phase: OptimizationPhase, message: str, deps: Deps
) -> Outcome:
    now = deps.clock.now()
    status.phase, status.finished_at = phase, now
    is_so = ConditionStatus.TRUE if phase == OptimizationPhase.SUCCEEDED else ConditionStatus.FALSE
    condition = Condition(
        type="Optimized", status=is_so, reason=phase.value, message=message[:2000], last_transition_time=now
    )
    status.conditions = with_condition(status.conditions, condition)
    type_ = types.MODEL_OPTIMIZED if status.registered else types.MODEL_NOT_OPTIMIZED
    data = {"registered": status.registered or None, "reason": message[:2000]}
    return Outcome(status, (types.model_event(type_, spec.model_name, spec.model_version, **data),))


CONTROLLER = work_controller(
    reconcile, OptimizationStatus, OPTIMIZATION_TRANSITIONS, OptimizationPhase.FAILED, "optimizations"
)
