"""What to do next with a sync: pure, `decide(phase, spec, seen) -> next step`.

A push only says "look at this branch": what is applied is the commit that the branch is at when its turn comes, one
sync of a branch at a time. So pushes that come late, twice or in another order never take the state back, and a branch
that was forced elsewhere becomes what it is now. A host that shows an older commit than was applied (a replica that
lags) is believed only when the push itself says that the branch went back from what was applied.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.resources.sync import SyncPhase, SyncSpec, Trigger


@dataclass(frozen=True, slots=True)
class Seen:
    """What is so, as far as a sync is concerned."""

    tip: str | None  # the commit that the branch is at; None when it is gone
    applied: str | None  # the commit of the branch that was applied last
    is_followed: bool = True  # whether the repository's settings name the branch
    is_older: bool = (
        False  # whether the tip is an ancestor of what was applied, and nobody said that the branch went back
    )


@dataclass(frozen=True, slots=True)
class Begin:
    """Say that it is begun; the work comes with the next look."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply this commit."""

    commit: str


@dataclass(frozen=True, slots=True)
class Supersede:
    """Another commit is applied in its place already."""

    by: str


@dataclass(frozen=True, slots=True)
class Skip:
    """There is nothing to do."""

    reason: str
    message: str


Step = Begin | Apply | Supersede | Skip


def decide(phase: SyncPhase, spec: SyncSpec, seen: Seen) -> Step:
    """The next step of an unfinished sync."""
    if phase == SyncPhase.PENDING:
        return Begin()
    if spec.trigger == Trigger.PULL_REQUEST and spec.commit is not None:
        return Apply(spec.commit)  # a dry run of just this commit
    if seen.is_older and seen.applied is not None:
        return Supersede(seen.applied)
    if spec.trigger == Trigger.STORAGE and seen.tip is not None and seen.applied == seen.tip:
        return Skip("AppliedAlready", "the files are applied as they are already")
    if not seen.is_followed:
        return Skip("NotFollowed", f"the settings do not follow {spec.ref}")
    if seen.tip is None:
        return Skip("BranchGone", f"{spec.ref} is gone; what its files declared is left as it is")
    if spec.trigger == Trigger.PUSH and seen.applied == seen.tip and spec.commit is not None:
        if spec.commit == seen.tip:
            return Skip("AppliedAlready", f"{spec.ref} is applied at {seen.tip} already")
        return Supersede(seen.tip)
    return Apply(seen.tip)
