"""Waits for a job of this machine, and passes on what it prints."""

from __future__ import annotations

import asyncio

from shared.adapters.local.builds import Say
from shared.adapters.local.job_runner import LocalJobRunner
from shared.errors import AlreadyExists
from shared.packaging.server_packages import ROOT
from shared.ports import JobPhase, JobProgress, JobReason, JobSpec

LOOK_S = 0.1
WORKER_ENVIRON = {"PYTHONPATH": str(ROOT)}  # of a job that is a module of Slipway's own


async def followed(jobs: LocalJobRunner, spec: JobSpec, say: Say = lambda line: None) -> JobProgress:
    """How the job ended; one that an earlier control plane started is taken over. Each line that it prints is said.
    Nothing of it is left when this returns, raises or is cancelled."""
    printed = ""
    try:
        await _begin(jobs, spec)
        while True:
            seen = await jobs.look(spec.name)
            news = seen.log[len(printed) :] if seen.log.startswith(printed) else seen.log
            whole = news if seen.has_ended else news[: news.rfind("\n") + 1]
            for line in whole.splitlines():
                say(line)
            printed = seen.log[: len(seen.log) - len(news) + len(whole)]
            if seen.has_ended:
                return seen
            await asyncio.sleep(LOOK_S)
    finally:
        await jobs.remove(spec.name)


async def _begin(jobs: LocalJobRunner, spec: JobSpec) -> None:
    """Have it started. One of an earlier control plane that ended with that, or was to do something else, is started
    anew."""
    try:
        await jobs.start(spec)
        seen = await jobs.look(spec.name)
        if seen.phase is not JobPhase.CANCELED and seen.reason is not JobReason.LOST:
            return
    except AlreadyExists:
        pass  # what it was to do has changed with the settings: the former one is ended below
    await jobs.remove(spec.name)
    await jobs.start(spec)
