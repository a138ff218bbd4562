"""What is seen of a rollout's world at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.resources.rollout import ArmCounters
from shared.rollout.significance import Summary
from shared.rollout.strategy import Split


@dataclass(frozen=True, slots=True)
class Arm:
    """A deployment."""

    ready: bool  # whether it takes requests now
    counters: ArmCounters = field(default_factory=ArmCounters)  # since the router began; copies count too
    failure: str = ""  # why it can't run, e.g. that it crashed again and again; "" for none
    exists: bool = True
    values: Mapping[str, Summary] = field(default_factory=dict)  # other metrics since status.settled_at, by name; a
    # single number, as of a gauge or a drift signal, is a Summary of count 1


@dataclass(frozen=True, slots=True)
class Observation:
    """Both deployments, and the traffic they have now."""

    split: Split
    stable: Arm
    candidate: Arm
