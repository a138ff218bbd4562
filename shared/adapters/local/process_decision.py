"""What is done with a supervised process next: pure."""

from __future__ import annotations

from enum import StrEnum

from shared.adapters.local.process_record import ProcessRecord

_FIRST_BACK_OFF_S = 0.5
_MAX_BACK_OFF_S = 30.0
_STABLE_S = 120.0  # that it ran ready: then its earlier failures count no longer


class ProcessStep(StrEnum):
    """One step."""

    START = "Start"  # start it, with a record of its own
    START_AGAIN = "StartAgain"  # the same, after it ended
    NOTE_END = "NoteEnd"  # it ended, and nobody asked for that: wait before it is started again
    WATCH = "Watch"  # see whether it is ready
    TERMINATE = "Terminate"  # SIGTERM
    KILL = "Kill"  # SIGKILL, to it and all it started
    WAIT = "Wait"  # nothing until time has passed
    FORGET = "Forget"  # it ended as asked: remove what is kept of it


def back_off_s(failures: int) -> float:
    """How long to wait after so many ends in a row: nothing after one, as the kubelet does, then 0.5 s, 1, 2, 4...
    at most 30 s."""
    return min(_FIRST_BACK_OFF_S * 2 ** min(failures - 2, 16), _MAX_BACK_OFF_S) if failures > 1 else 0.0


def failures_after_end(record: ProcessRecord) -> int:
    """Ends in a row, with the one just seen."""
    ran_ready_s = record.ready_s - record.began_s
    return 1 if ran_ready_s >= _STABLE_S else record.failures + 1


def decide(
    record: ProcessRecord | None, *, runs: bool, wanted: str | None, start_timeout_s: float, now_s: float
) -> ProcessStep:
    """The next step. `wanted` is the digest of what is asked for, None when it is to be gone; `start_timeout_s` is how
    long it may be not ready before it is started again."""
    if record is None:
        return ProcessStep.FORGET if wanted is None else ProcessStep.START
    if runs:
        return _of_running(record, wanted, start_timeout_s, now_s)
    if wanted is None:
        return ProcessStep.FORGET
    if wanted != record.digest:
        return ProcessStep.START
    if record.pid:
        return ProcessStep.NOTE_END
    return ProcessStep.START_AGAIN if now_s >= record.start_at_s else ProcessStep.WAIT


def _of_running(record: ProcessRecord, wanted: str | None, start_timeout_s: float, now_s: float) -> ProcessStep:
    if record.stopping_s:
        over = now_s - record.stopping_s > record.stop_timeout_s
        return ProcessStep.KILL if over else ProcessStep.WAIT
    if wanted != record.digest:
        return ProcessStep.TERMINATE
    if now_s - max(record.began_s, record.ready_s) > start_timeout_s:
        return ProcessStep.TERMINATE
    return ProcessStep.WATCH
