"""Runs of monitors on a control plane of this machine, signal by signal: from declared files to what was found."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.resources.base import ResourceKey
from tests.plane import make_plane
from tests.scenarios import monitored as m
from tests.scenarios.test_images import call

ROWS = 400
MANY = 4_000  # as many edges as a sketch has


@pytest.fixture
def plane(tmp_path: Path) -> ControlPlane:
    return make_plane(tmp_path / "data")


def inputs(
    seed: int, shift: float = 0.0, weights: tuple[float, ...] = (3.0, 1.0, 0.0), rows: int = ROWS
) -> list[dict[str, Any]]:
    """Rows of a, b, c and site, with the y that these weights give."""
    drawn = random.Random(seed)
    found = []
    for _ in range(rows):
        a, b, c = (drawn.gauss(shift, 1.0) for _ in range(3))
        y = weights[0] * a + weights[1] * b + weights[2] * c
        found.append({"a": a, "b": b, "c": c, "site": drawn.choice("NNS"), "y": y})
    return found


def without_y(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "y"} for row in rows]


async def test_a_stored_sketch_stands_for_the_rows_of_the_reference(plane: ControlPlane) -> None:
    """Within the bound of sketches, and the rows are not opened: they are not there any more."""
    signals = {"drift": {"type": "data_drift"}, "quality": {"type": "data_quality"}}
    for one in signals.values():
        one["reference_data"] = m.reference("base@latest")  # type: ignore[assignment]
    await m.applied(
        plane,
        base_yml=m.data("base", "base.jsonl"),
        base_jsonl=m.lines(without_y(inputs(1, rows=MANY))),
        monitor_yml=m.monitor(**signals),
    )
    m.collect(plane, "model_inputs", without_y(inputs(2, shift=0.7, rows=MANY)))
    rows = await m.run(plane)
    assert (await m.profile(plane, "base"))["phase"] == "Profiled"
    stored = await plane.deps.store.read(ResourceKey("data", "base", "1"))
    assert stored is not None
    await plane.deps.artifacts.delete(stored.spec["files"][0]["sha256"])
    sketch = await m.run(plane)
    assert "drift: the sketch of base:1" in sketch["run"]["log_tail"]
    for name in signals:
        first, second = m.signal_of(rows, name), m.signal_of(sketch, name)
        assert second["baseline"] == "base:1"
        assert list(first["features"]) == list(second["features"]) == ["a", "b", "c", "site"]
        for feature, found in first["features"].items():
            for metric, value in found["metrics"].items():
                other = second["features"][feature]["metrics"][metric]
                assert other["verdict"] == value["verdict"], (feature, metric)
                close = 2e-2 if metric.endswith("_test") else 3e-3
                assert other["value"] == pytest.approx(value["value"], abs=close), (feature, metric)
    assert m.signal_of(sketch, "drift")["features"]["a"]["metrics"]["normalized_wasserstein_distance"]["verdict"] == (
        "Breached"
    )


async def test_predictions_are_compared_with_what_was_true(plane: ControlPlane) -> None:
    performance = {
        "type": "model_performance",
        "alert_enabled": True,
        "production_data": {"data_column_names": {"prediction": "label", "prediction_probability": "chance"}},
        "reference_data": m.reference("truth:1", target="was", correlation_id="id"),
        "metric_thresholds": {"classification": {"accuracy": 0.9, "recall": 0.5}},
    }
    wrong = ROWS // 4
    part = {**performance, "data_segment": {"feature_name": "site", "feature_values": ["S"]}}
    m.collect(plane, "model_inputs", [{"site": "S" if n < wrong else "N"} for n in range(ROWS + 50)])
    await m.applied(
        plane,
        truth_yml=m.data("truth", "truth.jsonl"),
        truth_jsonl=m.lines({"id": f"r{n}_0", "was": n % 2 if n >= wrong else 1 - n % 2} for n in range(ROWS)),
        monitor_yml=m.monitor(right=performance, south=part),
    )
    m.collect(plane, "model_outputs", [{"label": n % 2, "chance": 0.8 if n % 2 else 0.1} for n in range(ROWS + 50)])
    found = await m.run(plane)
    metrics = m.signal_of(found, "right")["metrics"]
    assert metrics["accuracy"]["value"] == 0.75
    assert (metrics["accuracy"]["verdict"], metrics["recall"]["verdict"]) == ("Breached", "Healthy")
    assert metrics["roc_auc"]["value"] == 0.75
    assert found["run"]["verdict"] == "Breached"
    assert m.signal_of(found, "south")["metrics"]["accuracy"]["value"] == 0.0


async def test_a_regression_is_compared_within_one_data_asset(plane: ControlPlane) -> None:
    both = {
        "type": "model_performance",
        "production_data": m.reference("scored:1", prediction="told", target="was"),
        "metric_thresholds": {"regression": {"mae": 0.4}},
    }
    await m.applied(
        plane,
        scored_yml=m.data("scored", "scored.csv"),
        scored_csv="told,was\n" + "".join(f"{n + 0.5},{n}\n" for n in range(ROWS)),
        monitor_yml=m.monitor("regression", right=both),
    )
    mae = m.signal_of(await m.run(plane), "right")["metrics"]["mae"]
    assert (mae["value"], mae["verdict"]) == (0.5, "Breached")


@pytest.mark.parametrize(("weights", "verdict"), [((3.0, 1.0, 0.0), "Healthy"), ((0.0, 1.0, 3.0), "Breached")])
async def test_features_that_matter_now_are_those_of_training(
    plane: ControlPlane, weights: tuple[float, ...], verdict: str
) -> None:
    attribution = {
        "type": "feature_attribution_drift",
        "reference_data": m.reference("training:1", target_column="y"),
        "metric_thresholds": {"normalized_discounted_cumulative_gain": 0.9},
    }
    await m.applied(
        plane,
        training_yml=m.data("training", "training.jsonl"),
        training_jsonl=m.lines(inputs(3)),
        monitor_yml=m.monitor("regression", weights=attribution),
    )
    now = inputs(4, weights=weights)
    m.collect(plane, "model_inputs", without_y(now))
    m.collect(plane, "model_outputs", [{"score": row["y"]} for row in now])
    found = m.signal_of(await m.run(plane), "weights")
    assert found["metrics"]["normalized_discounted_cumulative_gain"]["verdict"] == verdict, found
    most = max(found["features"].values(), key=lambda one: float(one["importance"]))
    assert most["name"] == ("a" if verdict == "Healthy" else "c")
    assert found["features"]["site"]["importance"] < 0.2
    (kept,) = (await call(plane, "get_data_version", 200, name="training", version="1"))["importances"]
    assert kept == found["learnt"][0]
    assert (kept["data"], kept["target"], max(kept["weights"], key=kept["weights"].get)) == ("training:1", "y", "a")
    again = m.signal_of(await m.run(plane), "weights")
    assert again["learnt"] == []  # it is known, and comes to the same
    assert again["metrics"] == found["metrics"]
    await m.profile(plane, "training")
    assert (await call(plane, "get_data_version", 200, name="training", version="1"))["importances"] == [kept]


async def test_only_the_features_that_matter_most_and_a_part_of_the_rows_are_looked_at(plane: ControlPlane) -> None:
    most = {
        "type": "data_drift",
        "reference_data": m.reference("training:1", target_column="y"),
        "features": {"top_n_feature_importance": 2},
    }
    south = {
        "type": "data_drift",
        "reference_data": m.reference("training:1"),
        "data_segment": {"feature_name": "site", "feature_values": ["S"]},
        "features": ["a", "b"],
    }
    now = [row | {"a": row["a"] + (5.0 if row["site"] == "N" else 0.0)} for row in inputs(6)]
    m.collect(plane, "model_inputs", without_y(now))
    await m.applied(
        plane,
        training_yml=m.data("training", "training.jsonl"),
        training_jsonl=m.lines(inputs(5)),
        monitor_yml=m.monitor("regression", most=most, south=south),
    )
    await m.profile(plane, "training")
    found = await m.run(plane)
    assert "most: the sketch of training:1" in found["run"]["log_tail"]
    features = m.signal_of(found, "most")["features"]
    assert list(features) == ["a", "b"]
    assert features["a"]["importance"] > features["b"]["importance"] > 0
    assert features["a"]["metrics"]["normalized_wasserstein_distance"]["verdict"] == "Breached"
    part = m.signal_of(found, "south")
    assert part["counts"]["rows"] == sum(row["site"] == "S" for row in now)
    assert {one["metrics"]["normalized_wasserstein_distance"]["verdict"] for one in part["features"].values()} == {
        "Healthy"
    }


async def test_predictions_and_quality_against_what_was_collected_before(plane: ControlPlane) -> None:
    """Without reference data, the two windows before production's are the reference."""
    signals = {"predictions": {"type": "prediction_drift"}, "quality": {"type": "data_quality"}}
    await m.applied(plane, monitor_yml=m.monitor(**signals))
    before, now = inputs(7), inputs(8)
    m.collect(plane, "model_inputs", without_y(before), hours_ago=40, run="b")
    m.collect(plane, "model_outputs", [{"score": row["y"]} for row in before], hours_ago=40, run="b")
    m.collect(plane, "model_inputs", [row | {"a": None} if n % 3 == 0 else row for n, row in enumerate(without_y(now))])
    m.collect(plane, "model_outputs", [{"score": row["y"] + 4.0} for row in now])
    m.collect(plane, "model_outputs", [{"score": 1000.0}] * 100, hours_ago=200, run="old")
    found = await m.run(plane)
    drift = m.signal_of(found, "predictions")
    assert (drift["baseline"].endswith(" before"), drift["counts"]["rows"]) == (True, ROWS)
    assert drift["features"]["score"]["baseline_count"] == ROWS
    assert drift["features"]["score"]["metrics"]["normalized_wasserstein_distance"]["verdict"] == "Breached"
    quality = m.signal_of(found, "quality")["features"]
    assert quality["a"]["metrics"]["null_value_rate"]["verdict"] == "Breached"
    assert quality["a"]["metrics"]["null_value_rate"]["value"] == pytest.approx(1 / 3, abs=0.01)
    assert quality["b"]["metrics"]["null_value_rate"]["verdict"] == "Healthy"
