"""What of a job is in its folder: what it is given before it starts, and how it is, read back."""

from __future__ import annotations

import json
import math
import os
import random
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.adapters.local.job_launcher import ENDED, JOB, LOG
from shared.adapters.local.process_spawn import exit_text
from shared.adapters.local.process_types import MAX_LOG_BYTES
from shared.packaging.server_packages import ROOT
from shared.ports import JobPhase, JobProgress, JobReason, JobSpec
from shared.ports.jobs import FILES_VARIABLE, RESULT_VARIABLE

FILES, WORK, RESULT = "files", "work", "result"
SHOWN_LOG_BYTES = 1_000_000
_BOOT = (
    "import sys; sys.path.append(sys.argv[1]); from shared.adapters.local.job_launcher import main; main(sys.argv[2])"
)
# What programs need of this machine. Nothing else of this process's environment: it holds settings and secrets.
_PASSED = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE")
_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended, as its launcher noted it."""

    how: str  # a JobReason, or Canceled; "" when its program ended by itself
    exit_code: int | None  # minus the number of the signal that ended it
    message: str


def launcher_arguments(folder: Path) -> tuple[str, ...]:
    """The command that runs the job of this folder."""
    return (sys.executable, "-I", "-S", "-c", _BOOT, str(ROOT), str(folder))


def prepare(folder: Path, spec: JobSpec) -> dict[str, str]:
    """Write what the job is given; the variables that it gets but for secrets."""
    for name in (FILES, WORK):
        (folder / name).mkdir(parents=True)
    for name, content in spec.files.items():
        (folder / FILES / name).write_bytes(content)
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    own = {FILES_VARIABLE: str(folder / FILES), RESULT_VARIABLE: str(folder / RESULT)}
    environ = {**passed, **spec.environ, **own}
    job = {
        "command": [expanded(part, {**spec.environ, **own}) for part in spec.command],
        "folder": str(folder / WORK),
        "timeout_s": spec.timeout_s,
        "stop_timeout_s": spec.stop_timeout_s,
        "memory_bytes": spec.limits.memory_bytes,
        "cpus": _cpus(spec.limits.cpu),
        "max_result_bytes": spec.max_result_bytes,
        "max_log_bytes": MAX_LOG_BYTES,
    }
    (folder / JOB).write_text(json.dumps(job))
    return environ


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """With `$(NAME)` replaced by the variable's value, and left as it is where there is none; `$$` is a `$`
    (Kubernetes, Container.command)."""

    def value(match: re.Match[str]) -> str:
        return environ.get(match[1], match[0]) if match[1] else "$"

    return _VARIABLE.sub(value, text)


def _cpus(wanted: float | None) -> list[int]:
    """As many CPUs as it may use, drawn so that jobs do not all share the first ones; [] for all."""
    allowed = sorted(os.sched_getaffinity(0))
    if wanted is None or wanted >= len(allowed):
        return []
    return random.sample(allowed, math.ceil(wanted))


def read_end(folder: Path) -> Ended | None:
    """How it ended; None while it has not."""
    try:
        return Ended(**json.loads((folder / ENDED).read_bytes()))
    except FileNotFoundError:
        return None


def progress(folder: Path, ended: Ended | None, *, runs: bool) -> JobProgress:
    """How far the job is, with its log and its result."""
    log = _tail(folder / LOG)
    if ended is None:
        return JobProgress(JobPhase.RUNNING if runs else JobPhase.PENDING, log=log)
    if ended.how == "Canceled":
        return JobProgress(JobPhase.CANCELED, exit_code=_own(ended), log=log)
    job = json.loads((folder / JOB).read_bytes())
    if ended.how or ended.exit_code:
        reason = JobReason(ended.how or JobReason.EXIT_CODE)
        return JobProgress(JobPhase.FAILED, reason, _said(reason, ended, job), _own(ended), log)
    content = _plain(folder / RESULT, job["max_result_bytes"] + 1)
    if len(content) > job["max_result_bytes"]:
        message = f"it wrote a result of more than {job['max_result_bytes']} bytes"
        return JobProgress(JobPhase.FAILED, JobReason.RESULT_TOO_LARGE, message, 0, log)
    return JobProgress(JobPhase.SUCCEEDED, exit_code=0, log=log, result=content.decode(errors="replace"))


def _own(ended: Ended) -> int | None:
    """The code that the program exited with itself."""
    return ended.exit_code if ended.exit_code is not None and ended.exit_code >= 0 else None


def _said(reason: JobReason, ended: Ended, job: Mapping[str, Any]) -> str:
    match reason:
        case JobReason.OOM_KILLED:
            return f"it took more than {job['memory_bytes']} bytes of memory"
        case JobReason.DEADLINE_EXCEEDED:
            return f"it did not end within {job['timeout_s']:g} s"
        case JobReason.EXIT_CODE:
            return exit_text(ended.exit_code)
        case JobReason.LOST:
            return "it was ended from outside"
    return ended.message


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - SHOWN_LOG_BYTES))
            return log.read(SHOWN_LOG_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return ""


def _plain(path: Path, max_bytes: int) -> bytes:
    """Its first bytes; b"" for no file. A link could name any file of this machine: it counts as none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(max_bytes)
