"""Work that is done in a job of Slipway's own image: begun, looked at, and its outcome read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from shared.errors import NotFound, Permanent, Retryable, TooLarge
from shared.ports import ArtifactStore, JobLimits, JobPhase, JobProgress, JobReason, JobRunner, JobSpec, JobStep
from shared.ports.jobs import FOLDER_VARIABLE
from shared.resources.base import Document
from shared.resources.build import StoredText
from shared.resources.job_work import AnyWork

MODULE = "shared.worker"
TRY_AGAIN = 75  # its exit code when a service did not answer: EX_TEMPFAIL of sysexits.h
ENDING_S = 30.0  # between SIGTERM and SIGKILL
PREPARING_S = 600.0  # beyond the work's own time: for fetching its files and storing what came out
MAX_OUTCOME_BYTES = 64 * 2**20
TOLD = 2000  # characters of what a job printed that are told when it failed

T = TypeVar("T", bound=Document)


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """What all such jobs have."""

    image: str  # with Slipway and what the work needs
    blobs_url: str  # of the account with the artifacts and the collected data
    identity: str  # the service account that may read and write there
    limits: JobLimits


class JobWorks:
    """The works. `open_runner` gives the cluster's runner when it is needed first; it may raise NotSupported and
    Invalid."""

    def __init__(self, open_runner: Callable[[], JobRunner], artifacts: ArtifactStore, place: WorkerPlace) -> None:
        self._open_runner = open_runner
        self._artifacts = artifacts
        self._place = place
        self._opened: JobRunner | None = None

    async def look(self, name: str, work: AnyWork, run_id: str) -> JobProgress:
        """How far the job of this name is; `run_id` is "" before its first look was remembered. It is begun when there
        is none, and anew when the one there is another time's, or was ended from outside. Raises Retryable also when
        the job could not reach a service: it is begun anew at the next look."""
        try:
            seen = await self._runner.look(name)
        except NotFound:
            return await self._begun(name, work)
        if seen.has_ended and (not run_id or seen.phase is JobPhase.CANCELED or seen.reason is JobReason.LOST):
            await self._runner.remove(name)
            return await self._begun(name, work)
        if seen.exit_code == TRY_AGAIN:
            await self._runner.remove(name)
            raise Retryable(f"the job {name}: {_end_of(seen) or 'a service did not answer'}")
        return seen

    async def outcome(self, seen: JobProgress, model: type[T]) -> T:
        """What came of a job that has ended. Raises Permanent when it did not do its work, and says why."""
        if seen.phase is not JobPhase.SUCCEEDED:
            raise Permanent(_why(seen), remedy=_REMEDIES.get(seen.reason))
        try:
            named = StoredText.model_validate_json(seen.result)
            if named.size_bytes > MAX_OUTCOME_BYTES:
                raise TooLarge(f"the outcome has {named.size_bytes} bytes; at most {MAX_OUTCOME_BYTES} are read")
            return model.model_validate_json(b"".join([chunk async for chunk in self._artifacts.read(named.sha256)]))
        except ValidationError as error:
            remedy = "give SLIPWAY_JOB_IMAGE the image of this version of Slipway"
            raise Permanent("the job's outcome is none that is known here", remedy=remedy) from error

    async def cancel(self, name: str) -> None:
        """End it; nothing happens when it has ended."""
        await self._runner.cancel(name)

    async def forget(self, name: str) -> None:
        """Remove it with its log, so that the next look begins it anew."""
        await self._runner.remove(name)

    @property
    def _runner(self) -> JobRunner:
        if self._opened is None:
            self._opened = self._open_runner()
        return self._opened

    async def _begun(self, name: str, work: AnyWork) -> JobProgress:
        stored = await self._artifacts.put(_once(work.model_dump_json().encode()))
        command, steps = _commands(work, self._place.blobs_url, stored.sha256)
        await self._runner.start(
            JobSpec(
                name,
                command,
                image=self._place.image,
                environ={"PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1"},
                limits=self._place.limits,
                identity=self._place.identity,
                steps=steps,
                timeout_s=work.timeout_s + PREPARING_S,
                stop_timeout_s=ENDING_S,
            )
        )
        return JobProgress(JobPhase.PENDING)


def _commands(work: AnyWork, blobs_url: str, sha256: str) -> tuple[tuple[str, ...], tuple[JobStep, ...]]:
    """The job's own program, and the steps before it. Others' code runs in a step between those that fetch and store
    as the identity, and has no part of it."""
    program = ("python3", "-m", MODULE)
    if not work.runs_others_code:
        return (*program, "do", blobs_url, sha256), ()
    folder = f"$({FOLDER_VARIABLE})"
    fetch = JobStep("fetch", (*program, "fetch", blobs_url, sha256, folder), has_identity=True)
    return (*program, "store", blobs_url, sha256, folder), (fetch, JobStep("run", (*program, "run", folder)))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def log_of(seen: JobProgress) -> str:
    """What people are told of a job: what it printed, or what it waits for."""
    return seen.log or seen.message


def _end_of(seen: JobProgress) -> str:
    return seen.log.strip()[-TOLD:]


def _why(seen: JobProgress) -> str:
    said = seen.message or str(seen.reason) or str(seen.phase)
    printed = _end_of(seen) if seen.reason is JobReason.EXIT_CODE else ""
    return f"its job did not end well: {said}" + (f": {printed}" if printed else "")


_REMEDIES = {
    JobReason.OOM_KILLED: "give jobs more memory: SLIPWAY_JOB_MEMORY_GB",
    JobReason.IMAGE_NOT_PULLED: "push the image that SLIPWAY_JOB_IMAGE names, and let the nodes pull it",
    JobReason.UNSCHEDULABLE: "give the cluster room, or jobs less: SLIPWAY_JOB_CPU, SLIPWAY_JOB_MEMORY_GB",
}
