"""Lines and paths of collected data, as Azure ML's data collector v2 writes them (azureml-ai-monitoring 1.0.0, and the
payload logger's blobs `{endpoint}/{deployment}/{collection}/{yyyy}/{MM}/{dd}/{HH}/{instance_id}.jsonl`).

Lines are put together from bytes: building and serializing a document for each would cost more than scoring does.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import orjson

from shared.scoring.request_ids import new_id

AGENT = "slipway-scoring/1"
DATA_TYPE = "pandas.core.frame.DataFrame"
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_ROLLS = {"minute": "%Y/%m/%d/%H/%M", "hour": "%Y/%m/%d/%H", "day": "%Y/%m/%d"}
_TEXT_FREE = "fiub"  # kinds of arrays whose JSON has no comma but between values


class Hours:
    """Paths and times, made once a second."""

    def __init__(self, endpoint: str, deployment: str, instance: str, roll: str = "hour") -> None:
        """`roll` is when a new file begins: minute, hour or day."""
        self._parts = (f"{endpoint}/{deployment}", f"{instance}.jsonl")
        self._format = _ROLLS[roll]
        self._second = -1
        self._folder = ""
        self._time = b""

    def _look(self, moment_s: float) -> None:
        second = int(moment_s)
        if second != self._second:
            self._second = second
            moment = time.gmtime(second)
            self._folder = time.strftime(self._format, moment)
            self._time = time.strftime("%Y-%m-%dT%H:%M:%S", moment).encode("ascii")

    def path(self, collection: str, moment_s: float) -> str:
        """Where a line of this moment goes: a file for each hour (UTC) and instance."""
        self._look(moment_s)
        return f"{self._parts[0]}/{collection}/{self._folder}/{self._parts[1]}"

    def time(self, moment_s: float) -> bytes:
        """RFC 3339, UTC, with milliseconds."""
        self._look(moment_s)
        return b"%s.%03dZ" % (self._time, int(moment_s * 1000) % 1000)


class Lines:
    """Lines of one collection."""

    def __init__(self, collection: str, source: str, version: str) -> None:
        self._fields = {
            "source": source,
            "type": f"azureml.inference.{collection}",
            "datacontenttype": "application/json",
            "modelversion": version,
            "collectdatatype": DATA_TYPE,
            "agent": AGENT,
        }
        self._head = _head(self._fields)
        self._ids = f"{new_id()[:24]}".encode("ascii")
        self._count = 0

    def line(self, correlation: bytes, request_id: bytes, moment: bytes, data: bytes) -> bytes:
        """One line, with its end. Ids and data are JSON already. A row's own id is `{correlationid}_{index}`."""
        return self._line(self._head, correlation, request_id, moment, data)

    def line_with(
        self, attributes: dict[str, Any], correlation: bytes, request_id: bytes, moment: bytes, data: bytes
    ) -> bytes:
        """The same, with further fields; None leaves one out that every line has."""
        fields = {name: value for name, value in (self._fields | attributes).items() if value is not None}
        return self._line(_head(fields), correlation, request_id, moment, data)

    def _line(self, head: bytes, correlation: bytes, request_id: bytes, moment: bytes, data: bytes) -> bytes:
        self._count += 1  # with the random digits before it an id that no other line has
        size = len(data)
        return (
            b'%s%s%012x","time":"%s","correlationid":%s,"xrequestid":%s,"contentrange":"bytes 0-%d/%d","data":%s}\n'
            % (
                head,
                self._ids,
                self._count,
                moment,
                correlation,
                request_id,
                size - 1,
                size,
                data,
            )
        )


def _head(fields: dict[str, Any]) -> bytes:
    return b'{"specversion":"1.0",' + orjson.dumps(fields)[1:-1] + b',"id":"'


class Rows:
    """Rows of one model's inputs or outputs as JSON: an object for each."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._templates: dict[tuple[str, int], bytes] = {}

    def json(self, tensors: dict[str, Any]) -> bytes:
        """A list with an object for each row: a matrix becomes its columns (`name_0`, ... where they have no names), a
        tensor with one value in each row that value, any other its nested list. NaN becomes null."""
        rows = self.rows(tensors)
        if rows is not None:
            return b"[" + b",".join(rows) + b"]"
        return orjson.dumps(rows_of(tensors, self._columns), option=_OPTIONS)

    def rows(self, tensors: dict[str, Any]) -> list[bytes] | None:
        """The objects by themselves, fast, when there is one matrix of numbers; else None."""
        if len(tensors) != 1:
            return None
        ((name, tensor),) = tensors.items()
        is_matrix = isinstance(tensor, np.ndarray) and tensor.ndim == 2 and tensor.size > 0
        if not is_matrix or tensor.dtype.kind not in _TEXT_FREE:
            return None
        template = self._template(name, tensor.shape[1])
        rows = orjson.dumps(np.ascontiguousarray(tensor), option=_OPTIONS)[2:-2].split(b"],[")
        return [template % tuple(row.split(b",")) for row in rows]

    def _template(self, name: str, width: int) -> bytes:
        template = self._templates.get((name, width))
        if template is None:
            names = names_of(name, width, self._columns)
            pairs = (orjson.dumps(each).replace(b"%", b"%%") + b":%b" for each in names)
            template = self._templates[name, width] = b"{" + b",".join(pairs) + b"}"
        return template


def names_of(name: str, width: int, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a matrix's columns."""
    if width == 1:
        return columns if len(columns) == 1 else (name,)
    return columns if len(columns) == width else tuple(f"{name}_{index}" for index in range(width))


def rows_of(tensors: dict[str, Any], columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """The same as objects, for tensors of any kind."""
    named: dict[str, list[Any]] = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, np.ndarray) or tensor.ndim == 0:
            named[name] = list(tensor) if isinstance(tensor, list) else [tensor]
        elif tensor.ndim == 2:
            names = names_of(name, tensor.shape[1], columns)
            named |= dict(zip(names, tensor.T.tolist(), strict=True))
        else:
            named[name] = tensor.tolist()
    return [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=False)]
