"""Rollouts: how traffic goes from one deployment to another, what has to hold on the way, and how far it is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.resources.base import Document, Status

KIND = "rollout"
MAX_STEPS = 100
MAX_MIRROR_PERCENT = 50

Percent = Annotated[int, Field(ge=0, le=100)]
Seconds = Annotated[float, Field(ge=0, le=30 * 86_400, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class RolloutPhase(StrEnum):
    """Where a rollout is on its way."""

    PENDING = "Pending"  # the candidate is not ready yet; no traffic was changed
    PROGRESSING = "Progressing"  # a step's traffic is being set, or is set and analysed
    PAUSED = "Paused"  # somebody, or an analysis that found too little, holds it; traffic stays, health is watched
    AWAITING_APPROVAL = "AwaitingApproval"  # the step is done, the next needs somebody's word
    PROMOTING = "Promoting"  # everything held: the last traffic is being set
    ROLLING_BACK = "RollingBack"  # something failed, or somebody aborted: the stable one gets the traffic back
    SUCCEEDED = "Succeeded"  # the last traffic is so
    ROLLED_BACK = "RolledBack"  # the stable one has all traffic of both, `reason` says why
    ABORTED = "Aborted"  # the same, because somebody asked for it
    FAILED = "Failed"  # neither way could be gone to its end; traffic is as it was left


TERMINAL = frozenset({RolloutPhase.SUCCEEDED, RolloutPhase.ROLLED_BACK, RolloutPhase.ABORTED, RolloutPhase.FAILED})


class RolloutRequest(StrEnum):
    """What people ask of a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    ABORT = "abort"


class CanaryStep(Document):
    """A share of the traffic, and how long it stays at least."""

    weight_percent: Annotated[int, Field(ge=1, le=100)]  # of the traffic of stable and candidate together
    duration_s: Seconds  # least time between the traffic being set and the next step
    approval: bool = False  # whether the next step needs somebody's word


class Canary(Document):
    """The candidate's share grows by steps."""

    type: Literal["canary"] = "canary"
    steps: Annotated[list[CanaryStep], Field(min_length=1, max_length=MAX_STEPS)]  # in their order


class Ramp(Document):
    """A canary whose steps follow a rule."""

    type: Literal["ramp"] = "ramp"
    shape: Literal["linear", "exponential"]  # equal differences, or equal ratios, between steps
    first_percent: Annotated[int, Field(ge=1, le=100)]  # share of the first step
    last_percent: Annotated[int, Field(ge=1, le=100)] = 100  # share of the last step
    step_count: Annotated[int, Field(ge=1, le=MAX_STEPS)]  # how many steps, first and last included
    interval_s: Seconds  # least time of each step
    approval: bool = False  # whether promotion needs somebody's word

    @model_validator(mode="after")
    def _order(self) -> Ramp:
        if self.first_percent > self.last_percent:
            raise ValueError(f"first_percent {self.first_percent} is above last_percent {self.last_percent}")
        return self


class BlueGreen(Document):
    """All traffic at once, after a look at copies of it, and with a time in which it may go back."""

    type: Literal["blue_green"] = "blue_green"
    preview_s: Seconds = 0  # how long the candidate is looked at before the switch
    preview_mirror_percent: Annotated[int, Field(ge=0, le=MAX_MIRROR_PERCENT)] = 0  # copied to it meanwhile
    bake_s: Seconds = 300  # how long it is analysed with all traffic
    approval: bool = False  # whether the switch needs somebody's word


class AbTest(Document):
    """A fixed split for an experiment; a caller stays with the deployment it was given."""

    type: Literal["ab_test"] = "ab_test"
    candidate_percent: Annotated[int, Field(ge=1, le=99)] = 50  # share of arm B
    duration_s: Seconds  # least time of the experiment
    sticky_header: Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]  # whose value says who calls
    min_samples: Annotated[int, Field(ge=1)] = 1000  # of each arm, before it can end
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95  # of the intervals
    outcome: str = ""  # a metric that is counted per arm; "" for the success rate
    auto_promote: bool = False  # promote B when it is significantly better and go back when not; False: people decide


class Shadow(Document):
    """Copies of requests go to the candidate, its answers to nobody. It ends without a promotion."""

    type: Literal["shadow"] = "shadow"
    mirror_percent: Annotated[int, Field(ge=1, le=MAX_MIRROR_PERCENT)]  # of the requests
    duration_s: Seconds  # least time


Strategy = Annotated[Canary | Ramp | BlueGreen | AbTest | Shadow, Field(discriminator="type")]


SUCCESS_RATE = "success_rate"  # share of the requests that were not answered with 5xx
LATENCY_P99 = "latency_p99_ms"  # that 99 of 100 answered requests do not exceed
LATENCY = "latency_ms"  # all of its distribution
CHECKED_BY = {
    SUCCESS_RATE: frozenset({"at_least", "max_worse"}),
    LATENCY_P99: frozenset({"at_most", "max_worse"}),
    LATENCY: frozenset({"max_worse"}),
}


