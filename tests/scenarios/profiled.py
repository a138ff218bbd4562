"""Models to profile, sane and poisoned, and what must not be left of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.profiling.limits import METHODS, best_method
from shared.profiling.plan import ProfilePlan
from tests.scenarios.scoring_server import MODEL, ROW

ECHO = "def init(): pass\ndef run(data): return data\n"
POISONED = {
    "exit in init()": ("import os\ndef init(): os._exit(7)\ndef run(data): return data\n", "exit code 7"),
    "error in init()": ("def init(): raise ValueError('no weights')\ndef run(data): return data\n", "exit code 3"),
    "endless loop in run()": (
        "def init(): pass\ndef run(data):\n    while True: pass\n",
        "the first request was not answered within 2 s",
    ),
    "10 GB in run()": ("def init(): pass\ndef run(data): return len(b'x' * (10 * 2**30))\n", "more than its 512 MiB"),
    "10 GB in init()": ("def init(): b'x' * (10 * 2**30)\ndef run(data): return data\n", "more than its 512 MiB"),
    "fork bomb in init()": (
        "import os\ndef init():\n    while True:\n        try: os.fork()\n        except OSError: pass\n"
        "def run(data): return data\n",
        "tried to run more than 256 processes",
    ),
    "error in run()": ("def init(): pass\ndef run(data): raise ValueError('bad row')\n", "status 500"),
}


def needs_cgroups() -> None:
    """Skips, saying so, where no control group can be made."""
    if best_method() == METHODS[-1]:
        pytest.skip("control groups need root (or a delegated cgroup v2): only affinity and rlimits work here")


def plan_of(folder: Path, script: str | None = None, **changed: Any) -> ProfilePlan:
    """A plan for the example model, or an entry script with this source."""
    sample = folder / "sample.jsonl"
    sample.write_text(json.dumps({"data": [ROW]}) + "\n")
    path = None
    if script is not None:
        path = folder / "score.py"
        path.write_text(script)
    limits = {"max_memory_gb": 0.5, "start_timeout_s": 20.0, "request_timeout_s": 2.0, "cpus": (0.25, 0.5, 1.0)}
    return ProfilePlan(
        **{
            "model": MODEL if script is None else None,
            "sample": sample,
            "target_rps": 100.0,
            "p99_ms": 150.0,
            "entry_script": path,
            **limits,
            **changed,
        }
    )


@contextmanager
def nothing_left(folder: Path) -> Iterator[None]:
    """Fails when a process that names the folder, or a control group of this process, is there at the end."""
    yield
    assert processes_naming(folder) == []
    own = f"slipway-profile-*-{os.getpid()}-*"
    assert [str(group) for group in Path("/sys/fs/cgroup").glob(f"**/{own}")] == []


def processes_naming(folder: Path) -> list[str]:
    """Command lines of the processes that hold the folder's name."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in line:
            found.append(line)
    return found
