"""The supervisor with real processes: they become what is asked for, outlive its death, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from shared.adapters.local.process_record import (
    MARK_VARIABLE,
    ProcessRecord,
    boot_id,
    find_by_mark,
    is_running,
    read_record,
    start_ticks_of,
    write_record,
)
from shared.adapters.local.process_types import DesiredProcess, ObservedProcess, ProcessPhase, ResourceLimits
from shared.adapters.local.processes import Supervisor
from shared.errors import Invalid
from tests.scenarios.local_host import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are supervised on Linux")

TIMEOUT_S = 30.0
Observed = Mapping[str, ObservedProcess]


def python(name: str, code: str, **fields: object) -> DesiredProcess:
    """A process that runs this code."""
    environ = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    wanted = DesiredProcess(name, (sys.executable, "-c", code), environ, ROOT)
    return replace(wanted, **fields)  # type: ignore[arg-type]


def server(name: str, port: int) -> DesiredProcess:
    """A model server that is ready when it answers."""
    arguments = (sys.executable, "-m", "tests.doubles.model_server", name, str(port))
    return replace(python(name, ""), arguments=arguments, ready_url=f"http://127.0.0.1:{port}/")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def until(supervisor: Supervisor, desired: list[DesiredProcess], is_so: Callable[[Observed], bool]) -> Observed:
    """What is seen when `is_so` holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not is_so(found := await supervisor.ensure(desired)):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)
    return found


def is_ready(name: str) -> Callable[[Observed], bool]:
    return lambda found: found[name].phase is ProcessPhase.READY


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    found = Supervisor(tmp_path / "processes")
    yield found
    await until(found, [], lambda seen: not seen)


async def test_a_process_becomes_ready_stays_and_ends(supervisor: Supervisor, tmp_path: Path) -> None:
    wanted = server("blue", free_port())
    first = (await supervisor.ensure([wanted]))["blue"]
    assert first.phase is ProcessPhase.STARTING
    ready = (await until(supervisor, [wanted], is_ready("blue")))["blue"]
    assert (ready.pid, ready.restarts, ready.failures) == (first.pid, 0, 0)
    assert (await until(supervisor, [], lambda seen: not seen)) == {}
    assert start_ticks_of(ready.pid) is None
    assert not (tmp_path / "processes" / "blue").exists()


async def test_one_that_crashes_is_started_again_later_and_says_why(supervisor: Supervisor) -> None:
    wanted = python("bad", "import sys; print('no model here'); sys.exit(3)")
    twice = (await until(supervisor, [wanted], lambda seen: seen["bad"].failures >= 2))["bad"]
    assert (twice.phase, twice.exit) == (ProcessPhase.BACKING_OFF, "exit code 3")
    assert twice.log_tail.splitlines() == ["no model here"] * 2
    assert twice.restarts == 1
    missing = replace(wanted, arguments=("/nowhere/python",))
    never = (await until(supervisor, [missing], lambda seen: "can't be started" in seen["bad"].exit))["bad"]
    assert (never.phase, never.failures) == (ProcessPhase.BACKING_OFF, 1)


async def test_one_that_is_killed_comes_back(supervisor: Supervisor) -> None:
    wanted = server("blue", free_port())
    before = (await until(supervisor, [wanted], is_ready("blue")))["blue"]
    os.kill(before.pid, signal.SIGKILL)
    await until(supervisor, [wanted], lambda seen: seen["blue"].phase is ProcessPhase.BACKING_OFF)
    after = (await until(supervisor, [wanted], is_ready("blue")))["blue"]
    assert after.pid != before.pid
    assert (after.restarts, after.exit) == (1, "ended by SIGKILL")


