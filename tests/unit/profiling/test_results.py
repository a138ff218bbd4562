"""Plans, prices, the result document and its picture."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from shared.errors import Invalid
from shared.profiling.limits import METHODS
from shared.profiling.picture import svg
from shared.profiling.plan import CPUS, ProfilePlan, divided_cores, grid_of
from shared.profiling.prices import estimates, read_prices
from shared.profiling.probe import GB, leak_suspected
from shared.profiling.report import Findings, result_of
from shared.profiling.search import Grid, Recommendation
from shared.resources.profile import PROFILE_TERMINAL, LoadPoint, ProfileResult, ProfileState

SVG = "{http://www.w3.org/2000/svg}"


def plan(tmp_path: Path, **changed: Any) -> ProfilePlan:
    given: dict[str, Any] = {"model": tmp_path, "sample": tmp_path / "a.json", "target_rps": 50.0, "p99_ms": 50.0}
    return ProfilePlan(**{**given, **changed})


def point(rate_rps: float, **changed: Any) -> LoadPoint:
    given: dict[str, Any] = {
        "purpose": "target",
        "cpu": 0.5,
        "memory_in_gb": 2,
        "offered_queries_per_second": rate_rps,
        "measured_queries_per_second": rate_rps,
        "total_queries": 300,
        "success_queries": 297,
        "latency_percentile_50_in_ms": 2,
        "latency_percentile_95_in_ms": 9,
        "latency_percentile_99_in_ms": 20,
        "peak_memory_in_gb": 0.3,
        "utilized_cpu": 0.2,
    }
    return LoadPoint(**{**given, **changed})


def test_everything_that_is_wrong_with_a_plan_is_said_at_once(tmp_path: Path) -> None:
    wrong = plan(tmp_path, model=tmp_path / "gone", target_rps=0.0, p99_ms=float("nan"), cpus=(-1.0,), head_room=0.5)
    with pytest.raises(Invalid) as caught:
        wrong.check()
    pointers = {fault.pointer for fault in caught.value.faults}
    assert pointers == {"/model", "/target_rps", "/p99_ms", "/cpus", "/head_room"}
    plan(tmp_path).check()
    with pytest.raises(Invalid, match="nothing to serve"):
        plan(tmp_path, model=None).check()


def test_the_generator_has_a_core_of_its_own_where_there_are_two() -> None:
    two = divided_cores((0, 1))
    assert (two.server, two.generator) == ((0,), (1,))
    four = divided_cores((0, 1, 2, 3))
    assert (four.server, four.generator) == ((1, 2), (3,))  # the first is left to the control plane
    alone = divided_cores((5,))
    assert (alone.server, alone.generator) == ((5,), (5,))
    assert "shared the only core" in alone.note


def test_only_what_can_be_measured_here_is_in_the_grid(tmp_path: Path) -> None:
    grid, notes = grid_of(plan(tmp_path), divided_cores((0, 1, 2, 3)), METHODS[0])
    assert (grid.cpus, grid.max_memory_gb) == ((0.125, 0.25, 0.5, 1.0, 2.0), 2.0)
    assert notes == ["not measured: 4 CPU (the server has 2 cores here)"]
    grid, notes = grid_of(plan(tmp_path), divided_cores((0, 1, 2, 3)), METHODS[-1])
    assert grid.cpus == (1.0, 2.0)
    assert any("whole cores only" in note for note in notes)
    with pytest.raises(Invalid, match="none of"):
        grid_of(plan(tmp_path, cpus=(4.0,)), divided_cores((0, 1, 2, 3)), METHODS[0])


def test_half_of_every_recommendation_was_in_the_grid() -> None:
    assert all(cpu / 2 in CPUS for cpu in CPUS[1:])


def findings(tmp_path: Path, *points: LoadPoint, found: Recommendation | None = None) -> Findings:
    state = ProfileState.SUCCEEDED if found else ProfileState.RUNNING
    return Findings(plan(tmp_path), Grid((0.5, 1.0), 2.0), METHODS[0], [], list(points), state, found)


def test_a_result_has_azure_mls_names_and_the_figures_of_the_exact_limits(tmp_path: Path) -> None:
    exact = point(60, purpose="verification", memory_in_gb=0.40625, total_queries=480, success_queries=480)
    other = point(60, cpu=1.0, utilized_cpu=0.9, peak_memory_in_gb=1.9)
    found = Recommendation(0.5, 0.40625, (18.0, 22.0), True, 400.0)
    document = result_of(findings(tmp_path, point(60), other, exact, found=found)).as_json()
    assert document["requestedCpu"] == 1.0
    assert document["requestedMemoryInGB"] == 2.0
    assert document["requestedQueriesPerSecond"] == 50
    assert (document["recommendedCpu"], document["recommendedMemoryInGB"]) == (0.5, 0.40625)
    assert (document["maxUtilizedCpu"], document["maxUtilizedMemoryInGB"]) == (0.2, 0.3)
    assert (document["totalQueries"], document["successQueries"], document["successRate"]) == (480, 480, 1.0)
    assert document["latencyPercentile99InMs"] == 20
    assert document["latencyPercentile999InMs"] == 0
    assert document["latencyIntervalInMs"] == {"low": 18.0, "high": 22.0}
    assert document["state"] == "Succeeded"
    assert "error" not in document
    assert any("smallest that was measured" in note for note in document["notes"])
    assert ProfileResult.model_validate(document).as_json() == document


def test_a_partial_result_succeeds_and_says_what_is_missing(tmp_path: Path) -> None:
    result = result_of(findings(tmp_path, point(60), found=Recommendation(None, error="too slow")))
    assert (result.state, result.error, result.recommended_cpu) == (ProfileState.SUCCEEDED, "too slow", None)
    assert result.state in PROFILE_TERMINAL


def test_a_leak_is_memory_that_grows_with_every_request() -> None:
    grown = [point(60, growth_in_bytes_per_query=each) for each in (2_000.0, 5_000.0, -100.0)]
    assert leak_suspected(grown) == (False, 2_000.0)  # 20 MB in 10,000 requests are a sixteenth of 0.3 GB
    assert leak_suspected([point(60, growth_in_bytes_per_query=0.02 * GB / 1_000)])[0]
    few = point(60, growth_in_bytes_per_query=5_000.0, total_queries=300, peak_memory_in_gb=0.09)
    assert not leak_suspected([few])[0]  # 1.5 MB is what an allocator takes while it warms up
    assert leak_suspected([few.model_copy(update={"total_queries": 3_000})])[0]
    assert leak_suspected([]) == (False, 0.0)


def test_prices_are_rounded_up_to_steps_and_left_out_where_it_does_not_fit(tmp_path: Path) -> None:
    table = {
        "source": "a test",
        "currency": "EUR",
        "hoursPerMonth": 100,
        "targets": [
            {"name": "a", "kind": "resources", "perCpuHour": 1, "perGbHour": 0.5, "cpuStep": 0.25, "memoryStepGb": 0.5},
            {"name": "b", "kind": "share", "perHour": 2, "cpu": 4, "memoryGb": 16},
            {"name": "c", "kind": "instance", "perHour": 0.1, "cpu": 2, "memoryGb": 1},
        ],
    }
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(table))
    found = {each.target: each.monthly_price for each in estimates(read_prices(path), 0.3, 0.75)}
    assert found == {"a": 100.0, "b": 15.0, "c": 10.0}
    assert [each.target for each in estimates(read_prices(path), 0.3, 4)] == ["b", "a"]
    assert [each.target for each in estimates(read_prices(path), 8, 4)] == ["a"]
    path.write_text(json.dumps({**table, "currency": 1, "more": 2}))
    with pytest.raises(Invalid) as caught:
        read_prices(path)
    assert {fault.pointer for fault in caught.value.faults} == {"/currency", "/more"}
    with pytest.raises(Invalid, match="cannot be read"):
        read_prices(tmp_path / "gone.json")


def test_the_packaged_prices_are_a_table() -> None:
    found = estimates(read_prices(), 0.5, 0.5)
    assert len(found) == len(read_prices().targets)
    assert all(each.is_example for each in found)  # nobody takes them for a price list's


def drawn(result: ProfileResult) -> ElementTree.Element:
    return ElementTree.fromstring(svg(result))


def test_the_picture_shows_every_measurement_of_the_recommended_cpu() -> None:
    points = [point(60), point(60), point(200), point(400, overloaded=True), point(80, cpu=1.0)]
    result = ProfileResult(
        name="a<b",
        recommended_cpu=0.5,
        recommended_memory_in_gb=0.4,
        points=points,
        target_latency_percentile_99_in_ms=50,
    )
    root = drawn(result)
    dots = [each.get("class") for each in root.iter(f"{SVG}circle")]
    assert sorted(dots) == sorted(["p50", "p95", "p99"] * 3 + ["target"] * 3)
    texts = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert "Latency by load of a<b with 0.5 CPU, 0.4 GB" in texts
    assert {"p50", "p95", "p99", "target 50 ms", "requests per second"} <= set(texts)
    inside = [float(each.get("cy", "0")) for each in root.iter(f"{SVG}circle")]
    assert all(50 < top < 350 for top in inside)
    names = sorted(float(each.get("y", "0")) for each in root.iter(f"{SVG}text") if each.text in ("p50", "p95", "p99"))
    assert all(below - above >= 14 for above, below in pairwise(names))
    assert "prefers-color-scheme: dark" in svg(result)


def test_a_picture_of_nothing_says_so() -> None:
    texts = [each.text for each in drawn(ProfileResult()).iter(f"{SVG}text")]
    assert texts == ["Latency by load: no recommendation", "There is nothing to draw."]
