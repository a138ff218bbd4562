"""What the drift statistics are measured beside: each a script in an environment of its own from PyPI."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.report import BUILD, ROOT

VENVS = BUILD / "drift"
OURS = Path(sys.executable)

_EVIDENTLY = """
import sys, warnings; warnings.simplefilter("ignore")
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
base, current = (pd.read_parquet(path) for path in sys.argv[1:3])
found = Report([DataDriftPreset()]).run(current, base).dict()
print(len(found["metrics"]))
"""
_NANNYML = """
import sys, warnings; warnings.simplefilter("ignore")
import pandas as pd
import nannyml
base, current = (pd.read_parquet(path) for path in sys.argv[1:3])
texts = [name for name in base if base[name].dtype.kind not in "fi"]
calculator = nannyml.UnivariateDriftCalculator(
    column_names=list(base), treat_as_categorical=texts, chunk_size=len(base),
    continuous_methods=["kolmogorov_smirnov", "jensen_shannon", "wasserstein"],
    categorical_methods=["chi2", "jensen_shannon"],
)
print(len(calculator.fit(base).calculate(current).to_df()))
"""
_WHYLOGS = """
import sys, warnings; warnings.simplefilter("ignore")
import pandas as pd
import whylogs as why
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores
base, current = (why.log(pd.read_parquet(path)).view() for path in sys.argv[1:3])
print(len(calculate_drift_scores(target_view=current, reference_view=base, with_thresholds=True)))
"""
_SCIPY = """
import sys
import pyarrow.parquet as pq
from scipy import stats
base, current = (pq.read_table(path) for path in sys.argv[1:3])
count = 0
for name in base.column_names:
    if name.startswith("n"):
        first, second = base[name].to_numpy(), current[name].to_numpy()
        stats.ks_2samp(first, second), stats.wasserstein_distance(first, second)
        count += 1
print(count)
"""
_FLOOR = """
import sys
import numpy as np
import pyarrow.parquet as pq
base, current = (pq.read_table(path) for path in sys.argv[1:3])
found = {}
for name in base.column_names:
    if name.startswith("n"):
        first, second = np.sort(base[name].to_numpy()), np.sort(current[name].to_numpy())
        edges = first[::100]
        found[name] = np.abs(np.searchsorted(first, edges) - np.searchsorted(second, edges)).max() / len(first)
    else:
        found[name] = [one[name].value_counts() for one in (base, current)]
print(len(found))
"""


@dataclass(frozen=True)
class Peer:
    """A command that compares two Parquet files, {base} and {current}, and prints something."""

    name: str
    command: tuple[str, ...]
    venv: str = ""  # "" is this environment
    packages: tuple[str, ...] = ()
    codes: tuple[int, ...] = (0,)  # exit codes of success

    def python(self) -> Path | None:
        """Its interpreter, made with its packages when it is not there; None when they cannot be installed."""
        if not self.venv:
            return OURS
        python = VENVS / self.venv / "bin" / "python"
        if not python.exists():
            subprocess.run([OURS, "-m", "venv", VENVS / self.venv], check=True)
            done = subprocess.run([python, "-m", "pip", "install", "-q", *self.packages], check=False)
            if done.returncode:
                return None
        return python

    def line(self, base: Path, current: Path) -> list[str] | None:
        """What is run; None when it cannot be."""
        python = self.python()
        names = {"python": str(python), "base": str(base), "current": str(current), "root": str(ROOT)}
        return None if python is None else [part.format(**names) if "{" in part[:9] else part for part in self.command]


def _script(code: str) -> tuple[str, ...]:
    return ("{python}", "-c", code, "{base}", "{current}")


SLIPWAY = ("{python}", "-m", "shared.cli.main", "drift", "compare", "{base}", "{current}", "-o", "json")
WORKER = "Slipway, as monitors run it"
PEERS = (
    Peer("Slipway, slipway drift compare", SLIPWAY, codes=(0, 8)),
    Peer("NumPy and PyArrow by hand: read, sort, count at a thousand edges (the floor)", _script(_FLOOR)),
    Peer("SciPy: two of five metrics, numbers only", _script(_SCIPY)),
    Peer("Evidently, DataDriftPreset", _script(_EVIDENTLY), "evidently", ("evidently==0.7.23", "pandas<3", "pyarrow")),
    Peer(
        "NannyML, univariate drift",
        _script(_NANNYML),
        "nannyml",
        ("nannyml==0.13.1", "pandas<3", "pyarrow", "statsmodels"),
    ),
    Peer("whylogs, profiles and drift scores", _script(_WHYLOGS), "whylogs", ("whylogs[viz]", "pandas<3", "pyarrow")),
)
