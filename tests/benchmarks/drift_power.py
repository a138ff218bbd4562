"""What monitors see and what they cry: false alarms and detection over data of known truth, beside Azure ML's defaults
and Evidently's rule. Rates, not times: a busy machine does not change them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from shared.monitoring.settings import Settings
from shared.resources.monitor_request import DataSet, SignalRequest
from shared.resources.monitor_result import FeatureResult, Verdict
from tests.benchmarks.report import Result, Table
from tests.unit.monitoring.synthetic import SIGNAL, monitored, stable
from tests.unit.monitoring.synthetic import Table as Data

SIZES = (1_000, 5_000)
TESTS = SignalRequest(
    name="drift",
    type="data_drift",
    production=DataSet(),
    numerical={"two_sample_kolmogorov_smirnov_test": 0.05},
    categorical={"pearsons_chi_squared_test": 0.05},
)
SEEN = SIGNAL.model_copy(
    update={
        "numerical": {"normalized_wasserstein_distance": 0.1, "two_sample_kolmogorov_smirnov_test": None},
        "categorical": {"jensen_shannon_distance": 0.1, "pearsons_chi_squared_test": None},
    }
)
FEW = 1_000  # rows up to which Evidently tests, and beyond which it measures distances
SHIFTS = {"0.1 sigma": 0.1, "0.2 sigma": 0.2, "0.5 sigma": 0.5}
Breached = Callable[[Data, Data], list[str]]


def _slipway(signal: SignalRequest, settings: Settings) -> Breached:
    def breached(before: Data, now: Data) -> list[str]:
        return [one.name for one in monitored(before, now, settings, signal) if one.verdict is Verdict.BREACHED]

    return breached


def _evidently(before: Data, now: Data) -> list[str]:
    """By its documentation: KS and chi-squared at 0.05 up to 1,000 rows, Wasserstein's and Jensen-Shannon's (to base e)
    distances from 0.1 on beyond; no column knows of the others."""
    few = len(next(iter(before.values()))) <= FEW
    return [one.name for one in monitored(before, now, signal=SEEN) if _by_rule(one, few)]


def _by_rule(one: FeatureResult, few: bool) -> bool:
    values = [metric.value or 0.0 for metric in one.metrics]
    if few:
        return values[1] < 0.05
    return values[0] * (math.sqrt(math.log(2)) if one.type == "categorical" else 1.0) >= 0.1


RULES: dict[str, Breached] = {
    "Slipway, default": _slipway(SIGNAL, Settings()),
    "Slipway, tests asked for": _slipway(TESTS, Settings()),
    "Azure ML, default": _slipway(SIGNAL, Settings(compatibility="azureml")),
    "Evidently, default": _evidently,
}


async def measure(quick: bool) -> Result:
    """The share of runs with any false alarm among 60 columns, and with an alarm for the one column that moved."""
    runs = 5 if quick else 200
    found = {rows: {name: _rates(rule, rows, runs) for name, rule in RULES.items()} for rows in SIZES}
    tables = []
    for rows, rates in found.items():
        columns = ("rule", *next(iter(rates.values())))
        lines = [(name, *(f"{100 * rate:.0f} %" for rate in one.values())) for name, one in rates.items()]
        tables.append(Table(f"{rows:,} rows a side, 60 columns, {runs} runs", columns, lines))
    return Result("drift-power", tables, {str(rows): rates for rows, rates in found.items()})


def _rates(rule: Breached, rows: int, runs: int) -> dict[str, float]:
    rng = np.random.default_rng(rows)
    counts = dict.fromkeys(["any false alarm", *SHIFTS, "categories swapped"], 0)
    for _ in range(runs):
        before, now = stable(rng, rows), stable(rng, rows)
        counts["any false alarm"] += bool(rule(before, now))
        for name, shift in SHIFTS.items():
            counts[name] += "n0" in rule(before, {**now, "n0": rng.normal(shift, 1, rows)})
        counts["categories swapped"] += "t3" in rule(before, {**now, "t3": _swapped(now["t3"])})
    return {name: count / runs for name, count in counts.items()}


def _swapped(values: np.ndarray) -> np.ndarray:
    """The second and the third most frequent category in each other's place."""
    return np.where(values == "c1", "c2", np.where(values == "c2", "c1", values))
