"""Model performance: predictions beside what turned out to be true, joined by correlation id."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from shared.errors import Invalid
from shared.monitoring.arrays import Floats, floats_of
from shared.monitoring.judging import judged, unjudged
from shared.monitoring.metrics.metric import Found, Metric
from shared.monitoring.metrics.table import metric_of, metrics_of
from shared.monitoring.rows import Rows
from shared.monitoring.settings import Settings
from shared.resources.monitor_request import DataSet, SignalRequest
from shared.resources.monitor_result import DataCounts, MetricValue, SignalResult, Verdict

CORRELATION = "correlationid"


class Pairs(NamedTuple):
    """Predictions and truths of the same rows."""

    prediction: pa.Array
    truth: pa.Array
    probability: pa.Array | None


def performance(signal: SignalRequest, settings: Settings) -> SignalResult:
    """The metrics of the task. Raises Invalid where columns are missing or nothing can be joined."""
    kinds = ("regression",) if signal.task == "regression" else ("classification", "ranking")
    thresholds = {metric_of(name, *kinds).name: limit for name, limit in (signal.overall or {}).items()}
    if not signal.columns.prediction or not signal.columns.truth:
        raise Invalid(
            f"{signal.name}: which columns are compared?", remedy="name data_column_names: prediction and target"
        )
    counts = DataCounts()
    pairs = _pairs(signal, counts)
    wanted = {
        name: one for name, one in metrics_of(*kinds).items() if one.kind != "ranking" or pairs.probability is not None
    }
    if (size := len(pairs.truth)) < settings.minimum_sample_size:
        reason = f"{size} predictions with a label: at least {settings.minimum_sample_size} are needed"
        values = [unjudged(one, thresholds.get(name), Verdict.NOT_ENOUGH_DATA, reason) for name, one in wanted.items()]
    else:
        computed = _regression(pairs) if signal.task == "regression" else _classification(pairs)
        values = [_value(one, computed, thresholds.get(name), settings) for name, one in wanted.items()]
    return SignalResult(name=signal.name, type=signal.type, counts=counts, metrics=values)


def _value(
    metric: Metric, given: dict[str, tuple[Floats, ...]], limit: float | None, settings: Settings
) -> MetricValue:
    assert metric.compute is not None
    return judged(
        metric, Found(float(metric.compute(*given[metric.kind]))), limit, compatibility=settings.compatibility
    )


def _pairs(signal: SignalRequest, counts: DataCounts) -> Pairs:
    names, production = signal.columns, signal.production
    predicted = [names.prediction, *([names.probability] if names.probability else [])]
    if signal.reference is None:
        table = _table(production, [*predicted, names.truth], counts)
        truth = table.column(names.truth)
    else:
        key, other_key = (
            production.correlation_column or CORRELATION,
            signal.reference.correlation_column or CORRELATION,
        )
        table = _of_segment(_table(production, [*predicted, key], counts), key, signal.segment)
        labels = _table(signal.reference, [names.truth, other_key], DataCounts())
        table, truth = _joined(table, key, labels, other_key, names.truth)
    return _complete(table, truth, names.prediction, names.probability)


def _table(data: DataSet, columns: list[str], counts: DataCounts) -> pa.Table:
    rows = Rows(data)
    held = set(rows.schema) | (
        {CORRELATION} if any(one.format.startswith("collected") for one in data.files) else set()
    )
    if missing := [name for name in columns if name not in held]:
        raise Invalid(
            f"{data.label or 'the data'}: there is no column {missing[0]!r}",
            remedy=f"name one of {', '.join(sorted(held)[:20])}",
        )
    parts: dict[str, list[pa.Array]] = {name: [] for name in columns}
    for batch in rows.batches(columns, counts):
        for name in columns:
            found = name in batch.schema.names
            parts[name].append(_plain(batch.column(name)) if found else pa.nulls(batch.num_rows))
    return pa.table({name: pa.chunked_array(_alike(arrays)) for name, arrays in parts.items()})


def _of_segment(table: pa.Table, key: str, segment: DataSet | None) -> pa.Table:
    """The predictions whose inputs are in the segment; all where there is none."""
    import pyarrow.compute as pc

    if segment is None:
        return table
    inputs = _table(segment, [segment.correlation_column or CORRELATION], DataCounts())
    ids = inputs.column(0).cast(pa.string()).combine_chunks()
    return table.filter(pc.is_in(table.column(key).cast(pa.string()), value_set=ids))


def _plain(array: pa.Array) -> pa.Array:
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def _alike(arrays: list[pa.Array]) -> list[pa.Array]:
    """Arrays of one type: files may differ."""
    types = {array.type for array in arrays}
    if len(types) == 1:
        return arrays
    numeric = all(pa.types.is_integer(one) or pa.types.is_floating(one) or pa.types.is_null(one) for one in types)
    return [array.cast(pa.float64() if numeric and types else pa.string()) for array in arrays] or [pa.nulls(0)]


def _joined(
    table: pa.Table, key: str, labels: pa.Table, other_key: str, truth: str
) -> tuple[pa.Table, pa.ChunkedArray]:
    import pyarrow.compute as pc

    ids = labels.column(other_key).cast(pa.string()).combine_chunks()
    place = pc.index_in(table.column(key).cast(pa.string()), value_set=ids)
    known = pc.is_valid(place)
    if table.num_rows and labels.num_rows and not pc.any(known).as_py():
        raise Invalid(
            f"no prediction has the {key!r} of a label",
            remedy="write the correlation ids of the collected data beside the labels",
        )
    return table.filter(known), labels.column(truth).take(pc.drop_null(place))


def _complete(table: pa.Table, truth: pa.ChunkedArray, prediction: str, probability: str) -> Pairs:
    import pyarrow.compute as pc

    predicted = table.column(prediction)
    kept = pc.and_(pc.is_valid(predicted), pc.is_valid(truth))
    chances = table.column(probability).filter(kept).combine_chunks() if probability else None
    return Pairs(predicted.filter(kept).combine_chunks(), truth.filter(kept).combine_chunks(), chances)


def _regression(pairs: Pairs) -> dict[str, tuple[Floats, ...]]:
    truth, predicted = floats_of(pairs.truth)[0], floats_of(pairs.prediction)[0]
    held = np.isfinite(truth) & np.isfinite(predicted)
    return {"regression": (truth[held], predicted[held])}


def _classification(pairs: Pairs) -> dict[str, tuple[Floats, ...]]:
    truth, predicted = _texts(pairs.truth), _texts(pairs.prediction)
    classes = sorted({*truth, *predicted})
    place = {name: number for number, name in enumerate(classes)}
    rows = np.array([place[name] for name in truth])
    columns = np.array([place[name] for name in predicted])
    size = len(classes)
    confusion = np.bincount(rows * size + columns, minlength=size * size).reshape(size, size).astype(np.float64)
    found: dict[str, tuple[Floats, ...]] = {"classification": (confusion,)}
    if pairs.probability is not None:
        if size > 2:
            raise Invalid(f"a probability is of one of two classes, and there are {size}", remedy="leave it out")
        found["ranking"] = (rows == size - 1, floats_of(pairs.probability)[0])
    return found


def _texts(array: pa.Array) -> list[str]:
    """1 and 1.0 are the same class."""
    if pa.types.is_floating(array.type):
        return [str(int(one)) if float(one).is_integer() else str(one) for one in array.to_pylist()]
    if pa.types.is_boolean(array.type):
        return ["true" if one else "false" for one in array.to_pylist()]
    return [str(one) for one in array.to_pylist()]
