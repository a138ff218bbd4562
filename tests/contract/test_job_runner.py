"""What every JobRunner promises: on processes of this machine, and on a cluster."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shared.errors import AlreadyExists, NotFound
from shared.ports import JobLimits, JobPhase, JobProgress, JobReason, SecretReference
from shared.ports.jobs import JOB_TRANSITIONS
from tests.contract.job_places import PLACES, Place

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs run as processes on Linux")

WITHIN_S = 60.0
SLEEPS = "import time; print('begun'); time.sleep(600)"
# With a child in a session of its own, which ignores SIGTERM as the program itself does.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", code, sys.argv[-1]], start_new_session=True)
print('begun')
time.sleep(600)
"""


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with PLACES[request.param](tmp_path) as found:
        yield found


async def seen(place: Place, name: str, is_so: Callable[[JobProgress], bool]) -> JobProgress:
    """What is seen when `is_so` holds; phases may only change as the table says."""
    before = JobPhase.PENDING
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = await place.runner.look(name)
            assert found.phase is before or found.phase in JOB_TRANSITIONS[before], (before, found)
            before = found.phase
            if is_so(found):
                return found
            await asyncio.sleep(0.02)


async def ended(place: Place, name: str) -> JobProgress:
    return await seen(place, name, lambda found: found.has_ended)


async def begun(place: Place, name: str) -> JobProgress:
    return await seen(place, name, lambda found: "begun" in found.log)


async def nothing_left(place: Place, name: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        while place.left():
            with pytest.raises(NotFound):
                await place.runner.look(name)
            await asyncio.sleep(0.02)


async def test_a_job_gets_what_it_is_given_and_its_log_and_result_are_kept(place: Place) -> None:
    place.give_secret("login", "password", "s3cret")
    code = """
import os, pathlib, sys
files = pathlib.Path(os.environ["SLIPWAY_JOB_FILES"])
print("hello", sys.argv[1:-1], os.environ["AMOUNT"], len(os.environ["PASSWORD"]))
pathlib.Path(os.environ["SLIPWAY_JOB_RESULT"]).write_text((files / "in.txt").read_text().upper())
"""
    spec = place.python(
        "first",
        code,
        *("$(AMOUNT)", "$$(AMOUNT)", "$(NONE)"),
        environ={"AMOUNT": "3 $(HOME) $$"},
        secrets={"PASSWORD": SecretReference("login", "password")},
        files={"in.txt": b"what comes in"},
        limits=JobLimits(cpu=0.5, memory_bytes=2**30),
    )
    await place.runner.start(spec)
    found = await ended(place, "first")
    assert (found.phase, found.reason, found.exit_code) == (JobPhase.SUCCEEDED, "", 0), found
    assert found.log == "hello ['3 $(HOME) $$', '$(AMOUNT)', '$(NONE)'] 3 $(HOME) $$ 6\n"
    assert found.result == "WHAT COMES IN"
    assert await place.runner.look("first") == found


async def test_a_second_start_starts_nothing(place: Place) -> None:
    spec = place.python("once", "import os; print('begun', os.getpid())")
    await asyncio.gather(*(place.runner.start(spec) for _ in range(3)))
    first = await ended(place, "once")
    await place.runner.start(spec)
    assert await place.runner.look("once") == first
    assert first.log.count("begun") == 1
    with pytest.raises(AlreadyExists, match="another job once"):
        await place.runner.start(place.python("once", "print('something else')"))


async def test_a_program_that_fails_says_how(place: Place) -> None:
    await place.runner.start(place.python("bad", "import sys; print('no rows'); sys.exit(3)"))
    found = await ended(place, "bad")
    assert (found.phase, found.reason, found.exit_code) == (JobPhase.FAILED, JobReason.EXIT_CODE, 3)
    assert (found.message, found.log, found.result) == ("exit code 3", "no rows\n", "")


async def test_one_that_takes_too_long_ends_with_all_it_started_and_keeps_its_log(place: Place) -> None:
    await place.runner.start(place.python("late", STUBBORN, timeout_s=2, stop_timeout_s=1))
    found = await ended(place, "late")
    assert (found.phase, found.reason) == (JobPhase.FAILED, JobReason.DEADLINE_EXCEEDED), found
    assert found.log == "begun\n"
    assert not [one for one in place.left() if one.startswith("process")]


async def test_one_that_is_canceled_ends_with_all_it_started_and_keeps_its_log(place: Place) -> None:
    await place.runner.start(place.python("unwanted", STUBBORN, stop_timeout_s=1))
    await begun(place, "unwanted")
    await place.runner.cancel("unwanted")
    found = await ended(place, "unwanted")
    assert (found.phase, found.reason, found.log) == (JobPhase.CANCELED, "", "begun\n")
    assert not [one for one in place.left() if one.startswith("process")]
    await place.runner.cancel("unwanted")
    assert (await ended(place, "unwanted")).phase is JobPhase.CANCELED


async def test_what_has_ended_or_never_was_is_not_canceled(place: Place) -> None:
    await place.runner.start(place.python("done", "print('done')"))
    await ended(place, "done")
    for name in ("done", "never", "../never"):
        await place.runner.cancel(name)
        assert name != "done" or (await place.runner.look(name)).phase is JobPhase.SUCCEEDED
    for name in ("never", "../never"):
        await place.runner.remove(name)
        with pytest.raises(NotFound):
            await place.runner.look(name)


async def test_one_that_takes_too_much_memory_is_ended_and_says_so(place: Place) -> None:
    code = "import time; print('begun'); taken = bytearray(b'x') * (400 << 20); time.sleep(600)"
    await place.runner.start(place.python("greedy", code, limits=JobLimits(memory_bytes=200 << 20)))
    found = await ended(place, "greedy")
    assert (found.phase, found.reason, found.log) == (JobPhase.FAILED, JobReason.OOM_KILLED, "begun\n"), found


async def test_a_program_that_is_not_there_is_named(place: Place) -> None:
    await place.runner.start(place.job("none", ("no-such-program",)))
    found = await ended(place, "none")
    assert (found.phase, found.reason) == (JobPhase.FAILED, JobReason.CANNOT_START), found
    assert "no-such-program" in found.message


async def test_a_secret_that_is_not_there_is_named(place: Place) -> None:
    spec = place.python("poor", "print('begun')", secrets={"PASSWORD": SecretReference("absent", "password")})
    await place.runner.start(spec)
    found = await seen(place, "poor", lambda found: found.reason != "")
    assert (found.reason, found.log) == (JobReason.CANNOT_START, "")
    assert "absent" in found.message


async def test_a_result_of_more_than_was_agreed_is_none(place: Place) -> None:
    code = "import os; open(os.environ['SLIPWAY_JOB_RESULT'], 'w').write('x' * {})"
    await place.runner.start(place.python("just", code.format(100), max_result_bytes=100))
    await place.runner.start(place.python("over", code.format(101), max_result_bytes=100))
    assert (await ended(place, "just")).result == "x" * 100
    found = await ended(place, "over")
    assert (found.phase, found.reason, found.result) == (JobPhase.FAILED, JobReason.RESULT_TOO_LARGE, "")


async def test_what_is_removed_leaves_nothing_and_its_name_is_free(place: Place) -> None:
    await place.runner.start(place.python("gone", STUBBORN, stop_timeout_s=1, files={"a": b"b"}))
    await begun(place, "gone")
    await place.runner.remove("gone")
    await nothing_left(place, "gone")
    await place.runner.start(place.python("gone", "print('something else')"))
    assert (await ended(place, "gone")).log == "something else\n"
