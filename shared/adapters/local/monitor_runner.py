"""Runs of monitors on this machine: the statistics in a process, on what local deployments collected."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.adapters.local.component_process import ComponentProcess
from shared.adapters.local.data_profiler import LocalDataProfiler
from shared.adapters.local.job_runner import LocalJobRunner
from shared.adapters.local.statistics import calculate, fetch, fetched, tidy, work_folder
from shared.errors import Permanent
from shared.monitors.assets import data_sets
from shared.monitors.collected_layout import folders_of, hour_of, is_needed
from shared.monitors.windows import Window
from shared.ports import DataProfileProgress, DataProfileRequest, MonitorProgress, MonitorRunRequest
from shared.resources.monitor_request import DataFile, DataSet, SignalRequest
from shared.resources.monitor_result import MonitorResult

WORKER = "shared.monitoring.worker"
JOBS = "jobs"


class LocalMonitorRunner:
    """A MonitorRunner. `folder` holds what is read while a run lasts; `collected` is what deployments write to. A run
    whose control plane ended is begun again by the next one, and comes to the same."""

    def __init__(self, folder: Path, collected: Path, timeout_s: float) -> None:
        self._folder = folder.resolve()
        self._collected = collected.resolve()
        self._timeout_s = timeout_s
        self._builds = LocalBuilds(self._folder)
        self._jobs = LocalJobRunner(self._folder / JOBS)
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
        for left in (self._folder / JOBS).glob(f"{monitor_run_id}.*"):  # its components
            await self._jobs.remove(left.name)
        tidy(self._folder, monitor_run_id)

    async def profile(self, request: DataProfileRequest) -> DataProfileProgress:
        """See MonitorRunner."""
        return await self._profiler.profile(request)

    async def _run(self, asked: MonitorRunRequest, say: Say) -> Made:
        with work_folder(self._folder, asked.request.run_id) as work:
            request = asked.request.model_copy(deep=True)
            for number, signal in enumerate(request.signals):
                for data in data_sets(signal):
                    as_rows = data is not signal.reference or signal.name in asked.reading_rows
                    await self._give_files(asked, data, work, as_rows=as_rows)
                    say(f"{signal.name}: {_told(data)}")
                if signal.name in asked.components:
                    await self._run_component(asked, signal, work, f"{asked.request.run_id}.{number}", say)
            (work / "request.json").write_text(request.model_dump_json())
            paths = [work / "request.json", work / "result.json"]
            await calculate(self._jobs, asked.request.run_id, WORKER, paths, self._timeout_s, {})
            say("calculated")
            return Made((work / "result.json").read_text(), 0)

    async def _run_component(
        self, asked: MonitorRunRequest, signal: SignalRequest, work: Path, job: str, say: Say
    ) -> None:
        """What it wrote becomes the signal's data; a component that fails makes its signal fail, and no other."""
        place = Path(tempfile.mkdtemp(prefix="component-", dir=work))
        run, names = asked.components[signal.name], {name: one.label for name, one in signal.inputs.items()}
        tables = {name: asked.assets[label].table for name, label in names.items() if label in asked.assets}
        try:
            process = ComponentProcess(run, place, self._jobs, job, self._timeout_s)
            await process.prepare(asked.read_file, signal.inputs, tables)
            say(f"{signal.name}: running {run.command[:200]}")
            signal.production.files = await process.metrics(say)
        except Permanent as error:
            signal.unavailable = str(error)
        finally:
            signal.inputs = {}

    async def _give_files(self, asked: MonitorRunRequest, data: DataSet, work: Path, *, as_rows: bool) -> None:
        if data.label in asked.collected:
            assert data.window_start is not None
            assert data.window_end is not None
            window = Window(data.window_start, data.window_end)
            data.files = await asyncio.to_thread(_collected, self._collected / asked.collected[data.label], window)
            return
        if data.label not in asked.assets:
            return  # what a component will have written
        given = asked.assets[data.label]
        if given.sketch is not None and not as_rows:
            path = work / f"{given.sketch.sha256}.sketch"
            if not path.exists():
                await fetch(given.sketch.sha256, asked.read_file, path)
            data.sketches = [str(path)]
            return
        data.files = await fetched(given.table, asked.read_file, work)
        data.only_columns, data.without_columns = given.table.only_columns, given.table.without_columns


def _told(data: DataSet) -> str:
    return f"the sketch of {data.label}" if data.sketches else f"{len(data.files)} files of {data.label}"


def _collected(folder: Path, window: Window) -> list[DataFile]:
    """The files that may hold rows of the window, the oldest first; [] where nothing was collected."""
    found = []
    for day in folders_of(window):
        for path in sorted((folder / day).rglob("*.jsonl")):
            name = path.relative_to(folder).as_posix()
            if is_needed(name, window):
                found.append(DataFile(path=str(path), format="collected", begins=hour_of(name)))
    return found
