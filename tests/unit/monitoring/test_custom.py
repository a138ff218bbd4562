"""Metrics that a component wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.monitoring.run import run
from shared.resources.monitor_request import MonitorRequest
from shared.resources.monitor_result import SignalResult, Verdict


def found(path: Path, text: str, **signal: Any) -> SignalResult:
    path.write_text(text)
    asked = {"name": "s", "type": "custom", "production": {"files": [{"path": str(path), "format": "csv"}]}, **signal}
    request = {"monitor": "m", "run_id": "r", "created_at": "2026-06-01T00:00:00Z", "signals": [asked]}
    return run(MonitorRequest.model_validate(request)).signals[0]


def test_metrics_are_judged_by_the_signals_thresholds_then_by_their_own(tmp_path: Path) -> None:
    text = "metric_name,metric_value,feature_name,threshold_value\nspread,2.5,,\ncost,7,,5\nmean,1,a,\nmean,9,b,4\n"
    one = found(tmp_path / "m.csv", text, overall={"spread": 2.0, "mean": None})
    assert {each.metric: (each.value, each.verdict) for each in one.metrics} == {
        "spread": (2.5, Verdict.BREACHED), "cost": (7.0, Verdict.BREACHED),
    }  # fmt: skip
    assert {each.name: each.verdict for each in one.features} == {"a": Verdict.HEALTHY, "b": Verdict.BREACHED}


@pytest.mark.parametrize(
    ("text", "limits", "words"),
    [
        ("name,value\na,1\n", {}, "have no column 'metric_name'; write|have no column 'metric_name'"),
        ("metric_name,metric_value\na,1\n", {"b": 1.0}, "wrote no metric 'b'"),
    ],
)
def test_what_is_no_metric_is_told(tmp_path: Path, text: str, limits: dict[str, float], words: str) -> None:
    one = found(tmp_path / "m.csv", text, overall=limits)
    assert one.verdict is Verdict.FAILED
    assert any(word in one.reason for word in words.split("|"))


def test_a_value_that_is_no_number_failed(tmp_path: Path) -> None:
    one = found(tmp_path / "m.csv", "metric_name,metric_value\na,1\nb,none\n", overall={"a": 2.0, "b": 1.0})
    assert [(each.metric, each.verdict) for each in one.metrics] == [("a", Verdict.HEALTHY), ("b", Verdict.FAILED)]


def test_a_component_that_failed_says_why(tmp_path: Path) -> None:
    one = found(tmp_path / "m.csv", "a\n1\n", unavailable="the component ended with 3: no such file")
    assert (one.verdict, one.reason) == (Verdict.FAILED, "the component ended with 3: no such file")
