"""Timers: what was owed and what is due."""

import azure.functions as func

from functions import control_plane

bp = func.Blueprint()


@bp.function_name("sweep_outbox")
@bp.timer_trigger(arg_name="timer", schedule="*/15 * * * * *")
async def sweep_outbox(timer: func.TimerRequest) -> None:
    """Publish events that were committed but never acknowledged."""
    await control_plane().sweep_outbox()


@bp.function_name("look_again")
@bp.timer_trigger(arg_name="timer", schedule="*/30 * * * * *")
async def look_again(timer: func.TimerRequest) -> None:
    """Queue the unfinished resources whose time has come."""
    await control_plane().look_again()
