"""Limits that really hold, and the files of the kernel's two kinds of control groups."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.errors import NotSupported
from shared.profiling.cgroups import CgroupV1, Limits, Usage, make_v1, make_v2
from shared.profiling.limits import METHODS, limited, to_its_end
from tests.scenarios.profiled import needs_cgroups, nothing_left

ENVIRON = {"PATH": os.environ["PATH"]}
BURN = "while True: pass"


async def test_the_share_of_a_core_holds_and_can_be_changed() -> None:
    needs_cgroups()
    async with limited([sys.executable, "-c", BURN], Limits(0.2, 2**28), environ=ENVIRON) as running:
        assert running.method in METHODS[:2]
        assert await used_share(running.usage) < 0.3
        assert running.usage().throttled_periods > 0
        running.set_cpu(0.6)
        assert await used_share(running.usage) > 0.3
        assert running.limits.cpu == 0.6


async def used_share(usage: Callable[[], Usage]) -> float:
    """Cores used in about a second; a burst of what was saved up is over after the first tenth."""
    await asyncio.sleep(0.2)
    before, began_s = usage().cpu_s, time.perf_counter()
    await asyncio.sleep(1.0)
    return (usage().cpu_s - before) / (time.perf_counter() - began_s)


async def test_memory_beyond_the_limit_is_killed_and_counted() -> None:
    needs_cgroups()
    code = "held = b'x' * (200 * 2**20)"
    async with limited([sys.executable, "-c", code], Limits(1, 100 * 2**20), environ=ENVIRON) as running:
        assert await asyncio.wait_for(running.process.wait(), 20) == -9
        used = running.usage()
    assert used.oom_kills == 1
    assert 90 * 2**20 < used.peak_memory_bytes <= 100 * 2**20


async def test_the_peak_stays_when_the_memory_is_given_back() -> None:
    needs_cgroups()
    code = "held = b'x' * (80 * 2**20); del held; print('done', flush=True); input()"
    async with limited(
        [sys.executable, "-c", code + "\nimport time; time.sleep(60)"], Limits(1, 2**28), environ=ENVIRON
    ) as running:
        assert running.process.stdout is not None
        assert await asyncio.wait_for(running.process.stdout.readline(), 20) == b"done\n"
        used = running.usage()
    assert used.peak_memory_bytes > 80 * 2**20
    assert used.memory_bytes < 60 * 2**20


@pytest.mark.parametrize("method", METHODS)
async def test_an_error_in_the_context_ends_the_whole_tree(tmp_path: Path, method: str) -> None:
    code = f"import os, time; os.fork() or os.setsid(); os.fork(); time.sleep(60)  # {tmp_path}"
    with nothing_left(tmp_path):
        try:
            async with limited(
                [sys.executable, "-c", code], Limits(1, 2**28), environ=ENVIRON, method=method
            ) as running:
                assert running.method == method
                async with asyncio.timeout(20):
                    while len(running.pids()) < 4:
                        await asyncio.sleep(0.01)
                raise RuntimeError("an error of the caller")
        except RuntimeError:
            return
        except NotSupported as error:
            pytest.skip(f"{method}: {error.remedy}")
    pytest.fail("the error of the caller was lost")


async def test_without_cgroups_whole_cores_are_kept() -> None:
    code = "import os, resource; print(len(os.sched_getaffinity(0)), resource.getrlimit(resource.RLIMIT_AS)[0])"
    limits = Limits(1, 2**28)
    async with limited([sys.executable, "-c", code], limits, environ=ENVIRON, method=METHODS[-1]) as running:
        assert running.process.stdout is not None
        cores, addresses = (await running.process.stdout.read()).split()
        assert not running.limits_cpu
        with pytest.raises(NotSupported, match="can't change the CPU"):
            running.set_cpu(0.5)
    assert int(cores) == 1
    assert 2**28 < int(addresses) < 2**32


async def test_a_command_that_is_not_there_leaves_no_group(tmp_path: Path) -> None:
    needs_cgroups()
    with nothing_left(tmp_path):
        async with limited([str(tmp_path / "gone")], Limits(1, 2**28), environ=ENVIRON) as running:
            assert await asyncio.wait_for(running.process.wait(), 20) == 127


async def test_what_must_not_be_left_half_done_ends_before_the_cancellation() -> None:
    done, begun = [], asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(0.05)
        done.append(1)

    task = asyncio.create_task(to_its_end(work()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [1]


def test_version_2_is_made_below_the_own_group_with_its_files(tmp_path: Path) -> None:
    own = tmp_path / "user" / "app"
    own.mkdir(parents=True)
    (own / "cgroup.subtree_control").write_text("cpu memory pids")
    group = make_v2("one", tmp_path, "/user/app")
    group.set_limits(Limits(0.25, 2**28, 64))
    folder = own / "one"
    assert group.entrances == [folder / "cgroup.procs"]
    names = ("cpu.max", "memory.max", "memory.swap.max", "pids.max")
    assert [(folder / name).read_text() for name in names] == ["25000 100000", str(2**28), "0", "64"]
    group.forbid_forks()
    assert (folder / "pids.max").read_text() == "0"


def test_version_2_is_made_beside_the_own_group_where_that_hands_on_nothing(tmp_path: Path) -> None:
    (tmp_path / "user" / "app").mkdir(parents=True)
    (tmp_path / "user" / "cgroup.subtree_control").write_text("")
    group = make_v2("one", tmp_path, "/user/app")
    assert group.entrances == [tmp_path / "user" / "one" / "cgroup.procs"]
    assert (tmp_path / "user" / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    group.remove()
    assert not (tmp_path / "user" / "one").exists()
    with pytest.raises(OSError, match="subtree_control"):
        make_v2("one", tmp_path / "nothing", "/")


def test_version_2_tells_what_was_used(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids")
    group = make_v2("one", tmp_path, "/")
    assert group.usage() == Usage()  # a kernel without these files
    for name, text in {
        "cpu.stat": "usage_usec 1500000\nnr_periods 9\nnr_throttled 4\n",
        "memory.current": "900\n",
        "memory.peak": "1200\n",
        "memory.stat": "anon 500\ninactive_file 100\n",
        "memory.events": "oom 2\noom_kill 1\n",
        "pids.events": "max 3\n",
        "cgroup.procs": "7\n12\n",
    }.items():
        (tmp_path / "one" / name).write_text(text)
    assert group.usage() == Usage(1.5, 800, 1100, 4, 1, 3)
    assert group.pids() == [7, 12]


def test_version_1_has_a_folder_in_each_controller_or_none(tmp_path: Path) -> None:
    for name in ("cpu,cpuacct", "memory", "pids"):
        (tmp_path / name / "own").mkdir(parents=True)
    for name in ("cpu", "cpuacct"):
        (tmp_path / name).symlink_to("cpu,cpuacct")
    group = make_v1("one", tmp_path, "/own")
    assert isinstance(group, CgroupV1)
    assert [path.parent.parent.parent.name for path in group.entrances] == ["cpu,cpuacct", "memory", "pids"]
    group.remove()
    assert list(tmp_path.glob("*/own/*")) == []
    (tmp_path / "pids" / "own").rmdir()
    (tmp_path / "pids").rmdir()
    with pytest.raises(OSError, match="pids"):
        make_v1("two", tmp_path, "/own")
    assert list(tmp_path.glob("*/own/*")) == []
