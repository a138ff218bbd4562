"""The process that makes lines of collected data and writes them: `python -m shared.scoring.collector.writer CONFIG`.

A thread of the server would take its interpreter away from scoring. It reads frames from standard input until that
ends, and says for each on standard output how many requests were written, or why they were not.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import orjson

from shared.scoring.collector import frames, lines
from shared.scoring.collector.sinks import FolderSink, Sink

NICENESS = 5  # scoring comes first where cores are scarce
INPUTS, OUTPUTS = "model_inputs", "model_outputs"


class Writer:
    """Makes and appends the lines of frames."""

    def __init__(self, sink: Sink, endpoint: str, deployment: str, version: str, instance: str) -> None:
        self._sink = sink
        self._hours = lines.Hours(endpoint, deployment, instance)
        source = f"/onlineEndpoints/{endpoint}/deployments/{deployment}"
        self._lines = {name: lines.Lines(name, source, version) for name in (INPUTS, OUTPUTS)}
        self._rows: dict[tuple[str, str], lines.Rows] = {}

    def write(self, frame: frames.Frame) -> None:
        """Raises OSError when the sink can't."""
        parts: dict[str, list[bytes]] = {}
        for collection, tensors in ((INPUTS, frame.feeds), (OUTPUTS, frame.outputs)):
            make = self._lines[collection].line
            documents = self._documents(frame, collection, tensors)
            for moment_s, name, document in zip(frame.moments_s, frame.request_ids, documents, strict=True):
                identity = orjson.dumps(name)
                made = make(identity, identity, self._hours.time(moment_s), document)
                parts.setdefault(self._hours.path(collection, moment_s), []).append(made)
        for path, of_path in parts.items():
            self._sink.append(path, b"".join(of_path))

    def _documents(self, frame: frames.Frame, collection: str, tensors: Any) -> list[bytes]:
        """The rows of each request as JSON; those of all at once where they are one matrix."""
        maker = self._rows_of(frame, collection)
        if frame.rows is None:
            return [maker.json(each) for each in tensors]
        rows = maker.rows(tensors)
        if rows is None:
            return [maker.json(each) for each in frame.split(tensors)]
        documents, start = [], 0
        for count in frame.rows:
            documents.append(b"[" + b",".join(rows[start : start + count]) + b"]")
            start += count
        return documents

    def _rows_of(self, frame: frames.Frame, collection: str) -> lines.Rows:
        key = (frame.model, collection)
        if key not in self._rows:
            self._rows[key] = lines.Rows(frame.columns if collection == INPUTS else ())
        return self._rows[key]


def main(config: dict[str, Any]) -> None:
    """Write until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the server decides when: it has more to hand over
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    writer = Writer(FolderSink(Path(config.pop("folder"))), **config)
    while (frame := frames.read(sys.stdin.buffer)) is not None:
        error = ""
        try:
            writer.write(frame)
        except OSError as raised:
            error = str(raised) or type(raised).__name__
        sys.stdout.buffer.write(orjson.dumps({"count": len(frame.request_ids), "error": error}) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(orjson.loads(sys.argv[1]))
