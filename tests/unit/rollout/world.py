"""A simulated endpoint: requests come at a steady rate and are answered as each deployment does."""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.resources.rollout import (
    TERMINAL,
    ArmCounters,
    LatencyHistogram,
    RolloutPhase,
    RolloutRequest,
    RolloutSpec,
    RolloutStatus,
)
from shared.rollout.machine import Announce, Decision, Happening, RolloutState, SetTraffic, decide
from shared.rollout.observation import Arm, Observation
from shared.rollout.strategy import Split

BOUNDS_MS = [0.5 * 2 ** (index / 3) for index in range(51)]
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LOOK_S = 10.0
CANARY = {
    "type": "canary",
    "steps": [{"weight_percent": weight, "duration_s": 60} for weight in (10, 25, 50, 100)],
}
CHECKS = [
    {"metric": "success_rate", "at_least": 0.98, "max_worse": 0.01},
    {"metric": "latency_p99_ms", "max_worse": 0.5},
    {"metric": "latency_ms", "max_worse": 0.3},
]


def spec_of(strategy: dict[str, Any], checks: list[dict[str, Any]], **fields: Any) -> RolloutSpec:
    """A rollout from blue to green."""
    analysis = {"checks": checks, **fields.pop("analysis", {})}
    said = {"endpoint_name": "shop", "stable": "blue", "candidate": "green", "strategy": strategy, "analysis": analysis}
    return RolloutSpec.model_validate({**said, **fields})


@dataclass
class Behaviour:
    """How a deployment answers."""

    error_share: float = 0.005
    latency_ms: float = 20.0  # median; sigma of the logarithm is 0.4
    crashes: bool = False


@dataclass
class Counted:
    requests: int = 0
    errors: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))

    def answer(self, behaviour: Behaviour, chance: random.Random, number: int) -> None:
        for _ in range(number):
            self.requests += 1
            self.errors += chance.random() < behaviour.error_share
            took_ms = behaviour.latency_ms * chance.lognormvariate(0, 0.4)
            self.counts[bisect_left(BOUNDS_MS, took_ms)] += 1

    def counters(self) -> ArmCounters:
        latency = LatencyHistogram(bounds_ms=BOUNDS_MS, counts=list(self.counts))
        return ArmCounters(requests=self.requests, errors=self.errors, latency=latency)


class World:
    """An endpoint whose two deployments have all of its traffic, blue first."""

    def __init__(self, spec: RolloutSpec, green: Behaviour, seed: int, requests_per_s: float = 20) -> None:
        self.spec, self.green, self.blue = spec, green, Behaviour()
        self.chance = random.Random(seed)
        self.requests_per_s = requests_per_s
        self.now = BEGAN
        self.split = Split(100, 0, 0)
        self.counted = {"blue": Counted(), "green": Counted()}
        self.status = RolloutStatus()
        self.happenings: list[Happening] = []
        self.splits: list[Split] = []

    def pass_time(self, seconds: float = LOOK_S) -> None:
        """Requests come and are answered."""
        number = round(seconds * self.requests_per_s)
        green = sum(self.chance.random() * 100 < self.split.candidate for _ in range(number))
        copies = sum(self.chance.random() * 100 < self.split.mirror for _ in range(number))
        self.counted["green"].answer(self.green, self.chance, green + copies)
        self.counted["blue"].answer(self.blue, self.chance, number - green)
        self.now += timedelta(seconds=seconds)

    def observation(self) -> Observation:
        crashed = "exit code 3 at start, 5 times" if self.green.crashes else ""
        green = Arm(not self.green.crashes, self.counted["green"].counters(), failure=crashed)
        return Observation(self.split, Arm(True, self.counted["blue"].counters()), green)

    def look(self) -> Decision:
        """What `decide` says now, after the state went through JSON, as it does in a store."""
        kept = RolloutStatus.model_validate_json(self.status.model_dump_json())
        return decide(RolloutState(self.spec, kept), self.observation(), self.now)

    def obey(self, decision: Decision) -> None:
        """Keep the next state and carry out the commands."""
        self.status = decision.next
        for command in decision.commands:
            self.carry_out(command)

    def carry_out(self, command: SetTraffic | Announce) -> None:
        if isinstance(command, SetTraffic):
            self.split = command.split
            self.splits.append(command.split)
        else:
            self.happenings.append(command.happening)

    def ask(self, request: RolloutRequest) -> None:
        self.status = self.status.model_copy(update={"request": request})

    def run(self, looks: int = 500) -> RolloutPhase:
        """Look until it has ended, or that often."""
        for _ in range(looks):
            self.obey(self.look())
            if self.status.phase in TERMINAL:
                break
            self.pass_time()
        return self.status.phase
