"""What a run may say of others: code that is not Slipway's may have written it."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.monitors.run_claims import learnt_by, windows_seen_by
from shared.monitors.run_plan import RunPlan
from shared.resources.importance import LearntImportance
from shared.resources.monitor_request import DataSet, MonitorRequest, SignalRequest
from shared.resources.monitor_result import MonitorResult, SignalResult

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def plan() -> RunPlan:
    sets = {"production": DataSet(label="now"), "training": DataSet(label="mine:1")}
    signal = SignalRequest.model_validate({"name": "drift", "type": "data_drift", **sets})
    request = MonitorRequest(monitor="watch", run_id="m-1", created_at=NOW, signals=[signal])
    return RunPlan(request, collected={"now": "live/blue/model_inputs"})


def test_only_of_data_that_it_was_given_something_is_kept() -> None:
    mine, others = (LearntImportance(data=name, target="y", seed=0, weights={"a": 1.0}) for name in ("mine:1", "b:2"))
    said = SignalResult(name="drift", type="data_drift", learnt=[mine, others])
    result = MonitorResult(monitor="watch", run_id="m-1", created_at=NOW, compatibility="slipway", signals=[said])
    assert learnt_by(plan(), result) == [mine]


def test_only_windows_of_its_collections_are_sketched_again() -> None:
    own = "live/blue/model_inputs/2026/11/27/05"
    others = [
        "live/green/model_inputs/2026/11/27/05",
        "live/blue/model_inputs/../05",
        "live/blue/model_inputs/",
        "",
        "x",
    ]
    assert windows_seen_by(plan(), [*others, own]) == [("live/blue/model_inputs", "2026/11/27/05")]
