"""Figures of the router as the rollout reads them."""

from __future__ import annotations

import pytest

from shared.adapters.local.endpoint_metrics import labelled
from shared.errors import BadRequest
from shared.resources.rollout import ArmCounters
from shared.rollout.latency import quantile_ms
from shared.rollout.prometheus import arm_counters, distribution, gauge, read_samples
from shared.rollout.significance import Summary
from shared.router.metrics import Figures, Table, add_figures


def test_what_the_router_wrote_is_what_the_rollout_reads() -> None:
    blue, green = Figures(), Figures()
    for _ in range(99):
        blue.live.count(200, 0.02)
    blue.live.count(500, 400.0)
    blue.mirror.count(200, 0.02)
    table = Table()
    add_figures(table, {"blue": blue, "green": green}.items())
    samples = read_samples(table.text().decode())
    found = arm_counters(samples, "blue")
    assert (found.requests, found.errors, sum(found.latency.counts)) == (101, 1, 101)
    assert found.latency.counts[-1] == 1
    assert len(found.latency.counts) == len(found.latency.bounds_ms) + 1
    median_ms = quantile_ms(found.latency, 0.5)
    assert median_ms is not None
    assert 20 / 1.26 <= median_ms <= 20 * 1.26
    assert arm_counters(samples, "green").requests == 0
    assert arm_counters(samples, "red") == ArmCounters()


def test_any_gauge() -> None:
    first = r'drift{feature="age, \"x\" \\ y",of="blue"} 0.25 1700000000000'
    text = f'# HELP a b\n{first}\n\ndrift{{of="blue"}} 0.75\nbad NaN\n'
    samples = read_samples(text)
    assert samples[0].labels == {"feature": 'age, "x" \\ y', "of": "blue"}
    assert gauge(samples, "drift", {"of": "blue"}) == Summary(1, 0.5, 0.0)
    assert gauge(samples, "drift", {"of": "green"}) is None
    assert gauge(samples, "bad", {}) is None


@pytest.mark.parametrize("line", ["nothing", "a b c", 'a{b="c} 1', "a{b} 1", "a one"])
def test_what_is_no_sample_is_named(line: str) -> None:
    with pytest.raises(BadRequest, match="line 2 of the metrics"):
        read_samples(f"a 1\n{line}\n")


def test_a_histogram_is_as_many_values_as_it_counted() -> None:
    text = labelled(
        """# TYPE score histogram
score_bucket{le="1"} 50
score_bucket{le="2"} 100
score_bucket{le="+Inf"} 100
score_sum 100
score_count 100
plain 7
empty{} 8
""",
        "blue",
        "127.0.0.1:1",
    )
    samples = read_samples(text)
    found = distribution(samples, "score", {"deployment": "blue"})
    assert found is not None
    assert (found.count, found.mean) == (100, 1.0)
    assert found.variance == pytest.approx((0.25 + 1 / 12) * 100 / 99)
    assert distribution(samples, "score", {"deployment": "green"}) is None
    assert distribution(samples, "plain", {"deployment": "blue"}) is None
    assert [gauge(samples, name, {"process": "127.0.0.1:1"}).mean for name in ("plain", "empty")] == [7, 8]  # type: ignore[union-attr]
