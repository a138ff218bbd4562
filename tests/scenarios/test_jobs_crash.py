"""Jobs of this machine whose control plane or launcher is killed: found again, or ended whole."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.adapters.local.process_record import find_by_mark, read_record
from shared.ports import JobPhase, JobReason
from tests.contract.job_places import Place, local_place
from tests.contract.test_job_runner import STUBBORN, begun, ended, nothing_left
from tests.scenarios.local_host import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs run as processes on Linux")

# A control plane: starts the jobs it is told to, over and over, until it is killed.
CONTROL_PLANE = """
import asyncio, sys
from pathlib import Path
from shared.adapters.local.job_runner import LocalJobRunner
from shared.ports import JobSpec

async def main(folder, mark, code, count):
    jobs = LocalJobRunner(Path(folder))
    for number in range(int(count)):
        await jobs.start(JobSpec(f"job-{number}", (sys.executable, "-u", "-c", code, mark), stop_timeout_s=1))
        print("started", number, flush=True)
    await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with local_place(tmp_path) as found:
        yield found


def control_plane(place: Place, code: str, count: int) -> subprocess.Popen[str]:
    arguments = (str(place.folder / "jobs"), place.mark, code, str(count))
    command = (sys.executable, "-c", CONTROL_PLANE, *arguments)
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


async def test_a_job_goes_on_when_its_control_plane_is_killed_and_the_next_one_finds_it(place: Place) -> None:
    code = "import os, time; print('begun', os.getpid()); time.sleep(2); print('done')"
    with control_plane(place, code, 1) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started 0\n"
        process.kill()
    found = await ended(place, "job-0")
    assert (found.phase, found.exit_code, found.log.splitlines()[1]) == (JobPhase.SUCCEEDED, 0, "done")
    assert found.log.count("begun") == 1


async def test_nothing_is_left_of_jobs_whose_control_plane_was_killed_at_any_moment(place: Place) -> None:
    chance = random.Random(9)
    for _ in range(4):
        with control_plane(place, STUBBORN, 8) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.random() * 0.05)  # some jobs are started, one is half started
            process.kill()
        await asyncio.gather(*(place.runner.remove(f"job-{number}") for number in range(8)))
        for number in range(8):
            await nothing_left(place, f"job-{number}")


async def test_the_time_limit_holds_while_no_control_plane_runs(place: Place) -> None:
    await place.runner.start(place.python("late", STUBBORN, timeout_s=1, stop_timeout_s=0.5))
    async with asyncio.timeout(60):
        while (place.folder / "jobs" / "late" / "ended.json").exists() is False:
            await asyncio.sleep(0.05)
    assert place.left() == ["late"]
    assert (await place.runner.look("late")).reason is JobReason.DEADLINE_EXCEEDED


async def test_a_job_whose_launcher_is_killed_is_lost_and_ends_whole(place: Place) -> None:
    await place.runner.start(place.python("lost", STUBBORN))
    await begun(place, "lost")
    record = read_record(place.folder / "jobs" / "lost")
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    found = await ended(place, "lost")
    assert (found.phase, found.reason, found.log) == (JobPhase.FAILED, JobReason.LOST, "begun\n")
    assert find_by_mark(record.mark) is None
    assert place.left() == ["lost"]
