"""The search: against simulated services, whose truth is known, and its decisions one by one."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.profiling.search import (
    MAX_VERIFICATIONS,
    MEMORY_FACTOR,
    Grid,
    Measure,
    Recommendation,
    decide,
    memory_for,
)
from shared.profiling.verdicts import MAX_REPEATS, MIN_REPEATS, Target, Verdict, verdict
from shared.resources.profile import LoadPoint

CPUS = (0.125, 0.25, 0.5, 1.0, 2.0)
GRID = Grid(CPUS, 4.0)


@dataclass
class Service:
    """A simulated service: one queue (M/M/1), whose 99th percentile is ln(100) / (capacity - rate), with noise."""

    cost_s: float  # CPU seconds of a request
    needed_gb: float  # below that it is killed
    noise: float  # largest relative error of a measured latency
    draw: random.Random = field(default_factory=lambda: random.Random(0))

    def p99_ms(self, cpu: float, rate_rps: float) -> float:
        """The true one; a minute where the queue only grows."""
        spare = cpu / self.cost_s - rate_rps
        return 4_605 / spare if spare > 0.08 else 60_000.0

    def measure(self, step: Measure) -> LoadPoint:
        common = {"purpose": step.purpose, "cpu": step.cpu, "memory_in_gb": step.memory_gb}
        common |= {"total_queries": 1_000, "success_queries": 1_000, "peak_memory_in_gb": self.needed_gb}
        if step.memory_gb < self.needed_gb:
            return LoadPoint(problem="it was killed", **common)
        if not step.rate_rps:
            return LoadPoint(measured_queries_per_second=step.cpu / self.cost_s, utilized_cpu=step.cpu, **common)
        latency_ms = self.p99_ms(step.cpu, step.rate_rps)
        return LoadPoint(
            offered_queries_per_second=step.rate_rps,
            latency_percentile_99_in_ms=latency_ms * (1 + self.draw.uniform(-self.noise, self.noise)),
            overloaded=latency_ms >= 60_000,
            **common,
        )


def searched(target: Target, service: Service, grid: Grid = GRID) -> tuple[Recommendation, list[LoadPoint]]:
    points: list[LoadPoint] = []
    while isinstance(step := decide(target, grid, points), Measure):
        points.append(service.measure(step))
        assert len(points) <= len(grid.cpus) * 2 * MAX_REPEATS + 20, "it does not end"
    return step, points


@settings(max_examples=60, deadline=None)
@given(
    cost_ms=st.floats(0.1, 20),
    rate_rps=st.floats(1, 2_000),
    p99_ms=st.floats(5, 500),
    needed_gb=st.floats(0.05, 3),
    noise=st.floats(0, 0.15),
    seed=st.integers(0, 1_000),
)
def test_it_recommends_the_cheapest_that_meets_the_target(
    cost_ms: float, rate_rps: float, p99_ms: float, needed_gb: float, noise: float, seed: int
) -> None:
    service = Service(cost_ms / 1000, needed_gb, noise, random.Random(seed))
    target = Target(rate_rps, p99_ms)
    found, points = searched(target, service)
    true = {cpu: service.p99_ms(cpu, target.demand_rps) for cpu in CPUS}
    surely = [cpu for cpu in CPUS if true[cpu] * (1 + noise) <= p99_ms]
    perhaps = [cpu for cpu in CPUS if true[cpu] * (1 - noise) <= p99_ms]
    if found.cpu is None:
        assert not surely
        assert found.error
        return
    assert found.cpu in perhaps
    assert all(found.cpu <= cpu for cpu in surely)
    assert found.memory_gb is not None
    assert min(4.0, needed_gb * MEMORY_FACTOR) <= found.memory_gb <= 4.0
    assert found.max_rate_rps is not None
    assert found.max_rate_rps >= target.demand_rps
    assert service.p99_ms(found.cpu, found.max_rate_rps) * (1 - noise) <= p99_ms
    if found.proven:
        assert found.interval_ms is not None
        assert found.interval_ms[1] <= p99_ms
    assert not noise < 1e-6 or found.proven
    assert len(points) >= MIN_REPEATS + 2


def test_repeats_of_both_sides_of_the_border_take_turns() -> None:
    _, points = searched(Target(100, 100), Service(0.002, 0.2, 0.0))  # 0.25 CPU is just too little
    repeats = [point.cpu for point in points if point.purpose == "target" and point.cpu in (0.25, 0.5)]
    assert sorted(set(repeats)) == [0.25, 0.5]
    assert repeats.count(0.25) >= 2
    assert repeats.count(0.5) == MIN_REPEATS
    assert max(len(list(same)) for _, same in groupby(repeats)) <= 2, repeats


def test_it_ends_when_the_noise_hides_the_answer_and_says_so() -> None:
    service = Service(0.002, 0.2, 0.9, random.Random(3))
    target = Target(100, service.p99_ms(2.0, 120))
    found, _ = searched(target, service)
    assert found.cpu is None
    assert "can't be told whether 2 CPU" in found.error


def test_what_the_largest_does_not_reach_has_no_recommendation() -> None:
    found, points = searched(Target(2_000, 10), Service(0.002, 0.2, 0.0))
    assert found.cpu is None
    assert "2 CPU, the most that can be measured here, do not meet" in found.error
    assert len(points) <= 8


def test_nothing_answered_begins_at_the_smallest() -> None:
    saturated = LoadPoint(purpose="saturation", cpu=2, memory_in_gb=4)
    step = decide(Target(10, 50), GRID, [saturated])
    assert step == Measure("target", 0.125, 4.0, 12.0)


def point(p99_ms: float, **changed: object) -> LoadPoint:
    given = {"purpose": "target", "cpu": 1, "memory_in_gb": 1, "offered_queries_per_second": 12}
    given |= {"total_queries": 1_000, "success_queries": 1_000, "latency_percentile_99_in_ms": p99_ms}
    return LoadPoint.model_validate({**given, **changed})


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], Verdict.OPEN),
        ([point(10), point(12)], Verdict.OPEN),
        ([point(10), point(12), point(11)], Verdict.MEETS),
        ([point(10), point(12), point(90)], Verdict.OPEN),
        ([point(60), point(70), point(65)], Verdict.FAILS),
        ([point(200), point(300)], Verdict.FAILS),
        ([point(200)], Verdict.OPEN),
        ([point(10, success_queries=900)] * 2, Verdict.FAILS),
        ([point(10, problem="killed")], Verdict.FAILS),
        ([point(90, lateness_percentile_99_in_ms=30)] * 3, Verdict.OPEN),
        ([point(90, lateness_percentile_99_in_ms=30)] * 14, Verdict.UNCLEAR),
        ([point(20, lateness_percentile_99_in_ms=15)] * 3, Verdict.MEETS),
        ([point(20), point(80)] * 3 + [point(60)], Verdict.UNCLEAR),
        ([point(20)] * 6 + [point(400)], Verdict.MEETS),
    ],
)
def test_verdicts(points: list[LoadPoint], expected: Verdict) -> None:
    assert verdict(Target(10, 50), points) is expected


def test_memory_is_the_peak_with_a_margin_in_steps() -> None:
    assert memory_for(0.5, GRID) == 0.65625
    assert memory_for(0.01, GRID) == 0.109375
    assert memory_for(3.9, GRID) == 4.0


def test_memory_that_is_not_enough_grows_until_it_says_why_not() -> None:
    service = Service(0.001, 0.2, 0.0)
    target, points = Target(10, 50), list[LoadPoint]()
    while isinstance(step := decide(target, GRID, points), Measure):
        made = service.measure(step)
        killed = step.purpose == "verification"
        points.append(made.model_copy(update={"problem": "killed"}) if killed else made)
    tried = [made.memory_in_gb for made in points if made.purpose == "verification"]
    assert len(tried) == MAX_VERIFICATIONS
    assert all(1.2 < after / before < 1.35 for before, after in pairwise(tried))
    assert not step.proven
    assert "not usable: killed" in step.error
