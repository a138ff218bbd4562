"""Storage Queue: reconcile one resource."""

import azure.functions as func

from functions import control_plane

bp = func.Blueprint()

CONNECTION = "SLIPWAY_QUEUE"  # an identity-based connection: SLIPWAY_QUEUE__queueServiceUri


@bp.function_name("reconcile")
@bp.queue_trigger(arg_name="message", queue_name="%SLIPWAY_WORK_QUEUE%", connection=CONNECTION)
async def reconcile(message: func.QueueMessage) -> None:
    """Look at the resource that the message names."""
    await control_plane().loop.work(message.get_body().decode(), message.id or "")


@bp.function_name("reconcile_poison")
@bp.queue_trigger(arg_name="message", queue_name="%SLIPWAY_WORK_QUEUE%-poison", connection=CONNECTION)
async def reconcile_poison(message: func.QueueMessage) -> None:
    """Say on the resource that reconciling it failed every time."""
    await control_plane().loop.poisoned(message.get_body().decode(), message.id or "")
