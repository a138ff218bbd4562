"""`slipway drift compare`: two files, no server, and an exit code for scripts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from shared.cli.errors import ExitCode
from shared.cli.main import slipway
from shared.resources.monitor_result import MonitorResult, Verdict

ROWS = 2_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("drift")
    rng = np.random.default_rng(8)
    for name, shift, ages in (("base", 0.0, 0.0), ("same", 0.0, 0.0), ("moved", 0.6, 0.3)):
        nulls = rng.random(ROWS) < ages
        table = pa.table(
            {
                "glucose": rng.normal(100 + 20 * shift, 20, ROWS),
                "age": pa.array(rng.integers(18, 90, ROWS), mask=nulls),
                "site": rng.choice(["north", "south", "<b>|west"], ROWS, p=[0.5, 0.3, 0.2]),
            }
        )
        pq.write_table(table, made / f"{name}.parquet")
        pacsv.write_csv(table, made / f"{name}.csv")
    return made


def _compare(folder: Path, *arguments: str) -> Result:
    paths = [str(folder / one) if (folder / one).exists() else one for one in arguments]
    return CliRunner().invoke(slipway, ["drift", "compare", *paths])


def test_a_process_without_a_server_tells_drift_by_its_exit_code(folder: Path) -> None:
    for name, code in (("same", ExitCode.OK), ("moved", ExitCode.DRIFT)):
        command = [sys.executable, "-m", "shared.cli.main", "drift", "compare", "base.parquet", f"{name}.parquet"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
    assert re.search(
        r"^glucose +numerical +normalized_wasserstein_distance +0\.[56]\d+ +0\.1 +\S+ +Breached$", done.stdout, re.M
    )
    assert "1 of 3 features beyond a threshold; 2,000 rows" in done.stdout


def test_formats_may_differ(folder: Path) -> None:
    by_format = [
        json.loads(_compare(folder, "base.parquet", name, "-o", "json").stdout)
        for name in ("moved.parquet", "moved.csv")
    ]
    values = [
        [metric["value"] for one in found["signals"][0]["features"] for metric in one["metrics"]] for found in by_format
    ]
    assert values[0] == pytest.approx(values[1])


def test_quality_is_asked_for(folder: Path) -> None:
    found = _compare(folder, "base.parquet", "moved.parquet", "--quality", "--features", "age", "-o", "json")
    drift, quality = MonitorResult.model_validate_json(found.stdout).signals
    assert drift.verdict is Verdict.HEALTHY
    age = quality.features[0]
    assert (age.name, age.verdict, age.current_null_count > 500) == ("age", Verdict.BREACHED, True)


def test_metrics_features_and_types(folder: Path) -> None:
    asked = ("--metrics", "population_stability_index=0.05,pearsons_chi_squared_test", "--type", "age=categorical")
    found = _compare(folder, "base.parquet", "moved.parquet", *asked, "--features", "glucose,age", "-o", "json")
    features = MonitorResult.model_validate_json(found.stdout).signals[0].features
    assert [(one.name, one.type, [metric.metric for metric in one.metrics]) for one in features] == [
        ("glucose", "numerical", ["population_stability_index"]),
        ("age", "categorical", ["population_stability_index", "pearsons_chi_squared_test"]),
    ]
    assert features[0].metrics[0].threshold == 0.05


def test_a_sketch_stands_for_the_baseline(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "base.sketch"
    first = _compare(folder, "base.parquet", "moved.parquet", "--save-baseline", str(kept), "-o", "json")
    second = _compare(folder, str(kept), "moved.parquet", "-o", "json")
    for one, other in zip(*(_values(found) for found in (first, second)), strict=True):
        assert one == pytest.approx(other, abs=2e-3)
    assert (first.exit_code, second.exit_code) == (8, 8)


def _values(found: Result) -> list[float | None]:
    features = MonitorResult.model_validate_json(found.stdout).signals[0].features
    return [metric.value for feature in features for metric in feature.metrics if metric.unit != "p-value"]


def test_intervals_hold_the_value(folder: Path) -> None:
    found = _compare(
        folder, "base.parquet", "moved.parquet", "--bootstrap", "200", "--features", "glucose,site", "-o", "json"
    )
    for feature in MonitorResult.model_validate_json(found.stdout).signals[0].features:
        for metric in feature.metrics:
            if metric.unit == "p-value":
                assert metric.interval is None
            else:
                assert metric.interval is not None
                assert metric.interval.low < metric.interval.high
        if feature.name == "glucose":
            first = feature.metrics[0]
            assert first.interval is not None
            assert first.interval.low < (first.value or 0) < first.interval.high


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)


def test_markdown_and_html_are_safe_and_fetch_nothing(folder: Path) -> None:
    page = _compare(folder, "base.parquet", "moved.parquet", "-o", "html").stdout
    tags = _Tags()
    tags.feed(page)
    assert "script" not in tags.seen
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page
    assert tags.seen.count("svg") == 3
    text = _compare(folder, "base.parquet", "moved.parquet", "-o", "markdown").stdout
    assert "What to look at first" in text
    assert "| glucose | " in text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("base.parquet", "none.parquet"), 3, "none.parquet is no file"),
        (("base.parquet", "other.parquet"), 4, "no common columns: the baseline has glucose, age, site"),
        (("base.parquet", "empty.parquet"), 4, "is empty"),
        (("base.parquet", "text.parquet"), 4, "is not a Parquet file"),
        (("base.parquet", "x.xlsx"), 4, "nothing tells its format"),
        (("base.parquet", "same.parquet", "--features", "weight"), 4, "the baseline has no column 'weight'"),
        (("base.parquet", "same.parquet", "--metrics", "ks"), 4, "there is no metric 'ks' here"),
        (("base.parquet", "same.parquet", "--type", "age=number"), 2, "neither numerical nor categorical"),
        (("text.sketch", "same.parquet"), 4, "this is no sketch"),
        (("base.parquet", "few.parquet"), 1, ""),
        (("base.parquet", "texts.parquet"), 1, ""),
    ],
)
def test_faults_are_told(folder: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    pq.write_table(pa.table({"weight": [1.0]}), folder / "other.parquet")
    pq.write_table(pq.read_table(folder / "same.parquet").slice(0, 20), folder / "few.parquet")
    pq.write_table(pa.table({"glucose": ["high", "low"] * 100}), folder / "texts.parquet")
    (folder / "empty.parquet").touch()
    (folder / "x.xlsx").write_text("x")
    for name in ("text.parquet", "text.sketch"):
        (folder / name).write_text("glucose,age\n1,2\n")
    found = _compare(folder, *arguments)
    assert found.exit_code == code, found.output
    assert said in found.output


def test_too_few_values_are_no_verdict(folder: Path) -> None:
    pq.write_table(pq.read_table(folder / "moved.parquet").slice(0, 20), folder / "few.parquet")
    found = _compare(folder, "base.parquet", "few.parquet")
    assert found.exit_code == 1
    assert "NotEnoughData: 20 values in production" in found.output
    assert _compare(folder, "base.parquet", "few.parquet", "--minimum-sample-size", "10").exit_code in (0, 8)
