"""A Linux that has cgroup v2 with all its controllers, as a process: User-Mode Linux on this machine's own files, for
machines whose controllers are taken by version 1. Debian: `apt-get install user-mode-linux`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from shared.errors import Permanent
from shared.profiling.cgroups import Limits, Usage
from shared.profiling.limits import best_method, limited
from shared.profiling.plan import ProfilePlan
from shared.profiling.profile import profile
from tests.scenarios.local_host import ROOT

KERNEL = shutil.which("linux.uml")
BOOT_TIMEOUT_S = 280
MIB = 2**20
_INIT = """#!/bin/sh
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs none /run && mkdir /run/work && mount -t hostfs none /run/work -o {folder}
/sbin/ip link set lo up
cd {root} && TMPDIR=/run PYTHONPATH={root} {python} -m tests.scenarios.cgroup_v2_machine {case} > /run/work/said 2>&1
sync; exec {halt} -f
"""
BUSY = "while True: pass"
HUNGRY = "kept = b'x' * (256 * 2**20)"
BOMB = "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.01)\n"
GREEDY = "def init(): b'x' * (300 * 2**20)\ndef run(data): return data\n"


async def answered(folder: Path, case: str) -> dict[str, Any]:
    """What one of CASES found in a machine of its own. Raises AssertionError, with all that was said, without it."""
    assert KERNEL is not None
    init = folder / "init"
    halt = shutil.which("halt") or "/sbin/halt"
    init.write_text(_INIT.format(folder=folder, root=ROOT, python=sys.executable, case=case, halt=halt))
    init.chmod(0o755)
    boot = ["mem=1024M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", "quiet"]
    process = await asyncio.create_subprocess_exec(
        *(KERNEL, *boot, "con=null", "con0=null,fd:1"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(BOOT_TIMEOUT_S):
            console, _ = await process.communicate()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, 9)
            await process.wait()
    said = (folder / "said").read_text() if (folder / "said").exists() else ""
    assert said.rstrip().endswith("}"), f"{console.decode(errors='replace')[-3000:]}\n{said}"
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


async def _used(code: str, limits: Limits, seconds: float) -> tuple[str, Usage, bool]:
    """The method that held the code, what it used, and whether a process was left."""
    command = [sys.executable, "-c", code]
    async with limited(command, limits, environ={}) as running:
        async with asyncio.timeout(60):
            while running.usage().cpu_s < 0.05:  # until it is there
                await asyncio.sleep(0.01)
        await asyncio.sleep(seconds)
        used, method = running.usage(), running.method
    return method, used, bool(running.pids())


async def cpu() -> dict[str, Any]:
    """A loop under a quarter of a core, for two seconds."""
    method, used, left = await _used(BUSY, Limits(0.25, 256 * MIB), 2.0)
    return {"method": method, "cpu_s": used.cpu_s, "throttled": used.throttled_periods, "left": left}


async def memory() -> dict[str, Any]:
    """256 MiB under a limit of 64 MiB."""
    method, used, left = await _used(HUNGRY, Limits(1, 64 * MIB), 3.0)
    peak_mib = used.peak_memory_bytes / MIB
    return {"method": method, "oom_kills": used.oom_kills, "peak_mib": peak_mib, "left": left}


async def processes() -> dict[str, Any]:
    """A fork bomb under a limit of 32 processes."""
    method, used, left = await _used(BOMB, Limits(1, 512 * MIB, max_processes=32), 2.0)
    return {"method": method, "refused": used.refused_processes, "left": left}


async def poisoned() -> dict[str, Any]:
    """A whole profile of a model that wants more than there is."""
    folder = Path(tempfile.gettempdir())  # of the machine's own memory
    script, sample = folder / "score.py", folder / "sample.jsonl"
    script.write_text(GREEDY)
    sample.write_text("{}\n")
    plan = ProfilePlan(None, sample, 5.0, 500.0, entry_script=script, max_memory_gb=0.25, start_timeout_s=120)
    result = await profile(plan)
    return {"method": best_method(), "state": result.state, "error": result.error}


CASES: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
    one.__name__: one for one in (cpu, memory, processes, poisoned)
}

if __name__ == "__main__":
    try:
        print(json.dumps(asyncio.run(CASES[sys.argv[1]]())))
    except Permanent as error:
        print(json.dumps({"problem": str(error)}))
