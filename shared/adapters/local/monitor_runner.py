"""Runs of monitors on this machine: the statistics in a process, on what local deployments collected."""

from __future__ import annotations

import asyncio
from pathlib import Path

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.adapters.local.data_profiler import LocalDataProfiler
from shared.adapters.local.job_runner import LocalJobRunner
from shared.adapters.local.statistics import calculate, fetch, fetched, tidy, work_folder
from shared.monitors.collected_layout import folders_of, is_needed
from shared.monitors.windows import Window
from shared.ports import DataProfileProgress, DataProfileRequest, MonitorProgress, MonitorRunRequest
from shared.resources.monitor_request import DataFile, DataSet
from shared.resources.monitor_result import MonitorResult

WORKER = "shared.monitoring.worker"


class LocalMonitorRunner:
    """A MonitorRunner. `folder` holds what is read while a run lasts; `collected` is what deployments write to. A run
    whose control plane ended is begun again by the next one, and comes to the same."""

    def __init__(self, folder: Path, collected: Path, timeout_s: float) -> None:
        self._folder = folder.resolve()
        self._collected = collected.resolve()
        self._timeout_s = timeout_s
        self._builds = LocalBuilds(self._folder)
        self._jobs = LocalJobRunner(self._folder / "jobs")
        self._profiler = LocalDataProfiler(folder / "profiles", timeout_s)

    async def advance(self, request: MonitorRunRequest, run_id: str) -> MonitorProgress:
        """See MonitorRunner."""
        progress = await self._builds.look(request.request.run_id, lambda say: self._run(request, say))
        if progress.state == "Running":
            return MonitorProgress(progress.run_id, progress.log)
        self._builds.forget(request.request.run_id)
        if progress.state != "Succeeded":
            return MonitorProgress(progress.run_id, progress.log, error=progress.reason or "it was ended")
        result = MonitorResult.model_validate_json(progress.location)
        return MonitorProgress(progress.run_id, progress.log, result)

    async def cancel(self, monitor_run_id: str) -> None:
        """See MonitorRunner."""
        await self._builds.cancel(monitor_run_id)
        await self._jobs.remove(monitor_run_id)
        tidy(self._folder, monitor_run_id)

    async def profile(self, request: DataProfileRequest) -> DataProfileProgress:
        """See MonitorRunner."""
        return await self._profiler.profile(request)

    async def _run(self, asked: MonitorRunRequest, say: Say) -> Made:
        with work_folder(self._folder, asked.request.run_id) as work:
            request = asked.request.model_copy(deep=True)
            for signal in request.signals:
                for data in (signal.production, *([signal.reference] if signal.reference else [])):
                    await self._give_files(asked, data, work, with_rows=signal.name in asked.reading_rows)
                    many = f"{len(data.files)} files" if data.files or not data.sketches else "the sketch"
                    say(f"{signal.name}: {many} of {data.label}")
            (work / "request.json").write_text(request.model_dump_json())
            paths = [work / "request.json", work / "result.json"]
            await calculate(self._jobs, asked.request.run_id, WORKER, paths, self._timeout_s, {})
            say("calculated")
            return Made((work / "result.json").read_text(), 0)

    async def _give_files(self, asked: MonitorRunRequest, data: DataSet, work: Path, *, with_rows: bool) -> None:
        if data.label in asked.collected:
            assert data.window_start is not None
            assert data.window_end is not None
            window = Window(data.window_start, data.window_end)
            data.files = await asyncio.to_thread(_collected, self._collected / asked.collected[data.label], window)
            return
        given = asked.assets[data.label]
        if given.sketch is not None and not with_rows:
            path = work / f"{given.sketch.sha256}.sketch"
            if not path.exists():
                await fetch(given.sketch.sha256, asked.read_file, path)
            data.sketches = [str(path)]
            return
        data.files = await fetched(given.table, asked.read_file, work)
        data.only_columns, data.without_columns = given.table.only_columns, given.table.without_columns


def _collected(folder: Path, window: Window) -> list[DataFile]:
    """The files that may hold rows of the window, the oldest first; [] where nothing was collected."""
    found = []
    for day in folders_of(window):
        for path in sorted((folder / day).rglob("*.jsonl")):
            if is_needed(path.relative_to(folder).as_posix(), window):
                found.append(DataFile(path=str(path), format="collected"))
    return found
