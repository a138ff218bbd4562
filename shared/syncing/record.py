"""Applies files somebody sent, and records it as a sync."""

from __future__ import annotations

from collections.abc import Sequence

from shared.commit import Current, Draft
from shared.events import types
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, ResourceKey, with_condition
from shared.resources.sync import (
    KIND,
    FileOutcome,
    FileResult,
    SyncPhase,
    SyncSpec,
    SyncStatus,
    bounded,
    counted,
    phase_of,
    sync_id,
)
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from shared.syncing.world import World

EVENTS = {
    SyncPhase.SUCCEEDED: types.SYNC_SUCCEEDED,
    SyncPhase.PARTIALLY_SUCCEEDED: types.SYNC_PARTIALLY_SUCCEEDED,
    SyncPhase.FAILED: types.SYNC_FAILED,
    SyncPhase.SUPERSEDED: types.SYNC_SUPERSEDED,
}


async def apply_and_record(
    tree: SourceTree, paths: Sequence[str] | None, spec: SyncSpec, world: World, cause: Cause
) -> tuple[str, tuple[FileOutcome, ...]]:
    """What became of each file, and the id of the sync that records it; "" for a dry run, which leaves nothing.
    Raises what apply_tree raises."""
    assert spec.provenance is not None
    begun = world.clock.now()
    outcomes = await apply_tree(tree, paths, spec.provenance, world, cause, dry_run=spec.dry_run, prune=spec.prune)
    if spec.dry_run:
        return "", outcomes
    key = ResourceKey(KIND, sync_id(spec.repository, cause.id, begun.isoformat()))
    status = finished(SyncStatus(started_at=begun, commit=spec.provenance.commit), outcomes, world)

    async def change(current: Current) -> Sequence[Draft]:
        return (
            Draft(
                key, spec.model_dump(mode="json"), status.model_dump(mode="json"), events=events_of(key, spec, status)
            ),
        )

    await world.committer.transact((key,), change, cause)
    return key.name, outcomes


def finished(status: SyncStatus, outcomes: Sequence[FileOutcome], world: World) -> SyncStatus:
    """The status of a sync whose files were applied with these outcomes."""
    files, left_out = bounded(one for one in outcomes if one.result != FileResult.IGNORED)
    phase = phase_of(outcomes)
    counts = counted(outcomes)
    told = ", ".join(f"{number} {result}" for result, number in counts.items()) or "no declared files"
    condition = Condition(
        type="Applied",
        status=ConditionStatus.TRUE if phase == SyncPhase.SUCCEEDED else ConditionStatus.FALSE,
        reason=phase,
        message=told,
        last_transition_time=world.clock.now(),
    )
    return status.model_copy(
        update={
            "phase": phase,
            "counts": counts,
            "files": files,
            "files_left_out": left_out,
            "conditions": with_condition(status.conditions, condition),
            "finished_at": world.clock.now(),
        }
    )


def events_of(key: ResourceKey, spec: SyncSpec, status: SyncStatus) -> tuple[types.EventDraft, ...]:
    """What the end of a sync announces; () for one that was skipped."""
    type_ = EVENTS.get(SyncPhase(status.phase))
    data = {
        "phase": status.phase,
        "repository": spec.repository,
        "ref": spec.ref,
        "commit": status.commit or spec.commit,
        "trigger": spec.trigger,
        "dryRun": spec.dry_run,
        "counts": status.counts,
        "message": "; ".join(one.message for one in status.conditions if one.type == "Applied"),
    }
    return (types.sync_event(type_, key.name, **data),) if type_ else ()


def sync_of(resource: Resource) -> tuple[SyncSpec, SyncStatus]:
    """What was asked of a sync, and what is so."""
    return SyncSpec.model_validate(resource.spec), SyncStatus.model_validate(resource.status)
