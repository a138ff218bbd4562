"""Jobs of this machine: found again or ended whole when their control plane or launcher is killed, and limited."""

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

from shared.adapters.local.job_following import followed
from shared.adapters.local.job_runner import LocalJobRunner
from shared.adapters.local.process_record import find_by_mark, read_record
from shared.errors import NotSupported
from shared.ports import JobLimits, JobPhase, JobReason
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


async def test_a_job_runs_on_as_many_cpus_as_it_may_and_sees_none_of_the_settings(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_KEY", "of the control plane")
    code = "import os; print(len(os.sched_getaffinity(0)), os.environ.get('SLIPWAY_KEY'))"
    await place.runner.start(place.python("half", code, limits=JobLimits(cpu=0.5)))
    await place.runner.start(place.python("all", code))
    assert (await ended(place, "half")).log == "1 None\n"
    assert (await ended(place, "all")).log == f"{len(os.sched_getaffinity(0))} None\n"


async def test_a_result_that_leads_elsewhere_is_none_and_removed_jobs_leave_no_file(place: Place) -> None:
    (secret := place.folder / "secret").write_text("s3cret")
    code = f"import os; os.symlink({str(secret)!r}, os.environ['SLIPWAY_JOB_RESULT'])"
    await place.runner.start(place.python("link", code))
    assert (await ended(place, "link")).result == ""
    await place.runner.remove("link")
    assert [path for path in (place.folder / "jobs").rglob("*") if path.is_file()] == []
    with pytest.raises(NotSupported, match="an image"):
        await place.runner.start(place.python("image", "", image="registry.example/a"))


async def test_a_job_of_an_earlier_control_plane_is_taken_over_and_its_lines_are_said(place: Place) -> None:
    jobs = LocalJobRunner(place.folder / "jobs")
    code = "import time; print('begun'); time.sleep(1); print('done')"
    spec = place.python("one", code)
    await jobs.start(spec)
    await begun(place, "one")
    said: list[str] = []
    found = await followed(jobs, spec, said.append)
    assert (found.phase, said) == (JobPhase.SUCCEEDED, ["begun", "done"])
    assert place.left() == []


@pytest.mark.parametrize("how", ["lost", "canceled", "another"])
async def test_a_job_that_ended_with_its_control_plane_is_started_anew(how: str, place: Place) -> None:
    jobs = LocalJobRunner(place.folder / "jobs")
    again = place.folder / "again"
    code = f"import os, time; print('begun'); os.path.exists({str(again)!r}) or time.sleep(600)"
    spec = place.python("one", code)
    await jobs.start(place.python("one", STUBBORN, stop_timeout_s=1) if how == "another" else spec)
    await begun(place, "one")
    again.touch()
    if how == "lost":
        record = read_record(place.folder / "jobs" / "one")
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
        await ended(place, "one")
    if how == "canceled":
        await jobs.cancel("one")
        await ended(place, "one")
    found = await followed(jobs, spec)
    assert (found.phase, found.log) == (JobPhase.SUCCEEDED, "begun\n")
    assert place.left() == []


async def test_a_job_that_is_waited_for_no_more_leaves_nothing(place: Place) -> None:
    waiting = asyncio.create_task(
        followed(LocalJobRunner(place.folder / "jobs"), place.python("one", STUBBORN, stop_timeout_s=1))
    )
    async with asyncio.timeout(60):
        while not (place.folder / "jobs" / "one" / "process.json").exists():
            await asyncio.sleep(0.02)
    await begun(place, "one")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert place.left() == []
