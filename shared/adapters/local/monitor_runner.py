"""Runs of monitors on this machine: the statistics in a process, on what local deployments collected."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path

from pydantic import TypeAdapter

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.adapters.local.collected_reading import CollectedReading
from shared.adapters.local.component_process import ComponentProcess
from shared.adapters.local.data_profiler import LocalDataProfiler
from shared.adapters.local.job_runner import LocalJobRunner
from shared.adapters.local.statistics import calculate, fetch, fetched, tidy, work_folder
from shared.adapters.local.window_sketcher import LocalWindowSketcher
from shared.errors import Permanent
from shared.monitors.assets import data_sets
from shared.ports import (
    CollectedSource,
    DataProfileProgress,
    DataProfileRequest,
    MonitorProgress,
    MonitorRunRequest,
    WindowSketchProgress,
    WindowSketchRequest,
)
from shared.resources.document import Document
from shared.resources.monitor_request import DataSet, MonitorRequest, SignalRequest
from shared.resources.monitor_result import MonitorResult, RowsAsked

WORKER = "shared.monitoring.worker"
JOBS = "jobs"
_ANSWER: TypeAdapter[MonitorResult | RowsAsked] = TypeAdapter(MonitorResult | RowsAsked)


class _Found(Document):
    """What came of a run."""

    result: MonitorResult
    outdated: list[str]  # windows whose files are others than were sketched


class LocalMonitorRunner:
    """A MonitorRunner. `folder` holds what is read while a run lasts. A run whose control plane ended is begun again by
    the next one, and comes to the same."""

    def __init__(self, folder: Path, collected: CollectedSource, timeout_s: float) -> None:
        self._folder = folder.resolve()
        self._collected = collected
        self._timeout_s = timeout_s
        self._builds = LocalBuilds(self._folder)
        self._jobs = LocalJobRunner(self._folder / JOBS)
        self._profiler = LocalDataProfiler(folder / "profiles", timeout_s)
        self._sketcher = LocalWindowSketcher(folder / "windows", collected, timeout_s)

    async def advance(self, request: MonitorRunRequest, run_id: str) -> MonitorProgress:
        """See MonitorRunner."""
        progress = await self._builds.look(request.request.run_id, lambda say: self._run(request, say))
        if progress.state == "Running":
            return MonitorProgress(progress.run_id, progress.log)
        self._builds.forget(request.request.run_id)
        if progress.state != "Succeeded":
            return MonitorProgress(progress.run_id, progress.log, error=progress.reason or "it was ended")
        found = _Found.model_validate_json(progress.location)
        return MonitorProgress(progress.run_id, progress.log, found.result, outdated=tuple(found.outdated))

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

    async def sketch(self, request: WindowSketchRequest) -> WindowSketchProgress:
        """See MonitorRunner."""
        return await self._sketcher.sketch(request)

    async def _run(self, asked: MonitorRunRequest, say: Say) -> Made:
        with work_folder(self._folder, asked.request.run_id) as work:
            request, outdated = await self._given(asked, work, say)
            as_rows: set[str] = set()
            while isinstance(answer := await self._answer(request, work), RowsAsked):
                if as_rows >= set(answer.rows_of):
                    raise Permanent(f"the statistics asked twice for {', '.join(answer.rows_of)}")
                as_rows |= set(answer.rows_of)
                say(f"rows are read, not their sketches: {', '.join(answer.rows_of)}")
                await self._give_rows(asked, request, work, as_rows)
            say("calculated")
            return Made(_Found(result=answer, outdated=outdated).model_dump_json(), 0)

    async def _answer(self, request: MonitorRequest, work: Path) -> MonitorResult | RowsAsked:
        paths = [work / "request.json", work / "result.json"]
        paths[0].write_text(request.model_dump_json())
        await calculate(self._jobs, request.run_id, WORKER, paths, self._timeout_s, {})
        return _ANSWER.validate_json(paths[1].read_bytes())

    async def _given(self, asked: MonitorRunRequest, work: Path, say: Say) -> tuple[MonitorRequest, list[str]]:
        """The request with what its data sets are to be read from, and the windows whose sketches are outdated."""
        request, outdated = asked.request.model_copy(deep=True), set[str]()
        reading = CollectedReading(self._collected, asked.read_file, work)
        for number, signal in enumerate(request.signals):
            for data in data_sets(signal):
                rows = data is not signal.reference or signal.name in asked.reading_rows
                if data.label in asked.collected:
                    windows = asked.windows.get(signal.name, ()) if data is signal.production else ()
                    outdated |= set(await reading.give(data, asked.collected[data.label], windows))
                else:
                    await self._give_asset(asked, data, work, as_rows=rows)
                say(f"{signal.name}: {_told(data)}")
            if signal.name in asked.components:
                await self._run_component(asked, signal, work, f"{asked.request.run_id}.{number}", say)
        return request, sorted(outdated)

    async def _give_rows(
        self, asked: MonitorRunRequest, request: MonitorRequest, work: Path, as_rows: Collection[str]
    ) -> None:
        """These windows as files, where signals had their sketches."""
        reading = CollectedReading(self._collected, asked.read_file, work, as_rows)
        for signal in request.signals:
            data = signal.production
            if any(hour.window in as_rows for hour in data.hours):
                await reading.give(data, asked.collected[data.label], asked.windows[signal.name])

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

    async def _give_asset(self, asked: MonitorRunRequest, data: DataSet, work: Path, *, as_rows: bool) -> None:
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
    hours = f", the sketches of {len(data.hours)} hours" if data.hours else ""
    return f"the sketch of {data.label}" if data.sketches else f"{len(data.files)} files of {data.label}{hours}"
