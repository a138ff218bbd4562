"""How a deployment is judged by what its router and servers counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.cli.drift_forms import as_table
from shared.monitors.deployment_figures import figures_of
from shared.monitors.infrastructure import infrastructure
from shared.monitors.report_html import report_html
from shared.resources.deployment_figures import DeploymentFigures, InstanceUsage
from shared.resources.monitor_result import MetricValue, MonitorResult, SignalResult
from shared.resources.rollout import ArmCounters, LatencyHistogram
from shared.router.metrics import Figures, Table, add_figures

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
SERVER = """process_cpu_seconds_total{{deployment="{0}",process="a:1"}} {1}
slipway_scoring_cpu_limit_cores{{deployment="{0}",process="a:1"}} 2
process_resident_memory_bytes{{deployment="{0}",process="a:1"}} 3000000
slipway_scoring_memory_limit_bytes{{deployment="{0}",process="a:1"}} 4000000
"""


def seen(minutes: float, requests: int, errors: int = 0, slow: int = 0, **more: Any) -> DeploymentFigures:
    counts = [requests - slow, slow, 0]
    counters = ArmCounters(
        requests=requests, errors=errors, latency=LatencyHistogram(bounds_ms=[10.0, 100.0], counts=counts)
    )
    at = NOON + timedelta(minutes=minutes)
    return DeploymentFigures(at=at, deployment="live.blue", counters=counters, **more)


def metrics(found: SignalResult) -> dict[str, MetricValue]:
    return {one.metric: one for one in found.metrics}


def test_rates_shares_and_quantiles_are_of_what_came_between_two_looks() -> None:
    before = seen(0, 1000, 500, instances={"a": InstanceUsage(cpu_s=100, cpu_limit_cores=2, memory_bytes=1)})
    after = {"a": InstanceUsage(cpu_s=160, cpu_limit_cores=2, memory_bytes=3, memory_limit_bytes=4)}
    limits = {"error_rate": 0.01, "request_latency_p99_ms": 10.0, "min_requests_per_minute": 20.0}
    found = infrastructure("s", limits, seen(10, 1100, 510, 2, instances=after), before)
    by_name = metrics(found)
    assert by_name["requests_per_minute"].value == 10
    assert by_name["min_requests_per_minute"].verdict == "Breached"
    assert by_name["min_requests_per_minute"].reason == "10 is below 20"
    assert (by_name["error_rate"].value, by_name["error_rate"].verdict) == (0.1, "Breached")
    assert 10 < (by_name["request_latency_p99_ms"].value or 0) <= 100
    assert by_name["cpu_utilization_percentage"].value == 100 * 60 / (600 * 2)
    assert by_name["cpu_memory_utilization_percentage"].value == 75
    assert (found.window_start, found.window_end) == (before.at, NOON + timedelta(minutes=10))
    assert found.counts.rows == 100


def test_two_slow_requests_of_a_hundred_may_be_chance_and_ten_are_not() -> None:
    limits = {"request_latency_p99_ms": 10.0}
    (few,) = [one for one in infrastructure("s", limits, seen(1, 100, 0, 2), seen(0, 0)).metrics if one.threshold]
    assert (few.verdict, few.p_value is not None and few.p_value > 0.05) == ("Healthy", True)
    assert "by chance" in few.reason
    (many,) = [one for one in infrastructure("s", limits, seen(1, 100, 0, 10), seen(0, 0)).metrics if one.threshold]
    assert (many.verdict, many.direction) == ("Breached", "above")


def test_few_requests_are_no_verdict_unless_they_all_fail() -> None:
    limits = {"error_rate": 0.01}
    few = metrics(infrastructure("s", limits, seen(1, 9), seen(0, 0)))["error_rate"]
    assert (few.verdict, few.value) == ("NotEnoughData", 0)
    assert infrastructure("s", limits, seen(1, 9, 9), seen(0, 0)).verdict == "Breached"
    assert metrics(infrastructure("s", limits, seen(1, 0), seen(0, 0)))["error_rate"].reason == "no requests came"


def test_a_router_that_began_anew_counts_from_zero_and_one_that_is_silent_fails() -> None:
    found = infrastructure("s", {"error_rate": 0.01}, seen(1, 60), seen(0, 5000, 4000))
    assert (found.counts.rows, found.verdict) == (60, "Healthy")
    silent = infrastructure("s", {"error_rate": 0.01}, figures_of("", "live.blue", NOON), None)
    assert (silent.verdict, silent.reason[:29]) == ("Failed", "the endpoint gives no figures")


def test_the_first_look_has_no_rates() -> None:
    found = metrics(infrastructure("s", {"requests_per_minute": 1.0, "error_rate": 0.5}, seen(0, 100), None))
    assert (found["requests_per_minute"].value, found["requests_per_minute"].verdict) == (None, "NotEnoughData")
    assert "from run to run" in found["requests_per_minute"].reason
    assert (found["error_rate"].value, found["error_rate"].verdict) == (0, "Healthy")


def test_figures_are_those_of_the_deployment_alone() -> None:
    table, blue, green = Table(), Figures(), Figures()
    for _ in range(3):
        blue.live.count(200, 0.004)
    blue.live.count(500, 0.2)
    green.live.count(200, 1)
    add_figures(table, [("blue", blue), ("green", green)])
    text = table.text().decode() + SERVER.format("blue", 7.5) + SERVER.format("green", 1)
    found = figures_of(text, "live.blue", NOON)
    assert (found.counters.requests, found.counters.errors) == (4, 1)
    assert sum(found.counters.latency.counts) == 4
    usage = InstanceUsage(cpu_s=7.5, cpu_limit_cores=2, memory_bytes=3_000_000, memory_limit_bytes=4_000_000)
    assert found.instances == {"a:1": usage}


def test_reports_tell_requests_and_every_metric() -> None:
    limits = {"error_rate": 0.01}
    runs = [
        MonitorResult(monitor="watch", run_id=f"r{day}", created_at=NOON + timedelta(days=day), signals=[one])
        for day, one in enumerate(
            [infrastructure("serving", limits, seen(1, 100, 1), seen(0, 0)),
             infrastructure("serving", limits, seen(1, 100, 30), seen(0, 0))]
        )
    ]  # fmt: skip
    page = report_html(runs[1], runs[:1])
    assert "100 requests" in page
    assert "rows of" not in page
    assert "error_rate from run to run" in page
    lines = as_table(runs[1]).splitlines()
    assert any(line.split()[:4] == ["error_rate", "0.3", "share", "0.01"] and "Breached" in line for line in lines)
    assert lines[-1] == "100 requests"
