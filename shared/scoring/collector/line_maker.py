"""From what was sent to the writing process to lines, by the files they belong in."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import orjson

from shared.scoring.collector import lines
from shared.scoring.collector.frames import Document, Envelope, TensorFrame
from shared.scoring.collector.plan import INPUTS, OUTPUTS

MAX_UNPACKED_BYTES = 200 * 2**20

Parts = dict[str, list[bytes]]  # lines by the path of their file


class LineMaker:
    """`source` names endpoint and deployment as Azure's resource ids end."""

    def __init__(self, endpoint: str, deployment: str, version: str, instance: str, roll: str) -> None:
        self._hours = lines.Hours(endpoint, deployment, instance, roll)
        self._source = f"/onlineEndpoints/{endpoint}/deployments/{deployment}"
        self._version = version
        self._lines: dict[str, lines.Lines] = {}
        self._rows: dict[tuple[str, str], lines.Rows] = {}

    def add(self, envelope: Envelope, parts: Parts) -> None:
        """The lines of what is in it, behind those that are there."""
        content = envelope.content
        if isinstance(content, TensorFrame):
            self._add_tensors(content, parts)
        else:
            for each in content:
                self._add_document(each, parts)

    def _of(self, collection: str) -> lines.Lines:
        if collection not in self._lines:
            self._lines[collection] = lines.Lines(collection, self._source, self._version)
        return self._lines[collection]

    def _add_tensors(self, frame: TensorFrame, parts: Parts) -> None:
        hours = self._hours
        identities = [orjson.dumps(name) for name in frame.request_ids]
        times = [hours.time(moment_s) for moment_s in frame.moments_s]
        for collection, tensors in ((INPUTS, frame.feeds), (OUTPUTS, frame.outputs)):
            if not tensors or not (frame.rows or tensors[0]):
                continue  # it is not collected
            make = self._of(collection).line
            documents = self._documents(frame, collection, tensors)
            for moment_s, identity, moment, document in zip(frame.moments_s, identities, times, documents, strict=True):
                line = make(identity, identity, moment, document)
                parts.setdefault(hours.path(collection, moment_s), []).append(line)

    def _documents(self, frame: TensorFrame, collection: str, tensors: Any) -> list[bytes]:
        """The rows of each request as JSON; those of all at once where they are one matrix."""
        maker = self._rows_of(frame, collection)
        if frame.rows is None:
            return [maker.json(each) for each in tensors]
        arrays = {name: packed.array() for name, packed in tensors.items()}
        rows = maker.rows(arrays)
        if rows is None:
            return [maker.json(each) for each in frame.split(arrays)]
        documents, start = [], 0
        for count in frame.rows:
            documents.append(b"[%b]" % (rows[start] if count == 1 else b",".join(rows[start : start + count])))
            start += count
        return documents

    def _rows_of(self, frame: TensorFrame, collection: str) -> lines.Rows:
        key = (frame.facts.model, collection)
        if key not in self._rows:
            self._rows[key] = lines.Rows(frame.facts.columns if collection == INPUTS else ())
        return self._rows[key]

    def _add_document(self, each: Document, parts: Parts) -> None:
        data, encoding = _as_json(_plain(each))
        attributes = each.attributes | ({"contentencoding": encoding} if encoding else {})
        line = self._of(each.collection).line_with(
            attributes,
            orjson.dumps(each.correlation_id),
            orjson.dumps(each.request_id),
            self._hours.time(each.moment_s),
            data,
        )
        parts.setdefault(self._hours.path(each.collection, each.moment_s), []).append(line)


def _plain(each: Document) -> bytes:
    """The content without its encoding; as it came when it is none, or unpacks to far too much."""
    if each.content_encoding != "gzip":
        return each.content
    unpacker = zlib.decompressobj(31)
    try:
        content = unpacker.decompress(each.content, MAX_UNPACKED_BYTES)
    except zlib.error:
        return each.content
    return content if unpacker.eof else each.content


def _as_json(content: bytes) -> tuple[bytes, str]:
    """JSON as it is but without line ends, other text as a text, other bytes as base64; and "base64" for that."""
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    else:
        return content if b"\n" not in content and b"\r" not in content else orjson.dumps(orjson.loads(content)), ""
    try:
        return orjson.dumps(content.decode("utf-8")), ""
    except UnicodeDecodeError:
        return orjson.dumps(base64.b64encode(content).decode("ascii")), "base64"
