"""The controller of syncs: fetches the commit, applies its declared files, and tells the host what became of it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from shared.commit import Current, Draft
from shared.controllers.outcome import Controller, Deps, Outcome
from shared.controllers.sync_decision import Apply, Begin, Seen, Skip, Supersede, decide
from shared.errors import NotFound, Retryable, SlipwayError
from shared.leases import Leases
from shared.ports import CommitState, GitRemote, Snapshot
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
from shared.syncing.blob_tree import CONFIG, CONFIG_PROVENANCE, state_of, tree_of
from shared.syncing.record import events_of, finished, sync_of
from shared.syncing.report import comment_of, description_of
from shared.syncing.report import state_of as commit_state_of
from shared.syncing.tree import SourceTree

log = logging.getLogger(__name__)

TURN_S = 30.0  # how long a branch stays with a sync whose process died; one that lives keeps it and gives it up
WAIT_FOR_TURN_S = 1.0


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when a store or the repository's host is not available."""
    spec, status = sync_of(resource)
    status.observed_generation = resource.generation
    if status.phase == SyncPhase.PENDING:
        status.phase, status.started_at = SyncPhase.APPLYING, deps.clock.now()
        return Outcome(status, unfinished=True, look_again_after_s=0)
    async with turn_of(deps, spec, resource.name) as is_its_turn:
        if not is_its_turn:
            return Outcome(status, unfinished=True, look_again_after_s=WAIT_FOR_TURN_S)
        sync = _Sync(resource, spec, status, deps, cause)
        try:
            return await sync.go_on()
        except SlipwayError as error:
            if error.http_status >= 500 and error.http_status != 501:
                raise
            return await sync.failed(error)


@asynccontextmanager
async def turn_of(deps: Deps, spec: SyncSpec, sync_id_: str) -> AsyncIterator[bool]:
    """Whether it is this sync's turn on its branch, kept for as long as the context lasts; a dry run waits for nobody.
    Two who work on the same sync are two."""
    if spec.dry_run:
        yield True
        return
    name, holder = f"git-{sync_id(spec.repository, spec.ref)}", f"{sync_id_} {secrets.token_hex(4)}"
    leases = Leases(deps.store, deps.clock, holder)
    async with leases.turn(name, duration_s=TURN_S, release=True) as is_ours:
        yield is_ours


class _Sync:
    """Takes the step that was decided and says what is so then."""

    def __init__(self, resource: Resource, spec: SyncSpec, status: SyncStatus, deps: Deps, cause: Cause) -> None:
        self.key = resource.key
        self.spec = spec
        self.status = status
        self.deps = deps
        self.cause = cause
        self.announced: str | None = None  # the commit that the host was told to be under way
        self.ref_key = ResourceKey(REF_KIND, sync_id(spec.repository, spec.ref))

    @property
    def repository(self) -> GitRepository:
        """The repository, as it is configured now. Raises NotFound."""
        return self.deps.git.named(self.spec.repository)

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
        if self.spec.trigger == Trigger.STORAGE:
            return Seen(state_of(await self.deps.uploads.list_blobs(CONFIG, "")), await self._applied())
        if self.spec.ref is None or not self.repository.follows(self.spec.ref):
            return Seen(None, None, is_followed=False)
        remote = self.deps.git.remote(self.repository)
        tip, applied = await remote.resolve(self.spec.ref), await self._applied()
        return Seen(tip, applied, is_older=await self._is_older(remote, tip, applied))

    async def _is_older(self, remote: GitRemote, tip: str | None, applied: str | None) -> bool:
        """Whether the remote shows an ancestor of what was applied, though this push did not say that the branch went
        back from there. Pushes that follow each other need no look into the history."""
        if self.spec.trigger != Trigger.PUSH or tip is None or applied in (None, tip, self.spec.before):
            return False
        try:
            return await remote.is_ancestor(tip, str(applied))
        except NotFound:  # the remote has not what was applied any more: the branch was forced elsewhere
            return False

    async def _applied(self) -> str | None:
        """What was applied last; None also for what this very sync applied before it died: done again, it is told."""
        found = await self.deps.store.read(self.ref_key)
        last = RefStatus.model_validate(found.status) if found else RefStatus()
        return last.commit if last.sync_id != self.key.name else None

    async def _apply_container(self) -> Outcome:
        blobs = await self.deps.uploads.list_blobs(CONFIG, "")
        tree = await tree_of(CONFIG, blobs, self.deps.uploads, self.deps.artifacts)
        outcomes = await apply_tree(tree, None, CONFIG_PROVENANCE, self.deps, self.cause)
        self.status.commit = state_of(blobs)
        self.status = finished(self.status, outcomes, self.deps)
        await self._note_applied(self.status.commit or "")
        return Outcome(self.status, events_of(self.key, self.spec, self.status))

    async def _apply(self, commit: str) -> Outcome:
        if self.spec.trigger == Trigger.STORAGE:
            return await self._apply_container()
        remote = self.deps.git.remote(self.repository)
        self.announced = commit
        await self._report(commit, "pending", "Slipway applies the declared files")
        snapshot = await remote.snapshot(commit)
        outcomes: list[FileOutcome] = []
        for folder in self.repository.folders:
            tree = SourceTree.of_snapshot(snapshot, lambda path: remote.open_file(commit, path), folder)
            provenance = provenance_of(self.repository, self.spec, snapshot, folder)
            done = await apply_tree(
                tree, None, provenance, self.deps, self.cause, dry_run=self.spec.dry_run, prune=self.repository.prune
            )
            outcomes += [one.below(provenance.folder) for one in done]
        self.status.commit = commit
        self.status = finished(self.status, outcomes, self.deps)
        if not self.spec.dry_run:
            await self._note_applied(commit)
        await self._report(commit, commit_state_of(self.status), description_of(self.status))
        if self.spec.pull_request is not None:
            await self._comment(self.spec.pull_request, comment_of(self.status))
        return Outcome(self.status, () if self.spec.dry_run else events_of(self.key, self.spec, self.status))

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

    async def failed(self, error: SlipwayError) -> Outcome:
        """What is so when it cannot be done; a host that was told it is under way is told."""
        message = f"{error.message}; {error.remedy}" if error.remedy else error.message
        if self.announced is not None:
            await self._report(self.announced, "failure", error.message)
        return self._ended(SyncPhase.FAILED, error.code, message)

    def _ended(self, phase: SyncPhase, reason: str, message: str) -> Outcome:
        self.status.phase, self.status.finished_at = phase, self.deps.clock.now()
        condition = _condition("Applied", reason, message, self.deps)
        self.status.conditions = with_condition(self.status.conditions, condition)
        return Outcome(self.status, events_of(self.key, self.spec, self.status))


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
