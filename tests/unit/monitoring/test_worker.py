"""`python -m shared.monitoring.worker`: a request in, a result out, for every kind of signal."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.monitoring.run import run
from shared.monitoring.worker import main
from shared.resources.monitor_request import MonitorRequest
from shared.resources.monitor_result import FeatureResult, MonitorResult, SignalResult, Verdict

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RNG = np.random.default_rng(31)


def _files(*paths: Path, form: str = "parquet", **more: Any) -> dict[str, Any]:
    return {"files": [{"path": str(path), "format": form} for path in paths], **more}


def _request(*signals: dict[str, Any], **more: Any) -> MonitorRequest:
    named = [{"name": f"s{place}", **one} for place, one in enumerate(signals)]
    return MonitorRequest.model_validate({"monitor": "m", "run_id": "r", "created_at": NOW, "signals": named, **more})


def _one(signal: dict[str, Any], **more: Any) -> SignalResult:
    return run(_request(signal, **more)).signals[0]


def _parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def _metrics(found: SignalResult | FeatureResult) -> dict[str, Any]:
    return {one.metric: one.value for one in found.metrics}


def test_a_process_writes_the_result(tmp_path: Path) -> None:
    base = _parquet(tmp_path / "a.parquet", x=RNG.normal(size=500))
    now = _parquet(tmp_path / "b.parquet", x=RNG.normal(1, 1, size=500))
    signal = {"type": "data_drift", "production": _files(now), "reference": _files(base, label="base:1")}
    request, answer = tmp_path / "request.json", tmp_path / "result.json"
    request.write_text(_request(signal, {**signal, "features": ["y"]}).model_dump_json())
    command = [sys.executable, "-m", "shared.monitoring.worker", str(request), str(answer)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    result = MonitorResult.model_validate_json(answer.read_bytes())
    assert (result.verdict, result.run_id) == (Verdict.BREACHED, "r")
    good, bad = result.signals
    assert (good.baseline, good.counts.rows, good.features[0].verdict) == ("base:1", 500, Verdict.BREACHED)
    assert (bad.verdict, "has no column 'y'" in bad.reason) == (Verdict.FAILED, True)


def test_a_request_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.json").write_text('{"monitor": "m", "signals": []}')
    assert main([str(tmp_path / "r.json"), str(tmp_path / "out.json")]) == 1
    assert "signals" in capsys.readouterr().err
    assert main([str(tmp_path / "none.json"), str(tmp_path / "out.json")]) == 1
    assert main([]) == 1
    assert not (tmp_path / "out.json").exists()


def _collected(path: Path, hours: int, shift: float) -> Path:
    lines = []
    for number in range(hours * 60):
        event = {"id": f"{path.name}-{number}", "time": (NOW + timedelta(minutes=number)).isoformat()}
        rows = [{"x": float(RNG.normal(shift)), "site": str(RNG.choice(["a", "b"]))}]
        lines.append(json.dumps({**event, "correlationid": f"{path.name}-{number}", "data": rows}))
    path.write_text("\n".join(lines))
    return path


def test_hourly_sketches_add_up_to_the_day(tmp_path: Path) -> None:
    """A run over stored sketches says what a run over their files says, but for what lies between two edges."""
    columns = {"x": RNG.normal(size=3_000), "site": RNG.choice(["a", "b"], 3_000)}
    base = _parquet(tmp_path / "base.parquet", **columns)
    sketch = str(tmp_path / "base.sketch")
    files = [_collected(tmp_path / f"{hour}.jsonl", 2, 0.4) for hour in range(4)]
    whole = _one({"type": "data_drift", "production": _files(*files, form="collected"),
                  "reference": _files(base, save_sketch=sketch)})  # fmt: skip
    parts = []
    for path in files:
        parts.append(f"{path}.sketch")
        production = _files(path, form="collected", save_sketch=parts[-1])
        _one({"type": "data_drift", "production": production, "reference": {"sketches": [sketch]}})
    production = {"sketches": parts[:3], **_files(files[3], form="collected")}
    added = _one({"type": "data_drift", "production": production, "reference": {"sketches": [sketch]}})
    for one, other in zip(whole.features, added.features, strict=True):
        assert (one.current_count, one.verdict) == (other.current_count, other.verdict)
        for name, value in _metrics(one).items():
            assert _metrics(other)[name] == pytest.approx(value, abs=3e-3), name
    assert whole.features[0].verdict is Verdict.BREACHED


def test_a_window_counts_what_lies_outside(tmp_path: Path) -> None:
    base = _parquet(tmp_path / "base.parquet", x=RNG.normal(size=300))
    file = _collected(tmp_path / "day.jsonl", 5, 0.0)
    production = _files(file, form="collected", window_start=NOW, window_end=NOW + timedelta(hours=2))
    found = _one({"type": "data_drift", "production": production, "reference": _files(base)})
    assert (found.counts.rows, found.counts.outside_rows, found.window_start) == (120, 180, NOW)


def test_azure_ml_drops_rows_with_a_null_before_it_compares(tmp_path: Path) -> None:
    x, y = RNG.normal(size=400), RNG.normal(size=400)
    base = _parquet(tmp_path / "base.parquet", x=x, y=y)
    now = _parquet(tmp_path / "now.parquet", x=x, y=np.where(x > 0, np.nan, y))
    signal = {"type": "data_drift", "production": _files(now), "reference": _files(base)}
    ours, theirs = _one(signal), _one(signal, compatibility="azureml")
    assert ours.features[0].verdict is Verdict.HEALTHY
    assert theirs.features[0].verdict is Verdict.BREACHED
    assert [one.metric for one in theirs.features[0].metrics] == ["normalized_wasserstein_distance"]


def test_azure_mls_smirnov_test_takes_few_rows(tmp_path: Path) -> None:
    base = _parquet(tmp_path / "base.parquet", x=RNG.normal(size=10_000))
    signal = {"type": "data_drift", "production": _files(base), "reference": _files(base),
              "numerical": {"two_sample_kolmogorov_smirnov_test": 0.05}, "categorical": {}}  # fmt: skip
    found = _one(signal, compatibility="azureml").features[0].metrics[0]
    assert (found.verdict, "fewer than 10,000 rows" in found.reason) == (Verdict.FAILED, True)
    assert _one(signal).features[0].metrics[0].value == 1.0


def _quality(tmp_path: Path, **more: Any) -> SignalResult:
    rows = 1_000
    base = _parquet(tmp_path / "base.parquet", x=RNG.uniform(0, 1, rows), s=RNG.choice(["a", "b"], rows),
                    n=np.where(np.arange(rows) < 20, np.nan, 1.0), gone=np.zeros(rows))  # fmt: skip
    texts = [str(value) for value in RNG.uniform(0.2, 0.8, rows)]
    texts[:100] = ["?"] * 100
    texts[100:150] = ["7"] * 50
    now = _parquet(tmp_path / "now.parquet", x=texts, s=["a"] * 900 + ["new"] * 100,
                   n=np.where(np.arange(rows) < 25, np.nan, 1.0))  # fmt: skip
    return _one(
        {"type": "data_quality", "production": _files(now), "reference": _files(base), **more.pop("signal", {})}, **more
    )


def test_data_quality(tmp_path: Path) -> None:
    found = {one.name: one for one in _quality(tmp_path).features}
    x = _metrics(found["x"])
    assert (x["null_value_rate"], x["data_type_error_rate"], x["out_of_bounds_rate"]) == (0.0, 0.1, 0.05)
    assert _metrics(found["s"])["new_category_rate"] == 0.1
    assert {name: one.verdict for name, one in found.items()} == {
        "x": Verdict.BREACHED, "s": Verdict.BREACHED, "n": Verdict.HEALTHY, "gone": Verdict.FAILED,
    }  # fmt: skip
    assert "no column 'gone' any more" in found["gone"].metrics[0].reason


def test_data_quality_as_azure_ml_has_it(tmp_path: Path) -> None:
    found = {one.name: one for one in _quality(tmp_path, compatibility="azureml").features}
    assert found["n"].verdict is Verdict.BREACHED  # any null is one too many
    assert list(_metrics(found["s"])) == ["null_value_rate", "data_type_error_rate", "out_of_bounds_rate"]
    assert _metrics(found["s"])["out_of_bounds_rate"] == 0.1


def test_thresholds_of_quality_that_were_given(tmp_path: Path) -> None:
    given = {"numerical": {"null_value_rate": 0.02}, "categorical": {"new_category_rate": 0.2}}
    found = {one.name: one for one in _quality(tmp_path, signal=given).features}
    assert found["n"].verdict is Verdict.BREACHED
    assert found["s"].verdict is Verdict.HEALTHY


def test_performance_joins_labels_by_correlation_id(tmp_path: Path) -> None:
    lines = []
    for number in range(200):
        told = {"label": number % 2, "chance": 0.9 if number % 2 else 0.2}
        lines.append(
            json.dumps({"id": f"i{number}", "time": NOW.isoformat(), "correlationid": f"c{number}", "data": [told]})
        )
    (tmp_path / "out.jsonl").write_text("\n".join(lines))
    ids = [f"c{number}_0" for number in range(0, 150)]
    labels = _parquet(
        tmp_path / "labels.parquet",
        id=ids,
        truth=[number % 2 if number > 15 else 1 - number % 2 for number in range(150)],
    )
    signal = {
        "type": "model_performance",
        "production": _files(tmp_path / "out.jsonl", form="collected"),
        "reference": _files(labels, correlation_column="id"),
        "columns": {"prediction": "label", "truth": "truth", "probability": "chance"},
        "overall": {"accuracy": 0.95},
    }
    found = _one(signal)
    values = {one.metric: one for one in found.metrics}
    assert values["accuracy"].value == pytest.approx(134 / 150)
    assert (values["accuracy"].verdict, values["recall"].verdict) == (Verdict.BREACHED, Verdict.HEALTHY)
    assert values["roc_auc"].value is not None
    assert found.counts.rows == 200
    labels = _parquet(tmp_path / "labels.parquet", id=["z"] * 100, truth=[1] * 100)
    assert "no prediction has the 'correlationid' of a label" in _one(signal).reason


def test_performance_of_numbers_in_one_file(tmp_path: Path) -> None:
    truth = RNG.normal(size=300)
    data = _parquet(tmp_path / "x.parquet", told=truth + 1, truth=truth)
    signal = {"type": "model_performance", "task": "regression", "production": _files(data), "overall": {"mae": 0.5},
              "columns": {"prediction": "told", "truth": "truth"}}  # fmt: skip
    found = _one(signal)
    assert _metrics(found)["mae"] == pytest.approx(1.0)
    assert found.verdict is Verdict.BREACHED
    assert _one(signal, minimum_sample_size=301).verdict is Verdict.NOT_ENOUGH_DATA
    assert "no column 'guess'" in _one({**signal, "columns": {"prediction": "guess", "truth": "truth"}}).reason


def test_attributions(tmp_path: Path) -> None:
    base = _parquet(tmp_path / "base.parquet", a=[3.0, -3.0], b=[1.0, 1.0], c=[0.1, 0.1])
    now = _parquet(tmp_path / "now.parquet", a=[0.1, -0.1], b=[1.0, -1.0], c=[3.0, 3.0])
    signal = {"type": "feature_attribution_drift", "production": _files(now), "reference": _files(base)}
    found = _one(signal)
    assert found.verdict is Verdict.BREACHED
    assert found.metrics[0].value is not None
    assert found.metrics[0].value < 0.9
    assert {one.name: one.importance for one in found.features} == {"a": 0.1, "b": 1.0, "c": 3.0}
    given = {**signal, "importance": {"a": 3, "b": 1}, "production_importance": {"a": 2, "b": 1}}
    assert _one(given).metrics[0].value == 1.0
    assert "other features: b" in _one({**given, "production_importance": {"a": 2}}).reason


def test_whole_rows_show_what_no_feature_shows(tmp_path: Path) -> None:
    """Two features that become dependent: each is distributed as it was."""
    x, y, z = RNG.normal(size=(3, 3_000))
    base = _parquet(tmp_path / "base.parquet", x=x, y=y)
    now = _parquet(tmp_path / "now.parquet", x=z, y=0.9 * z + np.sqrt(0.19) * RNG.normal(size=3_000))
    asked = {"maximum_mean_discrepancy": 0.05, "datadrift_coefficient": None}
    signal = {"type": "data_drift", "production": _files(now), "reference": _files(base), "overall": asked}
    found = _one(signal)
    assert {one.verdict for one in found.features} == {Verdict.HEALTHY}
    assert found.metrics[0].metric == "maximum_mean_discrepancy"
    assert found.metrics[0].verdict is Verdict.BREACHED
    same = _one({**signal, "production": _files(base)})
    assert same.verdict is Verdict.HEALTHY


def test_data_larger_than_what_is_kept_are_compared_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = _parquet(tmp_path / "base.parquet", x=RNG.normal(size=50_000), k=RNG.integers(0, 5, 50_000))
    now = _parquet(tmp_path / "now.parquet", x=RNG.normal(0.05, 1, size=60_000), k=RNG.integers(0, 5, 60_000))
    signal = {"type": "data_drift", "production": _files(now), "reference": _files(base)}
    exact = _one(signal)
    monkeypatch.setattr("shared.monitoring.sketches.dataset.MAX_KEPT", 20_000)
    streamed = _one(signal)
    for one, other in zip(exact.features, streamed.features, strict=True):
        assert (one.current_count, one.type, one.verdict) == (other.current_count, other.type, other.verdict)
        for name, value in _metrics(one).items():
            close = 5e-2 if name.endswith("test") else 1e-3
            assert _metrics(other)[name] == pytest.approx(value, abs=close), name


def test_data_are_like_themselves_whatever_they_hold(tmp_path: Path) -> None:
    rows = 300
    data = _parquet(
        tmp_path / "odd.parquet",
        large=[2**62 + number for number in range(rows)],
        huge=RNG.normal(size=rows) * 1e300,
        infinite=[float("inf")] * rows,
        nothing=pa.nulls(rows),
        constant=[5.0] * rows,
        half=RNG.normal(size=rows).astype(np.float16),
        coded=pa.array(["x", "y", None] * 100).dictionary_encode(),
        lists=[[1]] * rows,
        bytes_=[b"x"] * rows,
        day=pa.array(range(rows), pa.date32()),
        span=pa.array(range(rows), pa.duration("s")),
        truth=[True, False] * 150,
    )
    empty = tmp_path / "empty.parquet"
    pq.write_table(pq.read_table(data).slice(0, 0), empty)
    for compatibility in ("slipway", "azureml"):
        for kind in ("data_drift", "data_quality"):
            signal = {"type": kind, "production": _files(data), "reference": _files(data)}
            found = _one(signal, compatibility=compatibility, bootstrap_samples=3)
            strict = compatibility == "azureml" and kind == "data_quality"  # any null is one too many
            assert strict or Verdict.BREACHED not in {one.verdict for one in found.features}
            nothing = _one({**signal, "production": _files(empty)}, compatibility=compatibility)
            assert Verdict.BREACHED not in {one.verdict for one in nothing.features}


def test_categories_that_become_many_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.monitoring.sketches.categorical.MAX_CATEGORIES", 1_000)
    monkeypatch.setattr("shared.monitoring.sketches.column.MAX_INTEGERS", 500)
    base = _parquet(tmp_path / "base.parquet", s=["a", "b"] * 1_000, k=[1, 2] * 1_000)
    now = _parquet(tmp_path / "now.parquet", s=[f"id-{n}" for n in range(2_000)], k=list(range(2_000)))
    signal = {"type": "data_drift", "production": _files(now), "reference": _files(base)}
    assert {one.name: (one.type, one.verdict) for one in _one(signal).features} == {
        "s": ("categorical", Verdict.BREACHED), "k": ("categorical", Verdict.BREACHED),
    }  # fmt: skip
    backwards = _one({"type": "data_drift", "production": _files(base), "reference": _files(now)})
    assert {one.name: one.verdict for one in backwards.features}["s"] is Verdict.NOT_ENOUGH_DATA
