"""How much features matter in a data set: as it is known already, else learnt from its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.monitoring.importance import ROWS, importances
from shared.monitoring.joined import row_sample
from shared.resources.importance import LearntImportance
from shared.resources.monitor_request import DataSet
from shared.resources.monitor_result import DataCounts


def learnt(
    data: DataSet, features: Sequence[str], target: str, seed: int
) -> tuple[Mapping[str, float], list[LearntImportance]]:
    """The weight of each feature, and what is worth keeping with the data: nothing where it was known, and where only
    some rows count. Raises Invalid where the data do not tell."""
    is_whole = not (data.window_start or data.window_end or data.segment_column)
    for known in data.importances if is_whole else ():
        if known.fits(features, target, seed):
            return known.weights, []
    weights = importances(row_sample(data, [*features, target], ROWS, seed, DataCounts()), features, target)
    new = LearntImportance(data=data.label, target=target, seed=seed, weights=dict(weights))
    return weights, [new] if is_whole else []
