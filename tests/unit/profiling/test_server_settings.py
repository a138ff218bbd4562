"""Which settings of the server a profile tries, and which it takes."""

from __future__ import annotations

import pytest

from shared.profiling.search import Grid, Measure, decide
from shared.profiling.server_settings import DEFAULT, ServerSettings, best_settings, next_settings, worth_trying
from shared.profiling.verdicts import Target
from shared.resources.profile import LoadPoint

TARGET = Target(1_000.0, 50.0)
UNBATCHED, SINGLE = ServerSettings(max_batch_rows=1), ServerSettings(threads=1)
WAITING = ServerSettings(batch_delay_ms=2.0)


def point(settings: ServerSettings, cpu_used: float, *, p99_ms: float = 5.0, answered: int = 3_600) -> LoadPoint:
    return LoadPoint(
        purpose="settings",
        cpu=1.0,
        memory_in_gb=1.0,
        threads=settings.threads,
        max_batch_rows=settings.max_batch_rows,
        batch_delay_in_ms=settings.batch_delay_ms,
        offered_queries_per_second=1_200.0,
        measured_queries_per_second=answered / 3,
        total_queries=3_600,
        success_queries=answered,
        latency_percentile_99_in_ms=p99_ms,
        utilized_cpu=cpu_used,
    )


def saturated(cpu_s: float) -> LoadPoint:
    common = {"cpu": 1.0, "memory_in_gb": 1.0, "utilized_cpu": 1.0}
    return LoadPoint(purpose="saturation", measured_queries_per_second=1 / cpu_s, **common)


@pytest.mark.parametrize(
    ("p99_ms", "cores", "is_onnx", "tried"),
    [
        (50.0, 1, True, (DEFAULT, UNBATCHED, WAITING)),
        (50.0, 4, True, (DEFAULT, SINGLE, UNBATCHED, WAITING)),
        (5.0, 1, True, (DEFAULT, UNBATCHED)),  # 2 ms are too much of 5
        (50.0, 4, False, (DEFAULT,)),
    ],
)
def test_what_is_tried(p99_ms: float, cores: int, is_onnx: bool, tried: tuple[ServerSettings, ...]) -> None:
    assert worth_trying(Target(1_000.0, p99_ms), cores, is_onnx=is_onnx) == tried


def test_each_is_measured_once() -> None:
    tried = (DEFAULT, UNBATCHED)
    assert next_settings(tried, []) == DEFAULT
    assert next_settings(tried, [point(DEFAULT, 0.5)]) == UNBATCHED
    assert next_settings(tried, [point(DEFAULT, 0.5), point(UNBATCHED, 0.5)]) is None
    assert next_settings((DEFAULT,), []) is None


@pytest.mark.parametrize(
    ("points", "best"),
    [
        ([], DEFAULT),
        ([point(DEFAULT, 0.5), point(WAITING, 0.3)], WAITING),
        ([point(DEFAULT, 0.5), point(WAITING, 0.45)], DEFAULT),  # not clearly cheaper
        ([point(DEFAULT, 0.5), point(WAITING, 0.3, p99_ms=60)], DEFAULT),  # cheaper, but too late
        ([point(DEFAULT, 1.0, p99_ms=900), point(UNBATCHED, 0.3, p99_ms=60)], UNBATCHED),  # neither is in time
        ([point(DEFAULT, 0.5), point(UNBATCHED, 0.01, answered=0)], DEFAULT),  # it answers nothing
    ],
)
def test_the_cheapest_that_meets_the_target_is_taken(points: list[LoadPoint], best: ServerSettings) -> None:
    assert best_settings(TARGET, points) == best


def test_they_are_tried_only_where_they_can_change_the_recommendation() -> None:
    grid = Grid((0.125, 1.0), 1.0, (DEFAULT, UNBATCHED))
    costly = decide(TARGET, grid, [saturated(0.0005)])
    assert isinstance(costly, Measure)
    assert (costly.purpose, costly.settings) == ("settings", DEFAULT)
    cheap = decide(TARGET, grid, [saturated(0.00001)])  # the smallest CPU will do, however it is set
    assert isinstance(cheap, Measure)
    assert cheap.purpose == "target"


def test_what_follows_is_measured_with_those_that_were_taken() -> None:
    grid = Grid((0.125, 1.0), 1.0, (DEFAULT, UNBATCHED))
    step = decide(TARGET, grid, [saturated(0.0005), point(DEFAULT, 0.5), point(UNBATCHED, 0.2)])
    assert isinstance(step, Measure)
    assert (step.purpose, step.settings) == ("target", UNBATCHED)


def test_the_server_is_told() -> None:
    assert DEFAULT.environ(0.25) == {"SLIPWAY_SCORING_THREADS": "1"}
    assert ServerSettings(2, 1, 0.0).environ(4)["SLIPWAY_SCORING_THREADS"] == "2"
    told = ServerSettings(0, 1, 2.0).environ(1.5)
    assert told == {
        "SLIPWAY_SCORING_THREADS": "2",
        "SLIPWAY_SCORING_MAX_BATCH_ROWS": "1",
        "SLIPWAY_SCORING_MAX_DELAY_MS": "2",
    }
