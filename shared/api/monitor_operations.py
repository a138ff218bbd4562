"""The REST operations of monitors and their runs."""

from __future__ import annotations

from shared.api import monitor_runs as handlers
from shared.api.collection_windows import list_collection_windows
from shared.api.documents import collection_windows as windows
from shared.api.documents import monitor_runs as doc
from shared.api.operation import BODY_ERRORS, PAGING, Operation

_ONE = "monitor-runs/{monitor_run_id}"
MONITOR_RUNS = (
    Operation(
        "list_monitors",
        "GET",
        "monitors",
        handlers.list_monitors,
        {200: doc.MonitorSchedulePage},
        (400, 422),
        query=PAGING,
    ),
    Operation(
        "enable_monitor", "POST", "monitors/{name}/enable", handlers.enable_monitor, {200: doc.MonitorSchedule}, (404,)
    ),
    Operation(
        "disable_monitor",
        "POST",
        "monitors/{name}/disable",
        handlers.disable_monitor,
        {200: doc.MonitorSchedule},
        (404,),
    ),
    Operation("run_monitor", "POST", "monitors/{name}/run", handlers.run_monitor, {202: doc.MonitorRun}, (404, 422)),
    Operation(
        "backfill_monitor",
        "POST",
        "monitors/{name}/backfill",
        handlers.backfill_monitor,
        {202: doc.MonitorBackfill},
        (*BODY_ERRORS, 404),
        doc.BackfillRequest,
    ),
    Operation(
        "list_monitor_runs",
        "GET",
        "monitor-runs",
        handlers.list_monitor_runs,
        {200: doc.MonitorRunPage},
        (400, 422),
        query=(*PAGING, "monitor"),
    ),
    Operation(
        "list_collection_windows",
        "GET",
        "collection-windows",
        list_collection_windows,
        {200: windows.CollectionWindowPage},
        (400, 404, 422),
        query=(*PAGING, "monitor"),
    ),
    Operation("get_monitor_run", "GET", _ONE, handlers.get_monitor_run, {200: doc.MonitorRunFound}, (404,)),
    Operation(
        "cancel_monitor_run",
        "POST",
        f"{_ONE}/cancel",
        handlers.cancel_monitor_run,
        {202: doc.MonitorRun},
        (404, 422),
    ),
)
