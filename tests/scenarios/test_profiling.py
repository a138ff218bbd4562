"""Profiles of real servers under real limits: poisoned models, cancellation, going on, the recommendation's proof."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from shared.profiling.cgroups import Limits
from shared.profiling.leftovers import sweep
from shared.profiling.plan import ProfilePlan, divided_cores
from shared.profiling.probe import GB, Probe, leak_suspected
from shared.profiling.profile import Progress, profile
from shared.profiling.samples import read_samples
from shared.profiling.search import CURVE_POINTS, Measure
from shared.profiling.server import ServerFailed, ServerPlan, serving
from shared.profiling.server_settings import ServerSettings
from shared.profiling.verdicts import Verdict, verdict
from shared.resources.profile import LoadPoint, ProfileResult, ProfileState
from tests.scenarios.local_host import ROOT
from tests.scenarios.profiled import ECHO, POISONED, needs_cgroups, nothing_left, plan_of, processes_naming


@pytest.mark.parametrize("name", POISONED)
async def test_a_poisoned_model_fails_with_the_reason_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    needs_cgroups()
    script, reason = POISONED[name]
    with nothing_left(tmp_path):
        timeout_s = 3.0 if "fork" in name else 20.0  # a bomb is never ready; others may be slow on a busy machine
        result = await profile(plan_of(tmp_path, script, start_timeout_s=timeout_s))
    assert result.state is ProfileState.FAILED
    assert reason in (result.error or "")
    assert result.recommended_cpu is None
    if name.startswith("error"):
        assert any("no weights" in line or "bad row" in line for line in result.log_tail)


async def test_without_cgroups_what_escaped_into_other_sessions_is_ended_too(tmp_path: Path) -> None:
    script = (
        "import os, time\n"
        "def init():\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork(): os._exit(0)\n"
        "        time.sleep(600)\n"
        "    b'x' * (10 * 2**30)\n"
        "def run(data): return data\n"
    )
    with nothing_left(tmp_path):
        result = await profile(plan_of(tmp_path, script, method="affinity and rlimits", cpus=(1.0,)))
    assert result.state is ProfileState.FAILED
    assert any("MemoryError" in line for line in result.log_tail)
    assert result.limits_method == "affinity and rlimits"
    assert any("RLIMIT_AS" in note for note in result.notes)


async def test_it_can_be_stopped_and_keeps_what_it_knows(tmp_path: Path) -> None:
    needs_cgroups()
    stop, said = asyncio.Event(), list[Progress]()

    def say(progress: Progress) -> None:
        said.append(progress)
        if progress.message.startswith("ready"):
            stop.set()

    known = [LoadPoint(purpose="saturation", cpu=1, memory_in_gb=0.5, total_queries=1)]
    with nothing_left(tmp_path):
        result = await profile(plan_of(tmp_path, ECHO), say, stop=stop, known=known)
    assert result.state is ProfileState.CANCELLED
    assert "cancelled after 1 measurements" in (result.error or "")
    assert result.points == known
    assert any("cgroup" in str(each) for each in said)


async def test_its_time_is_limited(tmp_path: Path) -> None:
    needs_cgroups()
    with nothing_left(tmp_path):
        result = await profile(plan_of(tmp_path, ECHO, total_timeout_s=1.0))
    assert result.state is ProfileState.TIMED_OUT
    assert "longer than 1 s" in (result.error or "")


async def test_a_cancelled_caller_leaves_nothing(tmp_path: Path) -> None:
    needs_cgroups()
    ready = asyncio.Event()

    def say(progress: Progress) -> None:
        if progress.message.startswith("ready"):
            ready.set()

    with nothing_left(tmp_path):
        task = asyncio.create_task(profile(plan_of(tmp_path, ECHO), say))
        await asyncio.wait_for(ready.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_a_killed_profile_leaves_is_ended_by_the_next_one(tmp_path: Path) -> None:
    needs_cgroups()
    script = "import os, time\ndef init(): os.fork() or time.sleep(600)\ndef run(data): return data\n"
    plan = plan_of(tmp_path, script)
    asked = ["--entry-script", str(plan.entry_script), "--sample", str(plan.sample), "--target-rps", "5"]
    command = [sys.executable, "-m", "shared.profiling", *asked, "--p99-ms", "500"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    async for line in process.stderr:
        if b"ready after" in line:
            break
    process.kill()
    await process.wait()
    assert processes_naming(tmp_path) != []
    with nothing_left(tmp_path):
        gone = await sweep()
    assert any(f"-{process.pid}-" in name for name in gone)
    assert await sweep() == []


def points_before_verification(cpu: float, p99_ms: float, rate_rps: float, peak_gb: float) -> list[LoadPoint]:
    """What a profile knows when only the memory is to be verified: the smallest CPU meets the target."""
    common = {"cpu": cpu, "memory_in_gb": 0.5, "total_queries": 300, "success_queries": 300}
    common |= {"peak_memory_in_gb": peak_gb, "utilized_cpu": 0.2}
    saturation = LoadPoint(purpose="saturation", measured_queries_per_second=2_000, **common)
    target = LoadPoint(
        purpose="target", offered_queries_per_second=rate_rps, latency_percentile_99_in_ms=p99_ms / 4, **common
    )
    curve = target.model_copy(update={"purpose": "curve", "offered_queries_per_second": rate_rps * 2})
    return [saturation, target, target, target, *[curve] * CURVE_POINTS]


async def test_it_goes_on_from_what_is_known_and_verifies_the_memory_on_a_fresh_server(tmp_path: Path) -> None:
    needs_cgroups()
    plan = plan_of(tmp_path, cpus=(1.0,), p99_ms=400.0)
    known = points_before_verification(1.0, 400.0, plan.target.demand_rps, 0.09)
    with nothing_left(tmp_path):
        result = await profile(plan, known=known)
    assert (result.state, result.error) == (ProfileState.SUCCEEDED, None)
    assert (result.recommended_cpu, result.recommended_memory_in_gb) == (1.0, 0.125)
    assert result.points[:-1] == known
    made = result.points[-1]
    assert (made.purpose, made.memory_in_gb) == ("verification", 0.125)
    assert 0 < made.peak_memory_in_gb <= 0.125
    assert made.start_up_time_in_s > 0
    assert not leak_suspected([made])[0]
    assert result.total_queries == made.total_queries > 250
    assert ProfileResult.model_validate(result.as_json()) == result


def test_the_command_refuses_a_sample_that_is_none(tmp_path: Path) -> None:
    sample = tmp_path / "rows.jsonl"
    sample.write_text('{"data": 1}\n{"data":\n')
    asked = ["--model", "examples/diabetes", "--sample", str(sample), "--target-rps", "5", "--p99-ms", "5"]
    done = subprocess.run([sys.executable, "-m", "shared.profiling", *asked], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "rows.jsonl:2" in done.stderr


LEAKING = "kept = []\ndef init(): pass\ndef run(data): kept.append(bytearray(b'x' * 50_000)); return 1\n"


async def test_memory_that_grows_with_every_request_is_noticed(tmp_path: Path) -> None:
    needs_cgroups()
    plan, cores = plan_of(tmp_path, LEAKING), divided_cores()
    probe = Probe(read_samples(plan.sample), plan.path, 5.0, cores.generator, seed=1)
    async with serving(ServerPlan(None, plan.entry_script, cores=cores.server), Limits(1, GB)) as server:
        point = await probe.measure(server, Measure("target", 1, 1, 200.0), 0)
    suspected, growth = leak_suspected([point])
    assert suspected
    assert 25_000 < growth < 100_000


WORKING = "import time\ndef init(): pass\ndef run(data):\n    end = time.thread_time() + {work_s}\n"
WORKING += "    while time.thread_time() < end: pass\n    return 1\n"
HOLDING = "held = []\ndef init(): held.append(b'x' * (150 * 2**20))\ndef run(data): return sum(range(40_000))\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("script", "target_rps", "p99_ms"),
    [(None, 1_500.0, 60.0), (WORKING.format(work_s=0.004), 70.0, 120.0), (HOLDING, 200.0, 120.0)],
    ids=["example", "4 ms of work", "150 MB held"],
)
async def test_a_recommendation_is_enough_and_half_of_it_is_not(
    tmp_path: Path, script: str | None, target_rps: float, p99_ms: float
) -> None:
    needs_cgroups()
    cpus = (0.0625, 0.125, 0.25, 0.5, 1.0)
    plan = plan_of(tmp_path, script, target_rps=target_rps, p99_ms=p99_ms, cpus=cpus, start_timeout_s=60.0)
    result = await profile(plan, lambda progress: print(progress))
    assert result.proven, result.error
    assert result.recommended_cpu is not None
    assert result.recommended_memory_in_gb is not None
    cpu, memory_gb = result.recommended_cpu, result.recommended_memory_in_gb
    delay_ms = result.recommended_batch_delay_in_ms or 0.0
    used = ServerSettings(result.recommended_threads or 0, result.recommended_max_batch_rows or 0, delay_ms)
    assert await deployed(plan, used, [(cpu, memory_gb), (cpu / 2, memory_gb / 2)]) == [Verdict.MEETS, Verdict.FAILS]


async def deployed(plan: ProfilePlan, used: ServerSettings, limits: list[tuple[float, float]]) -> list[Verdict]:
    """Whether servers with exactly these limits of CPU and memory meet the target at the target's own rate, in rounds:
    what the machine does meanwhile happens to all of them."""
    points: list[list[LoadPoint]] = [[] for _ in limits]
    while Verdict.OPEN in (found := [verdict(plan.target, of_one) for of_one in points]):
        for place, (cpu, memory_gb) in enumerate(limits):
            if found[place] is Verdict.OPEN:
                points[place].append(
                    await measured(
                        plan, Measure("verification", cpu, memory_gb, plan.target_rps, used), len(points[place])
                    )
                )
                print(points[place][-1])
    return found


async def measured(plan: ProfilePlan, step: Measure, number: int) -> LoadPoint:
    """The measurement on a fresh server."""
    cores, timeout_s = divided_cores(), plan.start_timeout_s
    server_plan = ServerPlan(
        plan.model, plan.entry_script, start_timeout_s=timeout_s, cores=cores.server, settings=step.settings
    )
    probe = Probe(read_samples(plan.sample), plan.path, plan.request_timeout_s, cores.generator, seed=99)
    try:
        async with serving(server_plan, Limits(step.cpu, round(step.memory_gb * GB))) as server:
            await probe.warm_up(server)
            return await probe.measure(server, step, number)
    except ServerFailed as error:
        common = {"purpose": step.purpose, "cpu": step.cpu, "memory_in_gb": step.memory_gb}
        return LoadPoint(problem=str(error), **common)