async def test_a_change_is_a_new_process(supervisor: Supervisor) -> None:
    wanted = server("blue", free_port())
    before = (await until(supervisor, [wanted], is_ready("blue")))["blue"]
    changed = replace(wanted, environ={**wanted.environ, "A": "1"})
    after = (await until(supervisor, [changed], lambda seen: seen["blue"].pid != before.pid))["blue"]
    assert after.restarts == after.failures == 0
    assert start_ticks_of(before.pid) is None


CONTROLLER = """
import asyncio, sys
from pathlib import Path
from shared.adapters.local.processes import Supervisor
from tests.scenarios.test_processes import server

async def main():
    supervisor = Supervisor(Path(sys.argv[1]))
    while True:
        seen = (await supervisor.ensure([server("blue", int(sys.argv[2]))]))["blue"]
        print(seen.phase, seen.pid, flush=True)
        await asyncio.sleep(0.02)

asyncio.run(main())
"""


async def test_processes_outlive_a_controller_that_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    port = free_port()
    arguments = [sys.executable, "-c", CONTROLLER, str(tmp_path / "processes"), str(port)]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as controller:
        assert controller.stdout is not None
        pid = next(int(line.split()[1]) for line in controller.stdout if line.startswith("Ready"))
        controller.kill()
    adopted = (await until(supervisor, [server("blue", port)], is_ready("blue")))["blue"]
    assert (adopted.pid, adopted.restarts, adopted.failures) == (pid, 0, 0)
    os.kill(pid, signal.SIGKILL)
    ended = await until(supervisor, [server("blue", port)], lambda seen: seen["blue"].failures == 1)
    assert "how is not known" in ended["blue"].exit


async def test_one_whose_start_was_not_noted_is_found(supervisor: Supervisor, tmp_path: Path) -> None:
    wanted, mark = python("blue", "import time; time.sleep(60)"), secrets.token_hex(16)
    write_record(tmp_path / "processes" / "blue", ProcessRecord(wanted.digest, mark, 5.0))
    environ = {**wanted.environ, MARK_VARIABLE: mark}
    started = subprocess.Popen(wanted.arguments, env=environ, start_new_session=True)
    try:
        while find_by_mark(mark) is None:  # the kernel shows the environment a moment after exec
            await asyncio.sleep(0.001)
        found = (await supervisor.ensure([wanted]))["blue"]
        assert (found.phase, found.pid, found.restarts) == (ProcessPhase.READY, started.pid, 0)
        await until(supervisor, [], lambda seen: started.poll() is not None)
    finally:
        started.kill()
        started.wait()


