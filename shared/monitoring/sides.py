"""The sketches of both sides of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.errors import Invalid
from shared.monitoring.arrays import Floats
from shared.monitoring.column_types import ColumnType
from shared.monitoring.features import compared, feature_type
from shared.monitoring.hours import add_hours, schema_of
from shared.monitoring.metrics.metric import CATEGORICAL, NUMERICAL, Compatibility
from shared.monitoring.rows import Rows
from shared.monitoring.rows_needed import check_hours
from shared.monitoring.sketches import storage
from shared.monitoring.sketches.column import ColumnPlan, ColumnSketch, forms_of
from shared.monitoring.sketches.dataset import DataSketch, kept_values, sketch_rows
from shared.resources.monitor_request import DataSet, FeatureType, SignalRequest


@dataclass(slots=True)
class Sides:
    """Both sides, with the types that the baseline tells."""

    baseline: DataSketch
    current: DataSketch
    types: dict[str, FeatureType]  # of the features that are compared
    was: dict[str, ColumnType] = field(default_factory=dict)  # types of the columns of the baseline
    now: dict[str, ColumnType] = field(default_factory=dict)  # and of production


def sides_of(
    signal: SignalRequest, compatibility: Compatibility, *, complete_only: bool = False, quality: bool = False
) -> Sides:
    """Reads what is not stored: the baseline first, which decides how production is counted. `quality`: every column
    has a place, also one whose values are not compared, and is counted at the baseline's edges."""
    reference = signal.reference
    if reference is None:
        raise Invalid(f"{signal.name}: there is no reference to compare with", remedy="give reference_data")
    check_hours(signal, complete_only=complete_only)
    before, now = Rows(reference, complete_only=complete_only), Rows(signal.production, complete_only=complete_only)
    stored = [storage.read(path) for path in signal.production.sketches]
    known = _stored(reference)
    was = before.schema or {name: one.type for name, one in known.columns.items()}
    is_ = schema_of(signal.production, now) or {name: one.type for part in stored for name, one in part.columns.items()}
    if not is_:
        raise Invalid(f"{signal.name}: the production data hold no columns", remedy="give files or sketches with rows")
    strict = compatibility == "azureml" and not quality
    names = compared(was, is_, signal.features, _no_features(signal), strict)
    baseline = _baseline(before, known, names, was, {} if quality else signal.types)
    types = (
        _all_types(baseline, signal.types, compatibility)
        if quality
        else _types(baseline, names, signal.types, compatibility)
    )
    forms = {name: _forms(was[name], kind, quality) for name, kind in types.items()}
    exact = bool(quality or stored or signal.production.save_sketch or not reference.files)
    current = _production(now, baseline, forms, types, exact)
    for one in stored:
        current.merge(one)
    add_hours(current, signal.production.hours, now.seen, forms)
    _save(baseline, reference)
    _save(current, signal.production)
    return Sides(baseline, current, types, dict(was), dict(is_))


def _no_features(signal: SignalRequest) -> list[str]:
    """Columns that say when and to whom, not what."""
    sets = [one for one in (signal.production, signal.reference) if one is not None]
    named = [column for one in sets for column in (one.time_column, one.correlation_column)]
    asked = signal.features or ()
    return [name for name in (*named, "correlationid") if name and name not in asked]


def _stored(data: DataSet) -> DataSketch:
    found = DataSketch()
    for number, path in enumerate(data.sketches):
        one = storage.read(path)
        if number:
            found.merge(one)
        else:
            found = one
    return found


def _baseline(
    rows: Rows,
    known: DataSketch,
    names: Sequence[str],
    schema: Mapping[str, ColumnType],
    types: Mapping[str, FeatureType],
) -> DataSketch:
    if not rows.schema:
        return DataSketch({name: known.columns[name] for name in names}, known.rows)
    read = sketch_rows(rows, plans_of(names, schema, types))
    if known.columns:
        read.merge(DataSketch({name: one for name, one in known.columns.items() if name in names}, known.rows))
    return read


def plans_of(
    names: Sequence[str], schema: Mapping[str, ColumnType], types: Mapping[str, FeatureType]
) -> list[ColumnPlan]:
    """How the columns of a baseline are counted: as what they are said to be, else as what their types allow."""
    keep = kept_values(len(names))
    return [
        ColumnPlan(name, schema[name], (types[name],) if name in types else forms_of(schema[name]), keep=keep)
        for name in names
    ]


def _types(
    baseline: DataSketch, names: Sequence[str], said: Mapping[str, FeatureType], compatibility: Compatibility
) -> dict[str, FeatureType]:
    """What each is compared as. A column that is compared as nothing has no place. Raises Invalid where a stored
    baseline was not counted as what the column is said to be."""
    found: dict[str, FeatureType] = {}
    for name in names:
        column = baseline.columns[name]
        kind = said.get(name) or feature_type(column, compatibility)
        if kind is None or (kind == CATEGORICAL and column.type is ColumnType.TIME and column.categorical is None):
            continue
        if (column.numerical if kind == NUMERICAL else column.categorical) is None:
            raise Invalid(
                f"{name!r} is to be {kind}, and the stored baseline did not count it so",
                remedy="compare with the data instead of their sketch, or leave out the type",
            )
        found[name] = kind
    return found


def _all_types(
    baseline: DataSketch, said: Mapping[str, FeatureType], compatibility: Compatibility
) -> dict[str, FeatureType]:
    columns = baseline.columns.items()
    return {name: said.get(name) or feature_type(one, compatibility) or CATEGORICAL for name, one in columns}


def _forms(was: ColumnType, kind: FeatureType, quality: bool) -> Sequence[str]:
    """As the baseline was counted: whole numbers that are categories are named alike only then."""
    return forms_of(was) if quality or was is ColumnType.INTEGER else (kind,)


def _production(
    rows: Rows,
    baseline: DataSketch,
    forms: Mapping[str, Sequence[str]],
    types: Mapping[str, FeatureType],
    exact: bool,
) -> DataSketch:
    if not rows.has_files:
        return DataSketch()
    keep = kept_values(len(forms))
    plans = []
    for name, how in forms.items():
        column = baseline.columns[name]
        edges = _edges(column) if NUMERICAL in how and exact else None
        needed = types[name] == CATEGORICAL
        plans.append(ColumnPlan(name, column.type, how, edges, 0 if exact else keep, needed))
    return sketch_rows(rows, plans)


def _edges(column: ColumnSketch) -> Floats | None:
    return None if column.numerical is None else column.numerical.compacted().edges


def _save(sketch: DataSketch, data: DataSet) -> None:
    if data.save_sketch:
        storage.write(sketch, data.save_sketch)
