"""Every situation of a supervised process has its one step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.adapters.local.process_decision import ProcessStep, back_off_s, decide, failures_after_end
from shared.adapters.local.process_record import ProcessRecord

NOW_S = 1_000.0
NONE_RUNS = ProcessRecord("blue", "", stop_timeout_s=10.0, start_at_s=NOW_S - 1)
RUNS = replace(NONE_RUNS, pid=7, began_s=NOW_S - 20, ready_s=NOW_S - 5)
STOPPING = replace(RUNS, stopping_s=NOW_S - 5)


@pytest.mark.parametrize(
    ("record", "runs", "wanted", "step"),
    [
        (None, False, None, ProcessStep.FORGET),
        (None, False, "blue", ProcessStep.START),
        (NONE_RUNS, False, "blue", ProcessStep.START_AGAIN),
        (replace(NONE_RUNS, start_at_s=NOW_S + 1), False, "blue", ProcessStep.WAIT),
        (replace(NONE_RUNS, start_at_s=NOW_S + 1), False, "green", ProcessStep.START),
        (NONE_RUNS, False, None, ProcessStep.FORGET),
        (RUNS, False, "blue", ProcessStep.NOTE_END),
        (RUNS, False, "green", ProcessStep.START),
        (RUNS, False, None, ProcessStep.FORGET),
        (RUNS, True, "blue", ProcessStep.WATCH),
        (RUNS, True, "green", ProcessStep.TERMINATE),
        (RUNS, True, None, ProcessStep.TERMINATE),
        (replace(RUNS, ready_s=0.0), True, "blue", ProcessStep.WATCH),
        (replace(RUNS, ready_s=0.0, began_s=NOW_S - 31), True, "blue", ProcessStep.TERMINATE),
        (replace(RUNS, ready_s=NOW_S - 31, began_s=NOW_S - 60), True, "blue", ProcessStep.TERMINATE),
        (STOPPING, True, None, ProcessStep.WAIT),
        (STOPPING, True, "blue", ProcessStep.WAIT),
        (replace(STOPPING, stopping_s=NOW_S - 11), True, None, ProcessStep.KILL),
        (STOPPING, False, None, ProcessStep.FORGET),
    ],
)
def test_steps(record: ProcessRecord | None, runs: bool, wanted: str | None, step: ProcessStep) -> None:
    assert decide(record, runs=runs, wanted=wanted, start_timeout_s=30.0, now_s=NOW_S) is step


def test_it_waits_longer_after_each_end_and_forgets_them_after_a_good_run() -> None:
    assert [back_off_s(failures) for failures in (0, 1, 2, 3, 4, 8, 1000)] == [0.0, 0.0, 0.5, 1.0, 2.0, 30.0, 30.0]
    assert failures_after_end(replace(RUNS, failures=4)) == 5
    assert failures_after_end(replace(RUNS, failures=4, began_s=0.0)) == 1
