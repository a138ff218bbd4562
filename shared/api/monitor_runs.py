"""REST: runs of monitors."""

from __future__ import annotations

import json
from typing import Any

from shared.api.documents import monitor_runs as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.work import looked_at, newest_first
from shared.bootstrap import ControlPlane
from shared.resources.monitor_run import KIND, MonitorRunStatus


async def run_monitor(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Begin a run of a monitor."""
    made = await plane.monitor_runs.ask(request.route["name"], request.cause)
    return await looked_at(made, plane, "monitor-runs", doc.MonitorRun.of)


async def list_monitor_runs(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Runs of all monitors, newest first."""
    return await newest_first(request, plane, KIND, doc.MonitorRun.of)


async def get_monitor_run(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One run, and what it found."""
    found = await plane.monitor_runs.get(request.route["monitor_run_id"])
    stored = MonitorRunStatus.model_validate(found.status).result
    result: dict[str, Any] | None = None
    if stored is not None:
        result = json.loads(b"".join([chunk async for chunk in plane.deps.artifacts.read(stored.sha256)]))
    shown = doc.MonitorRunFound(run=doc.MonitorRun.of(found), result=result)
    return ApiResponse(200, shown.model_dump(mode="json"))


async def cancel_monitor_run(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """End a run."""
    found = await plane.monitor_runs.get(request.route["monitor_run_id"])
    ended = await plane.monitor_runs.cancel(found, request.cause)
    return await looked_at(ended, plane, "monitor-runs", doc.MonitorRun.of)
