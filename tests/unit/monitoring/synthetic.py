"""Runs of a monitor over data of known truth, in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from shared.monitoring.column_types import ColumnType
from shared.monitoring.drift import compared_features
from shared.monitoring.settings import Settings, drift_thresholds
from shared.monitoring.sides import Sides
from shared.monitoring.sketches.dataset import DataSketch
from shared.resources.monitor_request import DataSet, SignalRequest
from shared.resources.monitor_result import FeatureResult
from tests.unit.monitoring.sketching import column

Table = Mapping[str, npt.NDArray[np.generic]]
SIGNAL = SignalRequest(name="drift", type="data_drift", production=DataSet())


def stable(
    rng: np.random.Generator, rows: int, numerical: int = 50, categorical: int = 10
) -> dict[str, npt.NDArray[np.generic]]:
    """Columns of several shapes, the same at every call but for chance."""
    makers = (
        lambda: rng.normal(size=rows),
        lambda: rng.lognormal(0, 1.5, rows),
        lambda: rng.poisson(3, rows).astype(float),
        lambda: np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
        lambda: np.where(rng.random(rows) < 0.7, 0.0, rng.exponential(size=rows)),
    )
    found: dict[str, npt.NDArray[np.generic]] = {
        f"n{place}": makers[place % len(makers)]() for place in range(numerical)
    }
    for place in range(categorical):
        shares = 1.0 / np.arange(1, 3 + 3 * place) ** 1.2
        names = np.array([f"c{number}" for number in range(len(shares))])
        found[f"t{place}"] = rng.choice(names, rows, p=shares / shares.sum())
    return found


def monitored(
    before: Table, now: Table, settings: Settings | None = None, signal: SignalRequest = SIGNAL
) -> list[FeatureResult]:
    """What a drift signal finds."""
    settings = settings or Settings()
    kinds = {
        name: ColumnType.FLOAT if values.dtype.kind == "f" else ColumnType.STRING for name, values in before.items()
    }
    sketches = [
        DataSketch({name: column(values, kinds[name]) for name, values in table.items()}) for table in (before, now)
    ]
    types = {name: "numerical" if kind is ColumnType.FLOAT else "categorical" for name, kind in kinds.items()}
    wanted = {kind: drift_thresholds(signal, kind, settings.compatibility) for kind in ("numerical", "categorical")}  # type: ignore[arg-type]
    return compared_features(Sides(sketches[0], sketches[1], types, kinds, kinds), wanted, settings)  # type: ignore[arg-type]
