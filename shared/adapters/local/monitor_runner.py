"""Runs of monitors on this machine: the statistics in a process, on what local deployments collected."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.errors import Invalid, Permanent
from shared.monitors.collected_layout import folders_of, hour_of, is_needed
from shared.monitors.windows import Window
from shared.packaging.server_packages import ROOT
from shared.ports import MonitorProgress, MonitorRunRequest
from shared.resources.monitor_request import DataFile, DataSet, FileFormat
from shared.resources.monitor_result import MonitorResult

WORKER = "shared.monitoring.worker"
_FORMATS: dict[str, FileFormat] = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}


class LocalMonitorRunner:
    """A MonitorRunner. `folder` holds what is read while a run lasts; `collected` is what deployments write to. A run
    whose control plane ended is begun again by the next one, and comes to the same."""

    def __init__(self, folder: Path, collected: Path, timeout_s: float) -> None:
        self._folder = folder.resolve()
        self._collected = collected.resolve()
        self._timeout_s = timeout_s
        self._builds = LocalBuilds(self._folder)

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
        self._tidy(monitor_run_id)

    async def _run(self, asked: MonitorRunRequest, say: Say) -> Made:
        self._tidy(asked.request.run_id)
        work = Path(tempfile.mkdtemp(prefix=f"{asked.request.run_id}-", dir=self._folder))
        try:
            request = asked.request.model_copy(deep=True)
            for signal in request.signals:
                for data in (signal.production, *([signal.reference] if signal.reference else [])):
                    data.files = await self._files(asked, data, work)
                    say(f"{signal.name}: {len(data.files)} files of {data.label}")
            (work / "request.json").write_text(request.model_dump_json())
            await self._work(work, say)
            return Made((work / "result.json").read_text(), 0)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _tidy(self, run_id: str) -> None:
        """Remove what a control plane that was killed left. Its statistics may still run: they write there, and nowhere
        else."""
        for left in self._folder.glob(f"{run_id}-*"):
            shutil.rmtree(left, ignore_errors=True)

    async def _files(self, asked: MonitorRunRequest, data: DataSet, work: Path) -> list[DataFile]:
        if data.label in asked.collected:
            assert data.window_start is not None
            assert data.window_end is not None
            window = Window(data.window_start, data.window_end)
            return await asyncio.to_thread(_collected, self._collected / asked.collected[data.label], window)
        found = []
        for number, file in enumerate(asked.assets[data.label]):
            suffix = Path(file.path).suffix
            if suffix not in _FORMATS:
                raise Invalid(f"{file.path!r} cannot be read", remedy=f"use one of {', '.join(_FORMATS)}")
            path = work / f"{file.sha256}-{number}{suffix}"
            with path.open("wb") as out:
                async for chunk in asked.read_file(file.sha256):
                    await asyncio.to_thread(out.write, chunk)
            found.append(DataFile(path=str(path), format=_FORMATS[suffix]))
        return found

    async def _work(self, work: Path, say: Say) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", WORKER, str(work / "request.json"), str(work / "result.json")),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                printed = (await process.communicate())[0].decode(errors="replace").strip()
        except TimeoutError as error:
            raise Permanent(f"the run did not end within {self._timeout_s:.0f} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            raise Permanent(f"the statistics ended with {process.returncode}: {printed[-2000:]}")
        say("calculated")


def _collected(folder: Path, window: Window) -> list[DataFile]:
    """The files that may hold rows of the window, the oldest first; [] where nothing was collected."""
    found = []
    for day in folders_of(window):
        for path in sorted((folder / day).rglob("*.jsonl")):
            name = path.relative_to(folder).as_posix()
            if is_needed(name, window):
                found.append(DataFile(path=str(path), format="collected", begins=hour_of(name)))
    return found
