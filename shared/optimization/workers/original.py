"""The original model in a process of its own: times calls when it is asked to, and sleeps in between."""

from __future__ import annotations

import json
import os
from typing import Any

from .measure import time_calls
from .rows import read_rows
from .source import open_source


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Answers 0 when the model is open, then the nanoseconds of a call for each [rows, calls], until nobody asks."""
    rows = read_rows(request["sample"])
    source = open_source(request["module"], request["model"], rows, request["threads"])
    prepared: dict[int, Any] = {}
    with os.fdopen(request["asked"]) as questions, os.fdopen(request["answer"], "w") as answers:
        print(0, file=answers, flush=True)
        for line in questions:
            count, calls = json.loads(line)
            if count not in prepared:
                prepared = {count: source.prepare(rows.take(count))}
            given = prepared[count]
            took = time_calls(lambda given=given: source.predict(given), calls)  # type: ignore[misc]
            print(took, file=answers, flush=True)
    return {}
