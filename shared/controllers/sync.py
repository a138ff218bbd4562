"""The controller of syncs: fetches the commit, applies its declared files, and tells the host what became of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from shared.commit import Current, Draft
from shared.controllers.outcome import Controller, Deps, Outcome
from shared.controllers.sync_decision import Apply, Begin, Seen, Skip, Supersede, decide
from shared.errors import Retryable, SlipwayError
from shared.leases import Leases
from shared.ports import CommitState, Snapshot
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, ResourceKey, with_condition
from shared.resources.git_repository import GitRepository
from shared.resources.sync import (
    REF_KIND,
    TRANSITIONS,
    FileOutcome,
    Provenance,
    RefSpec,
    RefStatus,
    SyncPhase,
    SyncSpec,
    SyncStatus,
    Trigger,
    sync_id,
)
from shared.syncing.apply import apply_tree
from shared.syncing.record import events_of, finished, sync_of
from shared.syncing.report import comment_of, description_of, state_of
from shared.syncing.tree import SourceTree

log = logging.getLogger(__name__)

TURN_S = 600.0  # how long a branch stays with one sync at the most; it is given up at its end
WAIT_FOR_TURN_S = 1.0


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when a store or the repository's host is not available."""
    spec, status = sync_of(resource)
    status.observed_generation = resource.generation
    if status.phase == SyncPhase.PENDING:
        status.phase, status.started_at = SyncPhase.APPLYING, deps.clock.now()
        return Outcome(status, unfinished=True, look_again_after_s=0)
    turn = Turn(deps, spec, resource.name)
    if not await turn.take():
        return Outcome(status, unfinished=True, look_again_after_s=WAIT_FOR_TURN_S)
    try:
        return await _Sync(resource, spec, status, deps, cause).go_on()
    except SlipwayError as error:
        if error.http_status >= 500 and error.http_status != 501:
            raise
        return _failed(resource, status, error, deps)
    finally:
        await turn.give_up()


class Turn:
    """One sync of a branch at a time; a dry run waits for nobody."""

    def __init__(self, deps: Deps, spec: SyncSpec, holder: str) -> None:
        self._needed = not spec.dry_run
        self._name = f"git-{sync_id(spec.repository, spec.ref)}"
        self._leases = Leases(deps.store, deps.clock, holder)

    async def take(self) -> bool:
        """Whether it is this sync's turn."""
        return not self._needed or await self._leases.acquire(self._name, duration_s=TURN_S)

    async def give_up(self) -> None:
        """Let the next one in; when that fails, it comes in when the time is over."""
        if self._needed:
            await self._leases.release(self._name)