async def test_the_pid_of_somebody_else_is_left_alone(supervisor: Supervisor, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        ticks = start_ticks_of(stranger.pid)
        assert ticks is not None
        own = ProcessRecord("digest", "", 5.0, pid=stranger.pid, start_ticks=ticks, boot_id=boot_id())
        assert is_running(own)
        for record in (replace(own, start_ticks=ticks - 1), replace(own, boot_id="another")):
            write_record(tmp_path / "processes" / "blue", record)
            assert await supervisor.ensure([]) == {}
            assert stranger.poll() is None
        stranger.kill()


FAMILY = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", deaf])
print(child.pid, flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["time.sleep(60)", "sys.exit(1)"], ids=["deaf to SIGTERM", "left behind"])
async def test_no_child_of_a_process_is_left(supervisor: Supervisor, tmp_path: Path, end: str) -> None:
    wanted = python("family", FAMILY.replace("{end}", end), stop_timeout_s=0.3)
    log = tmp_path / "processes" / "family" / "log"
    await until(supervisor, [wanted], lambda seen: log.exists() and "\n" in log.read_text())
    child = int(log.read_text().split()[0])
    await until(supervisor, [], lambda seen: not seen)
    deadline = time.monotonic() + TIMEOUT_S
    while start_ticks_of(child) is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_limits_hold(supervisor: Supervisor, tmp_path: Path) -> None:
    code = """
import os, resource, time
time.sleep(0.3)
print(resource.getrlimit(resource.RLIMIT_DATA)[0], resource.getrlimit(resource.RLIMIT_NOFILE)[1])
print(sorted(os.sched_getaffinity(0)))
try:
    bytearray(600 * 2**20)
except MemoryError:
    print("no more memory")
time.sleep(60)
"""
    cpu = min(os.sched_getaffinity(0))
    limits = ResourceLimits(memory_bytes=500 * 2**20, open_files=64, cpus=frozenset({cpu}))
    log = tmp_path / "processes" / "small" / "log"
    await until(supervisor, [python("small", code, limits=limits)], lambda _: log.read_text().count("\n") == 3)
    assert log.read_text().splitlines() == [f"{500 * 2**20} 64", f"[{cpu}]", "no more memory"]


async def test_logs_are_bounded_and_keep_the_newest(supervisor: Supervisor, tmp_path: Path) -> None:
    # the end is said again and again: what is written while the log is cut is lost, as by logrotate
    code = """
import time
for n in range(20000): print('line', n, 'x' * 80)
while True:
    print('the end', flush=True)
    time.sleep(0.1)
"""
    wanted = python("chatty", code, max_log_bytes=50_000)
    folder = tmp_path / "processes" / "chatty"
    log, previous = folder / "log", folder / "log.1"
    await until(
        supervisor, [wanted], lambda _: previous.exists() and "the end" in previous.read_text() + log.read_text()
    )
    await supervisor.ensure([wanted])
    assert max(log.stat().st_size, previous.stat().st_size) <= 50_000


async def test_one_that_never_becomes_ready_is_started_again(supervisor: Supervisor) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    wanted = python("deaf", "import time; time.sleep(60)", ready_url=url, start_timeout_s=0.3)
    again = (await until(supervisor, [wanted], lambda seen: seen["deaf"].restarts == 1))["deaf"]
    assert "not ready in time; ended by SIGTERM" in again.exit


async def test_two_controllers_start_one_process(supervisor: Supervisor, tmp_path: Path) -> None:
    other = Supervisor(tmp_path / "processes")
    wanted = server("blue", free_port())
    both = await asyncio.gather(*(each.ensure([wanted]) for each in (supervisor, other) for _ in range(5)))
    assert len({seen["blue"].pid for seen in both}) == 1
    record = read_record(tmp_path / "processes" / "blue")
    assert record is not None
    assert is_running(record)


LISTENS = """
import os, socket
listener = socket.socket(fileno=int(os.environ["SLIPWAY_LISTEN_FD"]))
while True:
    connection, _ = listener.accept()
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n%d" % os.getpid())
    connection.close()
"""


async def test_callers_of_one_that_was_killed_wait_for_the_next_one(supervisor: Supervisor) -> None:
    port = free_port()
    wanted = [python("a", LISTENS, listen_port=port, ready_url=f"http://127.0.0.1:{port}/")]
    first = (await until(supervisor, wanted, is_ready("a")))["a"].pid
    os.kill(first, signal.SIGKILL)
    await until(supervisor, wanted, lambda found: found["a"].pid != first)
    second = (await until(supervisor, wanted, is_ready("a")))["a"].pid
    os.kill(second, signal.SIGKILL)
    async with asyncio.timeout(TIMEOUT_S):
        while start_ticks_of(second) is not None:
            await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    answering = asyncio.create_task(reader.read())
    last = (await until(supervisor, wanted, is_ready("a")))["a"].pid
    async with asyncio.timeout(TIMEOUT_S):
        assert (await answering).endswith(str(last).encode())
    writer.close()
    await until(supervisor, [], lambda found: not found)
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_names_that_cannot_be(supervisor: Supervisor) -> None:
    with pytest.raises(Invalid, match="the same name"):
        await supervisor.ensure([python("a", ""), python("a", "")])
    with pytest.raises(Invalid, match=r"'\.\./a' can't be the name"):
        await supervisor.ensure([python("../a", "")])
