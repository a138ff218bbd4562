"""Jobs of Slipway's own image, done in this process: what a pod would do with the same blobs, without its identity."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from shared.adapters.azure.collected_data import CollectedData
from shared.errors import NotFound, SlipwayError
from shared.ports import ArtifactStore, JobPhase, JobProgress, JobReason, JobSpec
from shared.resources.build import StoredText
from shared.resources.job_work import WORK
from shared.worker.works import Tools, done


class WorkerJobs:
    """A JobRunner; `service` is the client of the blobs, `folder` the pods' temporary one."""

    def __init__(self, service: Any, artifacts: ArtifactStore, folder: Path) -> None:
        self._service, self._artifacts, self._folder = service, artifacts, folder
        self._tasks: dict[str, asyncio.Task[str]] = {}
        self._logs: dict[str, list[str]] = {}
        self.started: list[str] = []  # names, in their order

    async def start(self, spec: JobSpec) -> None:
        """See JobRunner."""
        if spec.name in self._tasks:
            return
        self.started.append(spec.name)
        self._logs[spec.name] = []
        self._tasks[spec.name] = asyncio.create_task(self._work(spec))

    async def look(self, name: str) -> JobProgress:
        """See JobRunner."""
        if name not in self._tasks:
            raise NotFound(f"there is no job {name}")
        task, log = self._tasks[name], "".join(f"{line}\n" for line in self._logs[name])
        if not task.done():
            return JobProgress(JobPhase.RUNNING, log=log)
        error = task.exception()
        if error is not None:
            return JobProgress(JobPhase.FAILED, JobReason.EXIT_CODE, exit_code=1, log=f"{log}{error}")
        return JobProgress(JobPhase.SUCCEEDED, exit_code=0, log=log, result=task.result())

    async def cancel(self, name: str) -> None:
        """See JobRunner."""
        if name in self._tasks:
            self._tasks[name].cancel()

    async def remove(self, name: str) -> None:
        """See JobRunner."""
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, SlipwayError):
                await task

    async def _work(self, spec: JobSpec) -> str:
        document = b"".join([chunk async for chunk in self._artifacts.read(spec.command[-1])])
        folder = self._folder / spec.name
        store, collected = self._artifacts, CollectedData(self._service)
        tools = Tools(store.read, store.put, collected, folder, self._logs[spec.name].append)
        outcome = await done(WORK.validate_json(document), tools)
        stored = await self._artifacts.put(_once(outcome.model_dump_json().encode()))
        return StoredText(sha256=stored.sha256, size_bytes=stored.size_bytes).model_dump_json()


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
