"""Arrow arrays as what is counted: sorted finite numbers, or categories with their counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.monitoring.column_types import ColumnType, type_of

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
LARGEST = 1e140  # magnitude of a number: squares of larger ones cannot be added up
NULLS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "#N/A", "NaT")  # texts that stand for no value


class Numbers(NamedTuple):
    """The numbers of an array."""

    values: Floats  # of magnitudes up to LARGEST, sorted
    nulls: int  # nulls and NaN
    errors: int  # infinities and larger numbers, and texts that are none


class Categories(NamedTuple):
    """The categories of an array."""

    counts: dict[str, int]  # by name, the first seen first
    nulls: int


def numbers_of(array: pa.Array) -> Numbers:
    """The array's numbers; its texts are read as numbers, times as seconds since 1970 (UTC). Other types: errors."""
    floats, errors = floats_of(array)
    ordered = np.sort(floats)
    low, high = np.searchsorted(ordered, -LARGEST, "left"), np.searchsorted(ordered, LARGEST, "right")
    valued = int(np.searchsorted(ordered, np.inf, "right"))  # NaN stands behind it
    too_large = valued - int(high - low)
    return Numbers(ordered[low:high], len(ordered) - valued - errors, errors + too_large)


def floats_of(array: pa.Array) -> tuple[Floats, int]:
    """The array in its order, NaN for nulls and for what is no number, and how many of the latter there are."""
    kind = type_of(array.type)
    if kind is ColumnType.STRING:
        return _parsed(array)
    if kind is ColumnType.OTHER:
        return np.full(len(array), np.nan), len(array) - array.null_count
    if kind is ColumnType.TIME:
        return _seconds(array), 0
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    found: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return (found if found.dtype == np.float64 else found.astype(np.float64)), 0


def _seconds(array: pa.Array) -> Floats:
    if pa.types.is_time(array.type) or pa.types.is_duration(array.type):
        return np.asarray(array.cast(pa.int64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    micros = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    return np.asarray(micros.to_numpy(zero_copy_only=False), dtype=np.float64) / 1e6


def _parsed(array: pa.Array) -> tuple[Floats, int]:
    import pyarrow.compute as pc

    texts = without_null_texts(array)
    try:
        numbers = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        numbers = pc.cast(pc.utf8_trim_whitespace(pc.if_else(pc.match_substring_regex(texts, NUMBER), texts, None)),
                          pa.float64())  # fmt: skip
    errors = numbers.null_count - texts.null_count
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64), errors


def without_null_texts(array: pa.Array) -> pa.Array:
    """Texts, with nulls for those that stand for no value."""
    import pyarrow.compute as pc

    texts = array.cast(pa.string())
    return pc.if_else(pc.is_in(texts, value_set=pa.array(NULLS)), None, texts)


def categories_of(array: pa.Array) -> Categories:
    """How often each value occurs, as text: 3.0 and 3 are the same, booleans are `true` and `false`."""
    if type_of(array.type) is ColumnType.OTHER:
        return Categories({}, array.null_count)
    if not pa.types.is_dictionary(array.type):
        array = _whole(array).dictionary_encode()
    values, codes = array.dictionary, array.indices.to_numpy(zero_copy_only=False)
    if array.indices.null_count:  # not drop_null: importing Arrow's functions takes longer than counting
        codes = codes[~np.isnan(codes)].astype(np.int64)
    counted = np.bincount(codes, minlength=len(values)) if len(codes) else np.zeros(len(values), np.int64)
    names = (
        values.to_pylist() if type_of(values.type) is ColumnType.STRING else _whole(values).cast("string").to_pylist()
    )
    found = {str(name): int(count) for name, count in zip(names, counted, strict=True) if count and name is not None}
    return Categories(found, len(array) - sum(found.values()))


def _whole(array: pa.Array) -> pa.Array:
    """NaN as null."""
    return pa.Array.from_pandas(array.to_numpy(zero_copy_only=False)) if pa.types.is_floating(array.type) else array
