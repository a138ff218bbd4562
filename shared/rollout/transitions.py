"""The table: which phase follows which trigger. Where there is no entry, a trigger changes nothing."""

from __future__ import annotations

from enum import StrEnum

from shared.resources.rollout import TERMINAL, RolloutPhase, RolloutRequest


class Trigger(StrEnum):
    """What makes a rollout leave its phase, or its step."""

    READY = "Ready"  # the candidate takes requests
    STEP_DONE = "StepDone"  # the step's time is over and its analysis passed; another step follows
    STEPS_DONE = "StepsDone"  # the same, and it was the last
    GATE = "Gate"  # the same, and somebody's word is needed
    APPROVED_STEP = "ApprovedStep"  # somebody approved; another step follows
    APPROVED_LAST = "ApprovedLast"  # somebody approved after the last step
    INCONCLUSIVE = "Inconclusive"  # the analysis took too long to decide
    PAUSE = "Pause"  # somebody asked for it
    RESUME = "Resume"  # somebody asked for it; the step begins again
    ABORT = "Abort"  # somebody asked for it
    UNHEALTHY = "Unhealthy"  # the candidate fails, or an analysis, or a time is over
    TRAFFIC_SET = "TrafficSet"  # the last traffic is so
    TRAFFIC_SET_ABORTED = "TrafficSetAborted"  # the same, on the way back that somebody asked for
    IMPOSSIBLE = "Impossible"  # there is no way on and none back


_P, _T = RolloutPhase, Trigger
_ACTIVE = frozenset(_P) - TERMINAL
_FORWARD = _ACTIVE - {_P.ROLLING_BACK}

TRANSITIONS: dict[tuple[RolloutPhase, Trigger], RolloutPhase] = {
    (_P.PENDING, _T.READY): _P.PROGRESSING,
    (_P.PROGRESSING, _T.STEP_DONE): _P.PROGRESSING,
    (_P.PROGRESSING, _T.STEPS_DONE): _P.PROMOTING,
    (_P.PROGRESSING, _T.GATE): _P.AWAITING_APPROVAL,
    (_P.PROGRESSING, _T.INCONCLUSIVE): _P.PAUSED,
    (_P.PROGRESSING, _T.PAUSE): _P.PAUSED,
    (_P.PAUSED, _T.RESUME): _P.PROGRESSING,
    (_P.AWAITING_APPROVAL, _T.APPROVED_STEP): _P.PROGRESSING,
    (_P.AWAITING_APPROVAL, _T.APPROVED_LAST): _P.PROMOTING,
    **{(phase, _T.ABORT): _P.ROLLING_BACK for phase in _FORWARD},
    **{(phase, _T.UNHEALTHY): _P.ROLLING_BACK for phase in _FORWARD},
    **{(phase, _T.IMPOSSIBLE): _P.FAILED for phase in _ACTIVE},
    (_P.PROMOTING, _T.TRAFFIC_SET): _P.SUCCEEDED,
    (_P.ROLLING_BACK, _T.TRAFFIC_SET): _P.ROLLED_BACK,
    (_P.ROLLING_BACK, _T.TRAFFIC_SET_ABORTED): _P.ABORTED,
}

ALLOWED_REQUESTS: dict[RolloutRequest, frozenset[RolloutPhase]] = {
    RolloutRequest.PAUSE: frozenset({_P.PROGRESSING}),
    RolloutRequest.RESUME: frozenset({_P.PAUSED}),
    RolloutRequest.APPROVE: frozenset({_P.AWAITING_APPROVAL}),
    RolloutRequest.ABORT: _FORWARD,
}