class _Sync:
    """Takes the step that was decided and says what is so then."""

    def __init__(self, resource: Resource, spec: SyncSpec, status: SyncStatus, deps: Deps, cause: Cause) -> None:
        self.key = resource.key
        self.spec = spec
        self.status = status
        self.deps = deps
        self.cause = cause
        self.repository = deps.git.named(spec.repository)
        self.ref_key = ResourceKey(REF_KIND, sync_id(spec.repository, spec.ref))

    async def go_on(self) -> Outcome:
        """What is so after the step."""
        match decide(SyncPhase(self.status.phase), self.spec, await self._seen()):
            case Begin():
                raise Retryable(f"{self.key} is not begun")
            case Skip(reason, message):
                return self._ended(SyncPhase.SKIPPED, reason, message)
            case Supersede(by):
                self.status.superseded_by = by
                return self._ended(SyncPhase.SUPERSEDED, "NewerCommit", f"{by} is applied in its place")
            case Apply(commit):
                return await self._apply(commit)

    async def _seen(self) -> Seen:
        if self.spec.trigger == Trigger.PULL_REQUEST:
            return Seen(None, None)
        if self.spec.ref is None or not self.repository.follows(self.spec.ref):
            return Seen(None, None, is_followed=False)
        found = await self.deps.store.read(self.ref_key)
        applied = RefStatus.model_validate(found.status).commit if found else None
        return Seen(await self.deps.git.remote(self.repository).resolve(self.spec.ref), applied)

    async def _apply(self, commit: str) -> Outcome:
        remote = self.deps.git.remote(self.repository)
        await self._report(commit, "pending", "Slipway applies the declared files")
        snapshot = await remote.snapshot(commit)
        outcomes: list[FileOutcome] = []
        for folder in self.repository.folders:
            tree = SourceTree.of_snapshot(snapshot, lambda path: remote.open_file(commit, path), folder)
            outcomes += await apply_tree(
                tree,
                None,
                provenance_of(self.repository, self.spec, snapshot, folder),
                self.deps,
                self.cause,
                dry_run=self.spec.dry_run,
                prune=self.repository.prune,
            )
        self.status.commit = commit
        self.status = finished(self.status, outcomes, self.deps)
        if not self.spec.dry_run:
            await self._note_applied(commit)
        await self._report(commit, state_of(self.status), description_of(self.status))
        if self.spec.pull_request is not None:
            await self._comment(self.spec.pull_request, comment_of(self.status))
        return Outcome(self.status, () if self.spec.dry_run else events_of(self.key, self.status))

    async def _note_applied(self, commit: str) -> None:
        spec = RefSpec(repository=self.spec.repository, ref=self.spec.ref or "")
        status = RefStatus(commit=commit, sync_id=self.key.name)

        async def change(current: Current) -> Sequence[Draft]:
            return (Draft(self.ref_key, spec.model_dump(mode="json"), status.model_dump(mode="json")),)

        await self.deps.committer.transact((self.ref_key,), change, self.cause)

    async def _report(self, commit: str, state: CommitState, description: str) -> None:
        """Set the commit's status; a host that cannot be told is a condition, and no failure of the sync."""
        try:
            told = await self.deps.git.reporter(self.repository).report(commit, state, description, "")
            self.status.reported = state if told else self.status.reported
        except SlipwayError as error:
            self._not_reported(error)

    async def _comment(self, pull_request: int, text: str) -> None:
        try:
            await self.deps.git.reporter(self.repository).comment(pull_request, text)
        except SlipwayError as error:
            self._not_reported(error)

    def _not_reported(self, error: SlipwayError) -> None:
        log.warning("%s: the host was not told: %s", self.key, error.message)
        condition = _condition("Reported", "HostRefused", error.message, self.deps)
        self.status.conditions = with_condition(self.status.conditions, condition)

    def _ended(self, phase: SyncPhase, reason: str, message: str) -> Outcome:
        self.status.phase, self.status.finished_at = phase, self.deps.clock.now()
        condition = _condition("Applied", reason, message, self.deps)
        self.status.conditions = with_condition(self.status.conditions, condition)
        return Outcome(self.status, events_of(self.key, self.status))


def provenance_of(repository: GitRepository, spec: SyncSpec, snapshot: Snapshot, folder: str) -> Provenance:
    """Where the files of a commit come from."""
    return Provenance(
        source=repository.name,
        repository_url=repository.url,
        ref=spec.ref,
        commit=snapshot.commit,
        folder="" if folder in ("", ".") else folder.strip("/"),
        is_dirty=False,
        author=snapshot.author_name or None,
        committed_at=snapshot.committed_at,
    )


def _failed(resource: Resource, status: SyncStatus, error: SlipwayError, deps: Deps) -> Outcome:
    message = f"{error.message}; {error.remedy}" if error.remedy else error.message
    status.phase, status.finished_at = SyncPhase.FAILED, deps.clock.now()
    status.conditions = with_condition(status.conditions, _condition("Applied", error.code, message, deps))
    return Outcome(status, events_of(resource.key, status))


def _condition(type_: str, reason: str, message: str, deps: Deps) -> Condition:
    return Condition(
        type=type_,
        status=ConditionStatus.FALSE,
        reason=reason,
        message=message[:2000],
        last_transition_time=deps.clock.now(),
    )


def stalled_phase(phase: str) -> str:
    """Failed, where that may come next."""
    return SyncPhase.FAILED if SyncPhase.FAILED in TRANSITIONS[SyncPhase(phase)] else phase


def redriven(resource: Resource, deps: Deps) -> Resource:
    """A sync as if it had just been asked for."""
    status = SyncStatus.model_validate(resource.status).model_copy(update={"phase": SyncPhase.PENDING})
    return resource.model_copy(update={"status": status.model_dump(mode="json"), "unfinished": True})


CONTROLLER = Controller(reconcile, stalled_phase, redriven, subject=lambda key: f"syncs/{key.name}", is_slow=True)