class MetricCheck(Document):
    """What has to hold for one metric of the candidate."""

    metric: Annotated[str, Field(min_length=1, max_length=200)]  # success_rate, latency_p99_ms, latency_ms, or a name
    at_least: Number | None = None  # threshold
    at_most: Number | None = None  # threshold
    max_worse: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None  # than stable: success_rate by share
    # (0.01 is one percent point), latencies by ratio (0.2 is 20 % slower), others by their own unit
    higher_is_better: bool = False  # for other metrics than the three named
    min_samples: Annotated[int, Field(ge=1)] = 100  # of each deployment, before it is judged
    failure_limit: Annotated[int, Field(ge=0)] = 2  # breaches in a row that a metric without samples is forgiven

    @model_validator(mode="after")
    def _something(self) -> MetricCheck:
        given = {"at_least": self.at_least, "at_most": self.at_most, "max_worse": self.max_worse}
        named = {name for name, value in given.items() if value is not None}
        allowed = CHECKED_BY.get(self.metric, frozenset(given))
        if not named or named - allowed:
            said = ", ".join(sorted(named)) or "nothing"
            raise ValueError(f"{self.metric} is checked by {said}: give one or more of {', '.join(sorted(allowed))}")
        return self


class Analysis(Document):
    """What is looked at while a step lasts."""

    checks: Annotated[list[MetricCheck], Field(max_length=20)] = Field(default_factory=list)  # [] looks at health only
    false_alarm_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.05  # of a whole rollout of a candidate like stable
    inconclusive_timeout_s: Seconds = 600  # after a step's time, how long it may stay undecided
    on_inconclusive: Literal["pause", "roll_back"] = "pause"  # what happens then


class RolloutSpec(Document):
    """What is to be rolled out."""

    endpoint_name: str  # whose traffic it is
    stable: str  # deployment that serves now
    candidate: str  # deployment that is to serve
    strategy: Strategy  # how
    analysis: Analysis = Field(default_factory=Analysis)  # what has to hold
    progress_deadline_s: Seconds = 600  # for the candidate to be ready, and for traffic to be as it was set
    unready_timeout_s: Seconds = 30  # that the candidate may be not ready in between
    max_duration_s: Annotated[float, Field(gt=0, le=90 * 86_400)] = 7 * 86_400  # of everything, pauses included

    @model_validator(mode="after")
    def _two(self) -> RolloutSpec:
        if self.stable == self.candidate:
            raise ValueError(f"stable and candidate are both {self.stable!r}: name two deployments")
        return self


class LatencyHistogram(Document):
    """How many requests took how long."""

    bounds_ms: list[float] = Field(default_factory=list)  # upper bounds, rising; the last count has none
    counts: list[int] = Field(default_factory=lambda: [0])  # one more than bounds


class ArmCounters(Document):
    """What a deployment has answered since the router began; all of it only grows."""

    requests: int = 0  # answered ones
    errors: int = 0  # of them, answered with 5xx or not at all
    latency: LatencyHistogram = Field(default_factory=LatencyHistogram)  # of the answered ones


class Interval(Document):
    """A confidence interval."""

    low: float  # lower limit
    high: float  # upper limit


class ArmResult(Document):
    """An arm of an experiment."""

    deployment: str  # which
    samples: int  # requests, or values of the outcome
    value: float | None  # success rate, or the outcome's mean; None without samples
    interval: Interval | None  # of the value; None without samples


class ExperimentResult(Document):
    """An experiment as far as it is."""

    arms: list[ArmResult]  # stable, then candidate
    difference: float | None  # candidate's value less stable's
    interval: Interval | None  # of the difference
    confidence: float  # of all intervals, corrected for the number of looks


class CheckResult(Document):
    """What the newest look found for one check."""

    metric: str  # which
    verdict: Literal["passed", "failed", "inconclusive"]  # for the gate
    message: str  # with the figures, for people


class RolloutStatus(Status):
    """How far a rollout is. All that `decide` remembers."""

    phase: RolloutPhase = RolloutPhase.PENDING
    request: RolloutRequest | None = None  # what somebody asked for; taken away when it was looked at
    step: int = 0  # index of the current step
    share_percent: Percent | None = None  # that stable and candidate have together; None before the first step
    started_at: datetime | None = None  # when it was looked at first
    phase_since: datetime | None = None  # when the phase, or the step, began
    settled_at: datetime | None = None  # since when the step's traffic is so; None while it is being set
    unready_since: datetime | None = None  # since when the candidate is not ready; None while it is
    stable_before: ArmCounters | None = None  # stable's counters at settled_at
    candidate_before: ArmCounters | None = None  # the candidate's counters at settled_at
    looks: int = 0  # analyses of this step that could have failed it
    looked_samples: int = 0  # the candidate's samples at the newest look
    breaches: dict[str, int] = Field(default_factory=dict)  # in a row, of metrics without samples
    results: list[CheckResult] = Field(default_factory=list)  # of the newest look
    experiment: ExperimentResult | None = None  # of an A/B test
    aborted: bool = False  # whether somebody asked for the way back
    reason: str = ""  # one CamelCase word: why it went back, was held, or failed
    message: str = ""  # the same as a sentence, with figures
