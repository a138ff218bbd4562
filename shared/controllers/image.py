"""The controller of images: waits for the environment, lets the builder package, and says by which digest it is."""

from __future__ import annotations

import re

from shared.controllers.builds import take_step
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
    timeout_s, had_ended = deps.settings.image_build_timeout_s, status.phase in BUILD_TERMINAL
    request = ImageRequest(spec.recipe, deps.artifacts.read, timeout_s)
    builder = deps.images
    outcome = await take_step(
        resource, status, deps, builder, timeout_s, lambda run_id: builder.advance(request, run_id)
    )
    return outcome if outcome.unfinished or had_ended else _told(spec, status)


def _told(spec: ImageSpec, status: ImageStatus) -> Outcome:
    """What is so of a build that has ended, with its event."""
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
