"""Windows of collected data read once, on this machine: sketches at the edges of stored baselines come out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.adapters.local.job_runner import LocalJobRunner
from shared.adapters.local.statistics import calculate, chunks_of, fetch, work_folder
from shared.monitors.collected_layout import data_file, folder_of, window_of
from shared.ports import CollectedSource, WindowSketchProgress, WindowSketchRequest
from shared.resources.build import StoredText
from shared.resources.collection_window import (
    CollectedFile,
    StoredWindow,
    WindowFacts,
    WindowFound,
    WindowOutcome,
    WindowReading,
)

WORKER = "shared.monitoring.window"
AT_ONCE = 1  # processes that read windows: what piled up while nothing ran is caught up with one by one


class LocalWindowSketcher:
    """The part of a MonitorRunner that sketches windows. What a control plane that ended began is begun again by the
    next one, and comes to the same."""

    def __init__(self, folder: Path, collected: CollectedSource, timeout_s: float) -> None:
        self._folder = folder.resolve()
        self._collected = collected
        self._timeout_s = timeout_s
        self._builds = LocalBuilds(self._folder)
        self._jobs = LocalJobRunner(self._folder / "jobs")
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def sketch(self, request: WindowSketchRequest) -> WindowSketchProgress:
        """See MonitorRunner. What has to wait for its turn is not begun."""
        if self._turn.locked() and not self._builds.is_running(request.sketch_id):
            return WindowSketchProgress("", "another window is read, this one waits\n")
        progress = await self._builds.look(request.sketch_id, lambda say: self._when_free(request, say))
        if progress.state == "Running":
            return WindowSketchProgress(progress.run_id, progress.log)
        self._builds.forget(request.sketch_id)
        if progress.state != "Succeeded":
            return WindowSketchProgress(progress.run_id, progress.log, error=progress.reason or "it was ended")
        outcome = WindowOutcome.model_validate_json(progress.location)
        return WindowSketchProgress(progress.run_id, progress.log, outcome)

    async def _when_free(self, asked: WindowSketchRequest, say: Say) -> Made:
        async with self._turn:
            with work_folder(self._folder, asked.sketch_id) as work:
                outcome = await self._read(asked, work, say)
        return Made(outcome.model_dump_json(), 0)

    async def _read(self, asked: WindowSketchRequest, work: Path, say: Say) -> WindowOutcome:
        listed_at = datetime.now(UTC)
        files = await self._files(asked)
        places = await self._collected.fetch(asked.collection, files, work / "collected")
        say(f"{len(places)} files of {asked.collection}/{asked.folder}")
        reading = WindowReading(
            files=[data_file(name, str(path)) for name, path in places.items()],
            baselines={one.sha256: str(work / f"{one.sha256}.sketch") for one in asked.baselines},
        )
        for sha256, path in reading.baselines.items():
            await fetch(sha256, asked.read_file, Path(path))
        (work / "reading.json").write_text(reading.model_dump_json())
        names = {str(path): name for name, path in places.items()}
        arguments = [work / "reading.json", work / "out"]
        await calculate(self._jobs, asked.sketch_id, WORKER, arguments, self._timeout_s, names)
        found = WindowFound.model_validate_json((work / "out" / "found.json").read_bytes())
        say(f"{found.counts.rows} rows")
        if len(places) < len(files) or await self._files(asked) != files:
            return WindowOutcome(counts=found.counts, listed_at=listed_at)
        facts = WindowFacts(found=found, files=files, listed_at=listed_at)
        return WindowOutcome(stored=await _kept(asked, facts, work / "out"), counts=found.counts, listed_at=listed_at)

    async def _files(self, asked: WindowSketchRequest) -> list[CollectedFile]:
        window = window_of(asked.folder)
        found = await self._collected.files(asked.collection, window.start, window.end)
        return [one for one in found if folder_of(one.path) == asked.folder]


async def _kept(asked: WindowSketchRequest, facts: WindowFacts, folder: Path) -> StoredWindow:
    (folder / "facts.json").write_text(facts.model_dump_json())

    async def put(name: str) -> StoredText:
        stored = await asked.keep_file(chunks_of(folder / name))
        return StoredText(sha256=stored.sha256, size_bytes=stored.size_bytes)

    sketches = {one.sha256: await put(one.sha256) for one in asked.baselines}
    return StoredWindow(facts=await put("facts.json"), ids=await put("ids"), sketches=sketches)
