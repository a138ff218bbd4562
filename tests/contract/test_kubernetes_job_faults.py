"""Jobs on a cluster that fails at any moment: each runs once, ends the same, and nothing is left over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import web

from shared.adapters.kubernetes.connections import KubeconfigConnection
from shared.adapters.kubernetes.job_runner import KubernetesJobRunner
from shared.adapters.kubernetes.target import KubernetesTarget
from shared.errors import Invalid, Retryable
from shared.ports import JobPhase, JobProgress, JobReason
from tests.contract.job_places import Place, kubernetes_place
from tests.contract.test_job_runner import ended, seen
from tests.doubles.kubernetes import NAMESPACE, status_answer
from tests.doubles.kubernetes_faults import TIMEOUT_S, Faults
from tests.unit.kubernetes.samples import cluster

T = TypeVar("T")
WITHIN_S = 120.0


async def again(call: Callable[[], Awaitable[T]]) -> T:
    """Tried again as the queue does."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                return await call()
            except Retryable:
                continue


async def run_to_end(place: Place, name: str, code: str, *, cancel: bool) -> JobProgress:
    """What a job comes to, and then it is removed."""
    runner = place.runner
    spec = place.python(name, code, files={"in.txt": b"in"}, stop_timeout_s=1)
    await again(lambda: runner.start(spec))
    while not (found := await again(lambda: runner.look(name))).has_ended:
        if cancel and "begun" in found.log:
            await again(lambda: runner.cancel(name))
        await asyncio.sleep(0.02)
    await again(lambda: runner.remove(name))
    return found


async def ran(folder: Path, share: float, seed: int) -> tuple[list[JobProgress], Counter[str]]:
    async with kubernetes_place(folder) as place:
        assert place.double is not None
        if share:
            connection = KubeconfigConnection(str(folder / "kubeconfig"), "", NAMESPACE, TIMEOUT_S)
            place.runner = KubernetesJobRunner(cluster(), connection)
        faults = Faults(share, seed).of(place.double)
        found = await asyncio.gather(
            run_to_end(place, "good", "print('begun')", cancel=False),
            run_to_end(place, "bad", "print('begun'); raise SystemExit(3)", cancel=False),
            run_to_end(place, "unwanted", "import time; print('begun'); time.sleep(600)", cancel=True),
        )
        await place.double.jobs.step()  # type: ignore[union-attr] - the garbage collector
        assert place.left() == []
        return found, faults.counts


async def test_jobs_end_the_same_with_faults_at_random_moments(tmp_path: Path) -> None:
    calm, none = await ran(tmp_path, 0, 0)
    assert not none
    assert [one.phase for one in calm] == [JobPhase.SUCCEEDED, JobPhase.FAILED, JobPhase.CANCELED]
    assert [one.log for one in calm] == ["begun\n"] * 3  # each ran once
    counts: Counter[str] = Counter()
    for seed in range(3):
        (folder := tmp_path / str(seed)).mkdir()
        stormy, found = await ran(folder, 0.1, seed)
        counts += found
        assert stormy == calm, (seed, found)
    assert len(counts) >= 5, counts


async def test_a_cluster_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    async with kubernetes_place(tmp_path) as place:
        assert place.double is not None
        spec = place.python("job", "print('begun')")
        for code in (409, 429, 500, 504):

            async def refused(_request: web.Request, code: int = code) -> web.Response:
                return status_answer(code, "Reason", "try again")

            place.double.before = refused
            for call in (place.runner.start(spec), place.runner.look("job"), place.runner.cancel("job")):
                with pytest.raises(Retryable, match="try again"):
                    await call


async def test_what_waits_for_people_says_so_and_can_be_canceled(tmp_path: Path) -> None:
    async with kubernetes_place(tmp_path) as place:
        for name, image, reason in (
            ("pull", "registry.example/missing", JobReason.IMAGE_NOT_PULLED),
            ("node", "registry.example/pending", JobReason.UNSCHEDULABLE),
        ):
            await place.runner.start(place.python(name, "print('begun')", image=image))
            found = await seen(place, name, lambda found: found.reason != "")
            assert (found.phase, found.reason) == (JobPhase.PENDING, reason)
            assert found.message
            await place.runner.cancel(name)
            assert (await ended(place, name)).phase is JobPhase.CANCELED


async def test_somebody_elses_job_is_left_alone_and_endpoints_leave_jobs_alone(tmp_path: Path) -> None:
    async with kubernetes_place(tmp_path) as place:
        assert place.double is not None
        spec = place.python("mine", "print('begun')", files={"a": b"b"})
        await place.runner.start(spec)
        await ended(place, "mine")
        target = KubernetesTarget(cluster(), KubeconfigConnection(str(tmp_path / "kubeconfig"), "", NAMESPACE))
        assert await target.keep_only(frozenset()) == ()
        (name,) = place.double.names("jobs")
        assert place.double.names("configmaps") == [name]
        other = KubernetesJobRunner(
            cluster(owner="other"), KubeconfigConnection(str(tmp_path / "kubeconfig"), "", NAMESPACE)
        )
        with pytest.raises(Invalid, match="is not other's"):
            await other.start(place.python("mine", "print('something else')"))


async def test_ended_jobs_are_kept_for_their_time(tmp_path: Path) -> None:
    async with kubernetes_place(tmp_path) as place:
        assert place.double is not None
        assert place.double.jobs is not None
        await place.runner.start(place.python("old", "print('begun')"))
        await ended(place, "old")
        place.double.edit("jobs", *place.double.names("jobs"), {"spec": {"ttlSecondsAfterFinished": 0}})
        await asyncio.sleep(0)
        async with asyncio.timeout(WITHIN_S):
            while place.left():
                await place.double.jobs.step()
                await asyncio.sleep(0.01)
