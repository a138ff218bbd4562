"""Measures the original and each variant in turns: the original in a process of its own, which waits while a variant
computes, as this one waits while the original does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .entry import say
from .intervals import SEED, Ratio, median_ratio, overall_ratio
from .rows import Rows, read_rows
from .sessions import session_of

SAMPLE_NS = 2_000_000  # one measurement takes at least this long: short calls are repeated
MAX_CALLS = 200
MIN_ROUNDS, MAX_ROUNDS = 5, 40
Timer = Callable[[int], float]  # so many calls; nanoseconds of each


def time_calls(call: Callable[[], object], count: int) -> float:
    """Nanoseconds of one call, of `count` in a row."""
    if count > 1:  # another process had the caches a moment ago; a call that is not repeated is too long to care
        call()
    began = time.perf_counter_ns()
    for _ in range(count):
        call()
    return (time.perf_counter_ns() - began) / count


def run(request: dict[str, Any]) -> dict[str, Any]:
    """{"latencies": {variant: [...]}, "gains": {variant: {...}}}, for each of `variants` and `row_counts`."""
    rows = read_rows(request["sample"])
    sessions = {name: session_of(f"{name}.onnx", request["threads"]) for name in request["variants"]}
    latencies: dict[str, list[dict[str, Any]]] = {name: [] for name in sessions}
    ratios: dict[str, list[Ratio]] = {name: [] for name in sessions}
    with _Original(request) as original:
        for count in request["row_counts"]:
            say(f"measuring {count:,} rows")
            timers = {"": original.timer(count)} | {name: _timer(one, rows, count) for name, one in sessions.items()}
            times = _in_turns(timers, request["budget_s"])
            for name in sessions:
                ratio = median_ratio(times[""], times[name])
                ratios[name].append(ratio)
                latencies[name].append(_line(count, times[""], times[name], ratio))
    gains = {name: overall_ratio(found).document() for name, found in ratios.items()}
    return {"latencies": latencies, "gains": gains}


def _line(count: int, original: Sequence[float], variant: Sequence[float], ratio: Ratio) -> dict[str, Any]:
    return {
        "rows": count,
        "original_ms": float(np.median(original)) / 1e6,
        "variant_ms": float(np.median(variant)) / 1e6,
        "gain": ratio.document(),
        "rounds": len(original),
    }


def _timer(session: Any, rows: Rows, count: int) -> Timer:
    feeds = rows.take(count).feeds(session.get_inputs())
    return lambda calls: time_calls(lambda: session.run(None, feeds), calls)


def _in_turns(timers: dict[str, Timer], budget_s: float) -> dict[str, list[float]]:
    """Nanoseconds of a call of each, over as many rounds as the budget allows. Each round has an order of its own: what
    comes behind the original, whose process has taken the caches, is another one each time."""
    names = list(timers)
    for name in names:  # caches, lazy imports
        timers[name](1)
    first = {name: timers[name](1) for name in names}
    calls = {name: int(min(MAX_CALLS, max(1, SAMPLE_NS // max(took, 1)))) for name, took in first.items()}
    round_s = sum(first[name] * calls[name] for name in names) / 1e9
    rounds = int(min(MAX_ROUNDS, max(MIN_ROUNDS, budget_s / max(round_s, 1e-9))))
    times: dict[str, list[float]] = {name: [] for name in names}
    shuffled = np.random.default_rng(SEED)
    for _ in range(rounds):
        for place in shuffled.permutation(len(names)):
            times[names[place]].append(timers[names[place]](calls[names[place]]))
    return times


class _Original:
    """The process of the original model; it ends with the context."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request

    def __enter__(self) -> _Original:
        asked, answer = os.pipe(), os.pipe()
        boot = "import sys; sys.path.append(sys.argv[1]); from workers.entry import main; main('original', sys.argv[2])"
        request = json.dumps({**self._request, "asked": asked[0], "answer": answer[1]})
        command = [sys.executable, "-I", "-c", boot, str(Path(__file__).parents[1]), request]
        self._process = subprocess.Popen(command, pass_fds=(asked[0], answer[1]))
        os.close(asked[0])
        os.close(answer[1])
        self._ask, self._answers = os.fdopen(asked[1], "w"), os.fdopen(answer[0])
        self._hear()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._ask.close()
        self._answers.close()

    def timer(self, count: int) -> Timer:
        """Times calls with so many rows."""
        return lambda calls: self._time(count, calls)

    def _time(self, count: int, calls: int) -> float:
        self._ask.write(json.dumps([count, calls]) + "\n")
        self._ask.flush()
        return self._hear()

    def _hear(self) -> float:
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"the process of the original ended with {self._process.wait()}: {_last_words()}")
        return float(json.loads(line))


def _last_words() -> str:
    """Why the process of the original ended, where it could still say so."""
    try:
        return str(json.loads(Path("result.json").read_bytes()).get("error", ""))
    except (OSError, ValueError):
        return "without a word"
