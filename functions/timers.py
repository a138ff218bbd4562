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


@bp.function_name("start_monitor_runs")
@bp.timer_trigger(arg_name="timer", schedule="*/20 * * * * *")
async def start_monitor_runs(timer: func.TimerRequest) -> None:
    """Begin the runs of monitors that are due."""
    await control_plane().start_monitor_runs()


@bp.function_name("expire_staged")
@bp.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")
async def expire_staged(timer: func.TimerRequest) -> None:
    """Delete files that were sent long ago and never registered."""
    await control_plane().expire_staged()


@bp.function_name("collect_unused_artifacts")
@bp.timer_trigger(arg_name="timer", schedule="0 41 3 * * *")
async def collect_unused_artifacts(timer: func.TimerRequest) -> None:
    """Delete stored files that nothing refers to any more."""
    await control_plane().collect_garbage()
