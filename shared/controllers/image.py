"""The controller of images: waits for the environment, lets the builder package, and says by which digest it is."""

from __future__ import annotations

import re

from shared.controllers.builds import LOOK_S, ended, with_progress
from shared.controllers.environment_decision import BuildLimits, BuildStep, decide_build
from shared.controllers.outcome import Deps, Outcome, work_controller
from shared.events import types
from shared.ports import ImageRequest
from shared.resources.base import Cause, Resource
from shared.resources.build import BUILD_TERMINAL, BUILD_TRANSITIONS, BuildPhase
from shared.resources.image import ImageSpec, ImageStatus

_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when the builder or a store is not available."""
    spec = ImageSpec.model_validate(resource.spec)
    status = ImageStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    timeout_s = deps.settings.image_build_timeout_s
    match decide_build(status, BuildLimits(deps.clock.now(), timeout_s)):
        case BuildStep.REST:
            return Outcome(status)
        case BuildStep.BEGIN:
            status.phase, status.started_at, status.run_id = BuildPhase.BUILDING, deps.clock.now(), ""
            return Outcome(status, unfinished=True, look_again_after_s=0)
        case BuildStep.CANCEL:
            await deps.images.cancel(resource.name, status.run_id)
            return _told(spec, ended(status, BuildPhase.CANCELED, "Canceled", "somebody canceled it", deps))
        case BuildStep.TIME_OUT:
            await deps.images.cancel(resource.name, status.run_id)
            return _told(
                spec, ended(status, BuildPhase.FAILED, "TimedOut", f"took longer than {timeout_s:.0f} s", deps)
            )
        case BuildStep.ADVANCE:
            request = ImageRequest(spec.recipe, deps.artifacts.read, timeout_s)
            progress = await deps.images.advance(request, status.run_id)
            return _told(spec, await with_progress(status, progress, deps))


def _told(spec: ImageSpec, status: ImageStatus) -> Outcome:
    """What is so, with the event of a build that has ended."""
    if status.phase not in BUILD_TERMINAL:
        return Outcome(status, unfinished=True, look_again_after_s=LOOK_S)
    digest = _DIGEST.search(status.location)
    status.digest = digest[1] if digest else ""
    recipe = spec.recipe
    data = {"environment": spec.environment, "image": status.location, "digest": status.digest}
    if status.phase == BuildPhase.SUCCEEDED:
        event = types.model_event(types.IMAGE_PACKAGED, recipe.model_name, recipe.model_version, **data)
        return Outcome(status, (event,))
    reason = next(one.message for one in status.conditions if one.type == "Built")
    event = types.model_event(types.IMAGE_FAILED, recipe.model_name, recipe.model_version, **data, reason=reason)
    return Outcome(status, (event,))


CONTROLLER = work_controller(reconcile, ImageStatus, BUILD_TRANSITIONS, BuildPhase.FAILED, "images")
