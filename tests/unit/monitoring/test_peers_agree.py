"""Evidently and NannyML find the same where they define the same, each in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.monitoring.compare import Comparison, compare
from shared.monitoring.metrics.wasserstein import distance
from tests.benchmarks.drift_peers import PEERS
from tests.unit.monitoring.sketching import numbers

pytestmark = pytest.mark.slow
EVIDENTLY = """
import json, sys, warnings; warnings.simplefilter("ignore")
import pandas as pd
from evidently.legacy.calculations import stattests as tests
base, now = (pd.read_parquet(path) for path in sys.argv[1:])
found = {"wasserstein": tests.wasserstein_stat_test.func(base.x, now.x, "num", 0.1)[0],
         "ks": tests.ks_stat_test.func(base.x, now.x, "num", 0.05)[0],
         "chi2": tests.chi_stat_test.func(base.s, now.s, "cat", 0.05)[0]}
print(json.dumps({name: float(value) for name, value in found.items()}))
"""
NANNYML = """
import json, sys, warnings; warnings.simplefilter("ignore")
import pandas as pd
import nannyml
base, now = (pd.read_parquet(path) for path in sys.argv[1:])
calculator = nannyml.UnivariateDriftCalculator(
    column_names=["x", "s"], treat_as_categorical=["s"], chunk_size=len(base),
    continuous_methods=["kolmogorov_smirnov", "wasserstein"], categorical_methods=["chi2", "jensen_shannon"],
)
frame = calculator.fit(base).calculate(now).filter(period="analysis").to_df()
print(json.dumps({f"{column} {method}": float(frame[(column, method, "value")].iloc[0])
                  for column, method in (("x", "kolmogorov_smirnov"), ("x", "wasserstein"), ("s", "chi2"),
                                         ("s", "jensen_shannon"))}))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, rng = tmp_path_factory.mktemp("peers"), np.random.default_rng(6)
    for name, shift in (("base", 0.0), ("now", 0.15)):
        x = rng.normal(shift, 1, 3_000)
        pq.write_table(pa.table({"x": x, "s": rng.choice(["a", "b", "c"], 3_000)}), folder / f"{name}.parquet")
    return folder / "base.parquet", folder / "now.parquet"


def _told(venv: str, script: str, files: tuple[Path, Path]) -> dict[str, float]:
    peer = next(one for one in PEERS if one.venv == venv)
    python = peer.python()
    if python is None:
        pytest.skip(f"{peer.packages} cannot be installed here")
    command = [str(python), "-c", script, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _ours(files: tuple[Path, Path], compatibility: str) -> dict[str, Any]:
    asked = ("normalized_wasserstein_distance", "two_sample_kolmogorov_smirnov_test", "pearsons_chi_squared_test")
    found = compare(Comparison(str(files[0]), str(files[1]), metrics=(*asked, "jensen_shannon_distance"),
                               compatibility=compatibility))  # fmt: skip
    return {f"{one.name} {metric.metric}": metric for one in found.signals[0].features for metric in one.metrics}


def test_evidently(files: tuple[Path, Path]) -> None:
    theirs, ours = _told("evidently", EVIDENTLY, files), _ours(files, "slipway")
    as_azure_ml = _ours(files, "azureml")
    assert ours["x normalized_wasserstein_distance"].value == pytest.approx(theirs["wasserstein"], abs=1e-9)
    assert ours["x two_sample_kolmogorov_smirnov_test"].value == pytest.approx(theirs["ks"], abs=1e-9)
    assert as_azure_ml["s pearsons_chi_squared_test"].value == pytest.approx(theirs["chi2"], abs=1e-9)


def test_nannyml(files: tuple[Path, Path]) -> None:
    theirs, ours = _told("nannyml", NANNYML, files), _ours(files, "slipway")
    before, now = (pq.read_table(path)["x"].to_numpy() for path in files)
    chi2 = ours["s pearsons_chi_squared_test"]
    assert ours["x two_sample_kolmogorov_smirnov_test"].effect_size == pytest.approx(
        theirs["x kolmogorov_smirnov"], abs=1e-9
    )
    assert distance(numbers(before), numbers(now)) == pytest.approx(theirs["x wasserstein"], abs=1e-9)
    assert ours["s jensen_shannon_distance"].value == pytest.approx(theirs["s jensen_shannon"], abs=1e-9)
    assert chi2.effect_size**2 * 6_000 == pytest.approx(theirs["s chi2"], abs=1e-6)  # the statistic
