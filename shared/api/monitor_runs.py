"""REST: runs of monitors."""

from __future__ import annotations

import json
from typing import Any

from shared.api.documents import monitor_runs as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.work import looked_at, newest_first
from shared.bootstrap import ControlPlane
from shared.ports import ResourceQuery
from shared.resources.monitor import KIND as MONITOR
from shared.resources.monitor_run import KIND, MonitorRunStatus
from shared.resources.search import field_term


async def run_monitor(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Begin a run of a monitor."""
    made = await plane.monitor_runs.ask(request.route["name"], request.cause)
    return await looked_at(made, plane, "monitor-runs", doc.MonitorRun.of)


async def enable_monitor(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Let a monitor's trigger start runs; times while it was disabled start none."""
    found = await plane.monitor_schedules.set_disabled(request.route["name"], False, request.cause)
    return ApiResponse(200, doc.MonitorSchedule.of(found, plane.deps.clock.now()).model_dump(mode="json"))


async def disable_monitor(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Let a monitor's trigger start nothing."""
    found = await plane.monitor_schedules.set_disabled(request.route["name"], True, request.cause)
    return ApiResponse(200, doc.MonitorSchedule.of(found, plane.deps.clock.now()).model_dump(mode="json"))


async def list_monitors(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Monitors by name, and when they run."""
    query = ResourceQuery(MONITOR, limit=request.limit(), after=request.continuation)
    page = await plane.deps.store.list_resources(query)
    now = plane.deps.clock.now()
    items = [doc.MonitorSchedule.of(one, now).model_dump(mode="json") for one in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def list_monitor_runs(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Runs of monitors, newest first; those of one with `monitor`."""
    monitor = request.query.get("monitor", "")
    terms = (field_term("monitor", monitor),) if monitor else ()
    return await newest_first(request, plane, KIND, doc.MonitorRun.of, terms)


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
