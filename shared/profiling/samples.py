"""From a file of samples to request bodies: one row is one request, sent as it is, as Azure ML's profiling did."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import Fault, Invalid

MAX_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Samples:
    """Request bodies, at least one, and what they are."""

    bodies: tuple[bytes, ...]
    content_type: str = "application/json"


def read_samples(path: Path) -> Samples:
    """The bodies of a file: .jsonl or .ndjson has one JSON body a line, .json an array of bodies, .csv a header and
    either one column, whose texts are the bodies, or several, which are the features of an ONNX model (a row becomes
    `{"input_data": {"columns": ..., "data": [row]}}`). Raises Invalid, with the line, for a file that is not there,
    too large, empty, or not of its format."""
    readers: dict[str, Callable[[str, str], list[bytes]]] = {
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".json": _json_array,
        ".csv": _csv,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise _invalid(path.name, "the format of the samples is not known by its name", allowed=", ".join(readers))
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _invalid(path.name, f"the samples are larger than {MAX_FILE_BYTES // 2**20} MiB")
        bodies = reader(path.read_bytes().decode("utf-8-sig"), path.name)
    except OSError as error:
        raise _invalid(path.name, f"the samples cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _invalid(path.name, f"the samples are not UTF-8: {error}") from error
    if not bodies:
        raise _invalid(path.name, "there is no sample: profiling needs at least one row")
    return Samples(tuple(bodies))


def _invalid(file: str, message: str, line: int | None = None, allowed: str | None = None) -> Invalid:
    fault = Fault(message, file=file, line=line, allowed=allowed)
    remedy = "give a .jsonl, .json or .csv file with one request body in a row"
    return Invalid(f"{file} holds no samples", faults=(fault,), remedy=remedy)


def _json_lines(text: str, name: str) -> list[bytes]:
    bodies = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            json.loads(line)
        except ValueError as error:
            raise _invalid(name, f"the line is not JSON: {error}", number) from error
        bodies.append(line.strip().encode())
    return bodies


def _json_array(text: str, name: str) -> list[bytes]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _invalid(name, f"it is not JSON: {error}", getattr(error, "lineno", None)) from error
    if not isinstance(document, list):
        raise _invalid(name, "it is no array", allowed="an array, each element the body of one request")
    return [one.encode() if isinstance(one, str) else _dumped(one) for one in document]


def _csv(text: str, name: str) -> list[bytes]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise _invalid(name, f"it is not CSV: {error}", reader.line_num) from error
    if not rows:
        return []
    columns = rows[0][1]
    for line, row in rows[1:]:
        if len(row) != len(columns):
            raise _invalid(name, f"{len(row)} cells", line, allowed=f"{len(columns)} cells, as the header")
    if len(columns) == 1:
        return [row[0].encode() for _, row in rows[1:]]
    return [_dumped({"input_data": {"columns": columns, "data": [_cells(row)]}}) for _, row in rows[1:]]


def _cells(row: list[str]) -> list[Any]:
    return [_cell(text) for text in row]


def _cell(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
