"""Which trigger fires, by what is remembered, what is seen, and the time. At most one; the gravest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.resources.rollout import TERMINAL, RolloutPhase, RolloutRequest, RolloutSpec, RolloutStatus
from shared.rollout.analysis import Verdict, verdict_of
from shared.rollout.experiment import Winner, is_large_enough, winner_of
from shared.rollout.observation import Observation
from shared.rollout.strategy import Ending, Split, ending_of, first_split, last_split, split_of, steps_of
from shared.rollout.transitions import ALLOWED_REQUESTS, Trigger

_IN_STEP = frozenset({RolloutPhase.PROGRESSING, RolloutPhase.PAUSED, RolloutPhase.AWAITING_APPROVAL})


@dataclass(frozen=True, slots=True)
class Fired:
    """A trigger, and why."""

    trigger: Trigger
    reason: str = ""  # one CamelCase word; "" keeps the former
    message: str = ""


def wanted_split(spec: RolloutSpec, status: RolloutStatus) -> Split | None:
    """The traffic that the phase asks for; None when it asks for none."""
    share = status.share_percent
    if share is None or status.phase is RolloutPhase.PENDING or status.phase in TERMINAL:
        return None
    if status.phase is RolloutPhase.PROMOTING:
        return last_split(spec, share)
    if status.phase is RolloutPhase.ROLLING_BACK:
        return first_split(share)
    return split_of(steps_of(spec)[status.step], share)


def fired(spec: RolloutSpec, status: RolloutStatus, seen: Observation, now: datetime) -> Fired | None:
    """What fires; None when nothing does, and after the end."""
    if status.phase in TERMINAL:
        return None
    return (
        _impossible(status, seen)
        or (_rolling_back(spec, status, seen, now) if status.phase is RolloutPhase.ROLLING_BACK else None)
        or (_forward(spec, status, seen, now) if status.phase is not RolloutPhase.ROLLING_BACK else None)
    )


def _impossible(status: RolloutStatus, seen: Observation) -> Fired | None:
    if not seen.stable.exists and status.phase is not RolloutPhase.PROMOTING:
        return Fired(Trigger.IMPOSSIBLE, "StableMissing", "the stable deployment was deleted: there is no way back")
    if not status.share_percent:
        text = "stable and candidate have no traffic that could be shifted: give the stable deployment its traffic"
        return Fired(Trigger.IMPOSSIBLE, "NoTraffic", text)
    return None


def _rolling_back(spec: RolloutSpec, status: RolloutStatus, seen: Observation, now: datetime) -> Fired | None:
    if seen.split == wanted_split(spec, status):
        return Fired(Trigger.TRAFFIC_SET_ABORTED if status.aborted else Trigger.TRAFFIC_SET)
    if _seconds(status.phase_since, now) > spec.progress_deadline_s:
        text = f"the traffic could not be set back in {spec.progress_deadline_s:g} s; before: {status.message}"
        return Fired(Trigger.IMPOSSIBLE, "TrafficNotSet", text)
    return None


def _forward(spec: RolloutSpec, status: RolloutStatus, seen: Observation, now: datetime) -> Fired | None:
    if status.request is RolloutRequest.ABORT:
        return Fired(Trigger.ABORT, "Aborted", "somebody asked for it")
    return _unhealthy(spec, status, seen, now) or _asked(spec, status) or _by_phase(spec, status, seen, now)


def _unhealthy(spec: RolloutSpec, status: RolloutStatus, seen: Observation, now: datetime) -> Fired | None:
    candidate = seen.candidate
    if not candidate.exists:
        return Fired(Trigger.UNHEALTHY, "CandidateMissing", "the candidate was deleted")
    if candidate.failure:
        return Fired(Trigger.UNHEALTHY, "CandidateFailed", candidate.failure)
    if _seconds(status.started_at, now) > spec.max_duration_s:
        return Fired(Trigger.UNHEALTHY, "TookTooLong", f"it is not done after {spec.max_duration_s:g} s")
    pending = status.phase is RolloutPhase.PENDING
    patience_s = spec.progress_deadline_s if pending else spec.unready_timeout_s
    if _seconds(status.unready_since, now) > patience_s:
        return Fired(Trigger.UNHEALTHY, "CandidateNotReady", f"the candidate is not ready for {patience_s:g} s")
    if _traffic_is_late(spec, status, seen, now):
        text = f"the traffic could not be set in {spec.progress_deadline_s:g} s"
        return Fired(Trigger.UNHEALTHY, "TrafficNotSet", text)
    if status.phase in _IN_STEP and verdict_of(spec, status) is Verdict.FAILED:
        failed = "; ".join(result.message for result in status.results if result.verdict == "failed")
        return Fired(Trigger.UNHEALTHY, "AnalysisFailed", failed)
    return None


def _traffic_is_late(spec: RolloutSpec, status: RolloutStatus, seen: Observation, now: datetime) -> bool:
    waits = status.phase in (RolloutPhase.PROGRESSING, RolloutPhase.PROMOTING) and status.settled_at is None
    if not waits or seen.split == wanted_split(spec, status):
        return False
    return _seconds(status.phase_since, now) > spec.progress_deadline_s


def _asked(spec: RolloutSpec, status: RolloutStatus) -> Fired | None:
    request = status.request
    if request is None or status.phase not in ALLOWED_REQUESTS[request]:
        return None
    if request is RolloutRequest.PAUSE:
        return Fired(Trigger.PAUSE, "Paused", "somebody asked for it")
    if request is RolloutRequest.RESUME:
        return Fired(Trigger.RESUME)
    last = status.step == len(steps_of(spec)) - 1
    return Fired(Trigger.APPROVED_LAST if last else Trigger.APPROVED_STEP)


def _by_phase(spec: RolloutSpec, status: RolloutStatus, seen: Observation, now: datetime) -> Fired | None:
    if status.phase is RolloutPhase.PENDING:
        return Fired(Trigger.READY) if seen.candidate.ready else None
    if status.phase is RolloutPhase.PROMOTING:
        if seen.split != wanted_split(spec, status):
            return None
        return Fired(Trigger.TRAFFIC_SET, "Promoted", "all analyses passed")
    if status.phase is RolloutPhase.PROGRESSING and status.settled_at is not None:
        return _step_over(spec, status, _seconds(status.settled_at, now))
    return None


def _step_over(spec: RolloutSpec, status: RolloutStatus, settled_s: float) -> Fired | None:
    steps = steps_of(spec)
    step = steps[status.step]
    if settled_s < step.duration_s or status.unready_since is not None:
        return None
    enough = is_large_enough(spec, status.experiment)
    if verdict_of(spec, status) is not Verdict.PASSED or not enough:
        return _undecided(spec, status, settled_s - step.duration_s)
    if step.approval:
        return Fired(Trigger.GATE, "ApprovalNeeded", f"step {status.step + 1} of {len(steps)} passed")
    if status.step < len(steps) - 1:
        return Fired(Trigger.STEP_DONE)
    judged = status.experiment if ending_of(spec) is Ending.JUDGE else None
    if judged is not None and winner_of(judged) is Winner.STABLE:
        return Fired(Trigger.UNHEALTHY, "NotBetter", "the experiment did not show the candidate to be better")
    return Fired(Trigger.STEPS_DONE)


def _undecided(spec: RolloutSpec, status: RolloutStatus, over_s: float) -> Fired | None:
    if over_s < spec.analysis.inconclusive_timeout_s:
        return None
    open_ones = [result.message for result in status.results if result.verdict == "inconclusive"]
    message = "; ".join(open_ones) or "too few requests came"
    held = spec.analysis.on_inconclusive == "pause"
    return Fired(Trigger.INCONCLUSIVE if held else Trigger.UNHEALTHY, "Inconclusive", message)


def _seconds(since: datetime | None, now: datetime) -> float:
    return (now - since).total_seconds() if since is not None else 0.0
