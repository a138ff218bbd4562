"""Strategies as steps: each is a share of traffic, a share of copies, and a least time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.resources.rollout import AbTest, BlueGreen, Canary, Ramp, RolloutSpec, Shadow


class Ending(StrEnum):
    """What follows the last step."""

    PROMOTE = "Promote"  # the candidate gets all traffic
    JUDGE = "Judge"  # the experiment's result decides
    STOP = "Stop"  # traffic is again as it was before


@dataclass(frozen=True, slots=True)
class Step:
    """What holds during one step."""

    weight_percent: int  # the candidate's, of the traffic of both
    mirror_percent: int
    duration_s: float
    approval: bool  # whether what follows needs somebody's word
    sticky_header: str = ""  # "" for no assignment

    @property
    def measured(self) -> bool:
        """Whether the candidate gets any request in it."""
        return self.weight_percent > 0 or self.mirror_percent > 0


@dataclass(frozen=True, slots=True)
class Split:
    """The traffic of the two deployments, in percent of the endpoint's; others keep theirs."""

    stable: int
    candidate: int
    mirror: int  # copied to the candidate
    sticky_header: str = ""


def steps_of(spec: RolloutSpec) -> tuple[Step, ...]:
    """The steps of the strategy, at least one."""
    strategy = spec.strategy
    if isinstance(strategy, Canary):
        return tuple(Step(one.weight_percent, 0, one.duration_s, one.approval) for one in strategy.steps)
    if isinstance(strategy, Ramp):
        weights = ramp_percents(strategy)
        last = len(weights) - 1
        return tuple(
            Step(weight, 0, strategy.interval_s, strategy.approval and index == last)
            for index, weight in enumerate(weights)
        )
    if isinstance(strategy, BlueGreen):
        preview = Step(0, strategy.preview_mirror_percent, strategy.preview_s, strategy.approval)
        return preview, Step(100, 0, strategy.bake_s, approval=False)
    if isinstance(strategy, AbTest):
        approval = not strategy.auto_promote
        return (Step(strategy.candidate_percent, 0, strategy.duration_s, approval, strategy.sticky_header),)
    return (Step(0, strategy.mirror_percent, strategy.duration_s, approval=False),)


def ending_of(spec: RolloutSpec) -> Ending:
    """What follows the last step."""
    if isinstance(spec.strategy, Shadow):
        return Ending.STOP
    if isinstance(spec.strategy, AbTest) and spec.strategy.auto_promote:
        return Ending.JUDGE
    return Ending.PROMOTE


def ramp_percents(ramp: Ramp) -> tuple[int, ...]:
    """The shares of a ramp, rising: equal differences (linear), or equal ratios (exponential). Steps that whole
    percents can't tell apart become one."""
    first, last, count = ramp.first_percent, ramp.last_percent, ramp.step_count
    if count == 1:
        return (last,)
    shares = [index / (count - 1) for index in range(count)]
    if ramp.shape == "linear":
        exact = [first + (last - first) * share for share in shares]
    else:
        exact = [first * (last / first) ** share for share in shares]
    return tuple(sorted({round(value) for value in exact}))


def split_of(step: Step, share_percent: int) -> Split:
    """The traffic of a step, when both deployments have `share_percent` together. A share that is above 0 and below
    100 leaves each at least one percent, where there are two to give."""
    candidate = round(share_percent * step.weight_percent / 100)
    if 0 < step.weight_percent < 100 and share_percent > 1:
        candidate = min(max(candidate, 1), share_percent - 1)
    return Split(share_percent - candidate, candidate, step.mirror_percent, step.sticky_header)


def last_split(spec: RolloutSpec, share_percent: int) -> Split:
    """The traffic after a promotion."""
    if ending_of(spec) is Ending.STOP:
        return Split(share_percent, 0, 0)
    return Split(0, share_percent, 0)


def first_split(share_percent: int) -> Split:
    """The traffic after the way back."""
    return Split(share_percent, 0, 0)
