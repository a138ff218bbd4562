"""REST: runs of monitors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from shared.api.documents import monitor_runs as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.work import looked_at, newest_first
from shared.bootstrap import ControlPlane
from shared.errors import Fault, Invalid
from shared.ports import ResourceQuery, WorkMessage
from shared.resources.monitor import KIND as MONITOR
from shared.resources.monitor_run import KIND, MonitorRunStatus
from shared.resources.search import field_term

FIRST_YEAR, LAST_YEAR = 2000, 9999  # of a backfill


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


async def backfill_monitor(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Begin a run for each time of a monitor's trigger in a span that is over, in order."""
    asked = request.json(doc.BackfillRequest)
    start, end = _utc(asked.from_, "/from"), _utc(asked.to, "/to") if asked.to else plane.deps.clock.now()
    runs = await plane.monitor_backfills.begin(request.route["name"], start, end, asked.notify, request.cause)
    for run in [run for run in runs if run.unfinished][:1]:  # each wakes the next; were that lost, the timer does
        await plane.loop.enqueue(WorkMessage(run.key))
    answer = doc.MonitorBackfill(runs=[doc.MonitorRun.of(run) for run in runs])
    return ApiResponse(202, answer.model_dump(mode="json"))


def _utc(time: datetime, pointer: str) -> datetime:
    """Raises Invalid for times before there were monitors, and for those that no calendar has in UTC."""
    if not FIRST_YEAR <= time.year < LAST_YEAR:
        fault = Fault(f"{time.isoformat()} is out of range", pointer, allowed=f"from {FIRST_YEAR} to {LAST_YEAR}")
        raise Invalid("the body is not valid", faults=(fault,))
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


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
