"""REST of monitors and their runs."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("list_monitors")
@bp.route("monitors", methods=["GET"])
async def list_monitors(req: func.HttpRequest) -> func.HttpResponse:
    """Monitors, and when they run."""
    return await answer("list_monitors", req)


@bp.function_name("enable_monitor")
@bp.route("monitors/{name}/enable", methods=["POST"])
async def enable_monitor(req: func.HttpRequest) -> func.HttpResponse:
    """Let a monitor's trigger start runs."""
    return await answer("enable_monitor", req)


@bp.function_name("disable_monitor")
@bp.route("monitors/{name}/disable", methods=["POST"])
async def disable_monitor(req: func.HttpRequest) -> func.HttpResponse:
    """Let a monitor's trigger start nothing."""
    return await answer("disable_monitor", req)


@bp.function_name("run_monitor")
@bp.route("monitors/{name}/run", methods=["POST"])
async def run_monitor(req: func.HttpRequest) -> func.HttpResponse:
    """Begin a run of a monitor."""
    return await answer("run_monitor", req)


@bp.function_name("backfill_monitor")
@bp.route("monitors/{name}/backfill", methods=["POST"])
async def backfill_monitor(req: func.HttpRequest) -> func.HttpResponse:
    """Begin runs for times that are over."""
    return await answer("backfill_monitor", req)


@bp.function_name("list_monitor_runs")
@bp.route("monitor-runs", methods=["GET"])
async def list_monitor_runs(req: func.HttpRequest) -> func.HttpResponse:
    """Runs of monitors, newest first."""
    return await answer("list_monitor_runs", req)


@bp.function_name("get_monitor_run")
@bp.route("monitor-runs/{monitor_run_id}", methods=["GET"])
async def get_monitor_run(req: func.HttpRequest) -> func.HttpResponse:
    """One run, and what it found."""
    return await answer("get_monitor_run", req)


@bp.function_name("cancel_monitor_run")
@bp.route("monitor-runs/{monitor_run_id}/cancel", methods=["POST"])
async def cancel_monitor_run(req: func.HttpRequest) -> func.HttpResponse:
    """End a run."""
    return await answer("cancel_monitor_run", req)


@bp.function_name("list_collection_windows")
@bp.route("collection-windows", methods=["GET"])
async def list_collection_windows(req: func.HttpRequest) -> func.HttpResponse:
    """Hours of collected data that are sketched, newest first."""
    return await answer("list_collection_windows", req)
