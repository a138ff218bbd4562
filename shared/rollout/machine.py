"""The rollout's decision: `decide(state, observation, now)` gives what is remembered next and what is to be done.

It is called again and again (level-triggered): the same state and observation give the same commands until the world
is as wanted, so whoever carries them out may be killed at any moment and begin again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.resources.rollout import TERMINAL, RolloutPhase, RolloutSpec, RolloutStatus
from shared.rollout.analysis import analysed, windows
from shared.rollout.experiment import experiment_of
from shared.rollout.observation import Observation
from shared.rollout.strategy import Split, steps_of
from shared.rollout.transitions import TRANSITIONS, Trigger
from shared.rollout.triggers import Fired, fired, wanted_split

_ANALYSED = frozenset({RolloutPhase.PROGRESSING, RolloutPhase.PAUSED, RolloutPhase.AWAITING_APPROVAL})
_NEXT_STEP = frozenset({Trigger.STEP_DONE, Trigger.APPROVED_STEP})
# A step's own memory, as it is when the step begins.
_NEW_WINDOW: dict[str, Any] = {
    "settled_at": None,
    "stable_before": None,
    "candidate_before": None,
    "looked_samples": 0,
    "breaches": {},
    "results": [],
}


@dataclass(frozen=True, slots=True)
class RolloutState:
    """What was asked for, and how far it is."""

    spec: RolloutSpec
    status: RolloutStatus


@dataclass(frozen=True, slots=True)
class SetTraffic:
    """Patch the endpoint's traffic: these two deployments and the mirror, nobody else's."""

    split: Split


class Happening(StrEnum):
    """What others are told."""

    TRAFFIC_SHIFTED = "TrafficShifted"
    ROLLOUT_PROMOTED = "RolloutPromoted"
    ROLLOUT_ROLLED_BACK = "RolloutRolledBack"


@dataclass(frozen=True, slots=True)
class Announce:
    """Publish an event, in the transaction that keeps `next`."""

    happening: Happening
    split: Split | None  # the traffic that is so now


Command = SetTraffic | Announce


@dataclass(frozen=True, slots=True)
class Decision:
    """What is remembered next, and what is to be done; nothing to do is ()."""

    next: RolloutStatus
    commands: tuple[Command, ...]


def decide(state: RolloutState, seen: Observation, now: datetime) -> Decision:
    """One look. It changes nothing after the end, and ends: in max_duration_s, and twice progress_deadline_s."""
    spec, status = state.spec, state.status
    if status.phase in TERMINAL:
        return Decision(status, ())
    status = _noted(status, seen, now)
    status, settled = _settled(spec, status, seen, now)
    if status.phase in _ANALYSED and status.settled_at is not None:
        status = _looked(spec, status, seen)
    happened = fired(spec, status, seen, now)
    after = _after(status, happened, now).model_copy(update={"request": None})
    commands: list[Command] = []
    wanted = wanted_split(spec, after)
    if wanted is not None and wanted != seen.split:
        commands.append(SetTraffic(wanted))
    return Decision(after, (*commands, *_announced(after, settled, seen.split)))


def _noted(status: RolloutStatus, seen: Observation, now: datetime) -> RolloutStatus:
    """What the first look fixes, and since when the candidate is not ready."""
    update: dict[str, Any] = {"unready_since": None if seen.candidate.ready else status.unready_since or now}
    if status.started_at is None:
        update |= {"started_at": now, "phase_since": now}
    if status.share_percent is None:
        update["share_percent"] = seen.split.stable + seen.split.candidate
    return status.model_copy(update=update)


def _settled(spec: RolloutSpec, status: RolloutStatus, seen: Observation, now: datetime) -> tuple[RolloutStatus, bool]:
    """The step's window begins when its traffic is so; whether that is now."""
    if status.phase not in _ANALYSED or status.settled_at is not None or seen.split != wanted_split(spec, status):
        return status, False
    update = {
        "settled_at": now,
        "stable_before": seen.stable.counters,
        "candidate_before": seen.candidate.counters,
    }
    return status.model_copy(update=update), True


def _looked(spec: RolloutSpec, status: RolloutStatus, seen: Observation) -> RolloutStatus:
    before, status = status, analysed(spec, status, seen)
    if before.experiment is not None and before.looks == status.looks:
        return status  # what people see between two looks would be a look too
    counted = windows(steps_of(spec)[status.step], status, seen)
    experiment = experiment_of(spec, seen, counted, status.looks)
    return status if experiment is None else status.model_copy(update={"experiment": experiment})


def _after(status: RolloutStatus, happened: Fired | None, now: datetime) -> RolloutStatus:
    following = TRANSITIONS.get((status.phase, happened.trigger)) if happened else None
    if happened is None or following is None:
        return status
    update: dict[str, Any] = {"phase": following, "phase_since": now}
    if happened.trigger in _NEXT_STEP:
        update |= {**_NEW_WINDOW, "step": status.step + 1, "looks": 0}
    elif following in (RolloutPhase.PROGRESSING, RolloutPhase.PROMOTING):
        update |= {"settled_at": None} if following is RolloutPhase.PROMOTING else _NEW_WINDOW
    if following is RolloutPhase.PROGRESSING:
        update |= {"reason": "", "message": ""}
    if happened.reason:
        update |= {"reason": happened.reason, "message": happened.message}
    if happened.trigger is Trigger.ABORT:
        update["aborted"] = True
    return status.model_copy(update=update)


def _announced(after: RolloutStatus, settled: bool, split: Split) -> tuple[Announce, ...]:
    if after.phase is RolloutPhase.SUCCEEDED:
        return (Announce(Happening.ROLLOUT_PROMOTED, split),)
    if after.phase in (RolloutPhase.ROLLED_BACK, RolloutPhase.ABORTED):
        return (Announce(Happening.ROLLOUT_ROLLED_BACK, split),)
    return (Announce(Happening.TRAFFIC_SHIFTED, split),) if settled else ()
