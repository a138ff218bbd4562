"""Which columns are compared, and as what: pure decisions, made on the baseline."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from shared.errors import Invalid
from shared.monitoring.column_types import NUMERIC, ColumnType
from shared.monitoring.metrics.metric import CATEGORICAL, NUMERICAL, Compatibility
from shared.monitoring.sketches.column import ColumnSketch
from shared.resources.monitor_request import FeatureType

Schema = Mapping[str, ColumnType]
FEW = 20  # whole numbers with no more different values are categories
DISTINCT_SHARE = 0.05  # Azure ML's: whole numbers are categories when fewer of the values are different


def compared(
    baseline: Schema, current: Schema, asked: Sequence[str] | None, passed_over: Collection[str], exact_types: bool
) -> list[str]:
    """The features, in the baseline's order. Raises Invalid where one that was asked for is missing, and where nothing
    is common. `exact_types`: Azure ML's rule, columns of different groups of types are none that both have."""
    if asked is not None:
        missing = [name for name in asked if name not in baseline or name not in current]
        if missing:
            where = "the baseline" if missing[0] not in baseline else "the production data"
            raise Invalid(f"{where} has no column {missing[0]!r}", remedy=f"name some of {_some(baseline)}")
    names = [
        name
        for name, kind in baseline.items()
        if name in current and name not in passed_over and (asked is None or name in asked)
        if not exact_types or kind is current[name]
    ]
    if not names:
        raise Invalid(
            f"no common columns: the baseline has {_some(baseline)}; the production data have {_some(current)}",
            remedy="compare data with the same names of columns"
            + (" and types (compatibility: azureml)" if exact_types else ""),
        )
    return names


def _some(schema: Schema) -> str:
    names = list(schema)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "") if names else "none"


def fitting(name: str, baseline: ColumnType, current: ColumnType) -> str:
    """Why the types do not go together; "" where they do."""
    if baseline in NUMERIC and current is ColumnType.STRING:
        return f"{name!r} holds numbers in the baseline, and texts now"
    if baseline is ColumnType.STRING and current in NUMERIC:
        return f"{name!r} holds texts in the baseline, and numbers now"
    if (baseline is ColumnType.TIME) is not (current is ColumnType.TIME) and baseline is not ColumnType.STRING:
        return f"{name!r} is of type {baseline.value} in the baseline, and {current.value} now"
    return ""


def feature_type(column: ColumnSketch, compatibility: Compatibility) -> FeatureType | None:
    """What the column is compared as, where nobody says otherwise. None: not at all. Times are Azure ML's categories,
    and none of Slipway's: they only ever go on."""
    if column.type is ColumnType.FLOAT:
        return NUMERICAL
    if column.type is ColumnType.INTEGER:
        return CATEGORICAL if _few(column, compatibility) else NUMERICAL
    if column.type is ColumnType.TIME:
        return CATEGORICAL if compatibility == "azureml" else None
    return None if column.type is ColumnType.OTHER else CATEGORICAL


def _few(column: ColumnSketch, compatibility: Compatibility) -> bool:
    if column.categorical is None or not column.values:
        return False
    distinct = len(column.categorical.counts)
    return distinct < DISTINCT_SHARE * column.values and (compatibility == "azureml" or distinct <= FEW)
