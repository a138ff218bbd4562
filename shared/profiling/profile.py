"""A whole profile: starts servers under limits, makes the measurements that the search asks for, tells the result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from math import ceil

from shared.errors import SlipwayError
from shared.profiling.cgroups import Limits
from shared.profiling.leftovers import sweep
from shared.profiling.limits import best_method
from shared.profiling.plan import Cores, ProfilePlan, divided_cores, grid_of
from shared.profiling.prices import PriceTable
from shared.profiling.probe import GB, Probe
from shared.profiling.report import Findings, result_of
from shared.profiling.samples import Samples, read_samples
from shared.profiling.search import Measure, Recommendation, decide
from shared.profiling.server import Server, ServerFailed, ServerPlan, serving
from shared.profiling.server_settings import DEFAULT, ServerSettings
from shared.resources.profile import LoadPoint, ProfileResult, ProfileState


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that happened. `point` is the measurement that was just made, None for anything else."""

    message: str
    elapsed_s: float
    point: LoadPoint | None = None

    def __str__(self) -> str:
        return f"{self.elapsed_s:5.1f} s  {self.message}"


Say = Callable[[Progress], None]


async def profile(
    plan: ProfilePlan,
    say: Say = lambda progress: None,
    *,
    known: Sequence[LoadPoint] = (),
    stop: asyncio.Event | None = None,
    prices: PriceTable | None = None,
) -> ProfileResult:
    """The result in a final state. A model that can't be measured gives Failed with the server's log; `stop` gives
    Cancelled and the plan's time limit TimedOut, with what was measured until then. `known` are points of an earlier
    profile of the same plan, which goes on from them. Nothing of the server is left, also when the caller is
    cancelled. Raises Invalid for a plan or samples that are wrong and NotSupported where nothing can be limited, both
    before anything starts."""
    plan.check()
    samples = read_samples(plan.sample)
    await sweep()
    cores, method = divided_cores(), plan.method or best_method()
    grid, notes = grid_of(plan, cores, method)
    findings = Findings(plan, grid, method, [*notes, *filter(None, [cores.note])], list(known))
    work = asyncio.get_running_loop().create_task(_Work(findings, samples, cores, say).run())
    stopping = asyncio.get_running_loop().create_task((stop or asyncio.Event()).wait())
    try:
        await asyncio.wait({work, stopping}, timeout=plan.total_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            findings.state = ProfileState.CANCELLED if stopping.done() else ProfileState.TIMED_OUT
    finally:
        stopping.cancel()
        work.cancel()
        await asyncio.wait({work})  # until its server has ended
    if not work.cancelled():
        work.result()
    return result_of(findings, prices)


class _Work:
    """The running profile."""

    def __init__(self, findings: Findings, samples: Samples, cores: Cores, say: Say) -> None:
        plan = findings.plan
        self._findings = findings
        self._plan = plan
        self._server_plan = ServerPlan(
            plan.model,
            plan.entry_script,
            plan.python,
            plan.environ,
            plan.start_timeout_s,
            cores.server,
            findings.method,
        )
        self._probe = Probe(samples, plan.path, plan.request_timeout_s, cores.generator, plan.seed)
        self._say = say
        self._began_s = time.perf_counter()
        self._stack = AsyncExitStack()
        self._server: Server | None = None
        self._under = Limits(0, 0)  # what the server was started for
        self._settings = DEFAULT  # what it was started with

    async def run(self) -> None:
        """Until there is a recommendation or a reason why there is none; both are in the findings then."""
        findings = self._findings
        findings.state = ProfileState.RUNNING
        async with self._stack:
            try:
                while isinstance(step := decide(self._plan.target, findings.grid, findings.points), Measure):
                    await self._measure(step)
                findings.recommendation = step
                findings.state = ProfileState.SUCCEEDED
                self._tell(_told(step))
            except SlipwayError as error:
                findings.state = ProfileState.FAILED
                findings.error = error.message
                self._tell(f"failed: {error.message}")
            finally:
                if self._server is not None:
                    findings.log_tail = self._server.log_tail

    async def _measure(self, step: Measure) -> None:
        points = self._findings.points
        try:
            server = await self._server_for(step)
            point = await self._probe.measure(server, step, len(points))
            if point.problem and step.purpose != "verification":
                raise server.failure(f"the server did not stand the load ({step.purpose})")
        except ServerFailed as error:
            self._findings.log_tail = error.log_tail
            if step.purpose != "verification":
                raise
            point = LoadPoint(
                purpose=step.purpose,
                cpu=step.cpu,
                memory_in_gb=step.memory_gb,
                threads=step.settings.threads,
                max_batch_rows=step.settings.max_batch_rows,
                batch_delay_in_ms=step.settings.batch_delay_ms,
                offered_queries_per_second=step.rate_rps,
                problem=error.message,
            )
        points.append(point)
        self._tell(_described(point), point)
        if point.problem:
            await self._close()
        elif point.overloaded:
            await self._drain(server)

    async def _server_for(self, step: Measure) -> Server:
        """The server that runs, with this step's CPU, or a fresh one where that would not be the same."""
        limits = Limits(step.cpu, round(step.memory_gb * GB))
        server = self._server
        same = (
            server is not None
            and step.purpose != "verification"
            and self._settings == step.settings
            and self._under.memory_bytes == limits.memory_bytes
            and ceil(self._under.cpu) == ceil(limits.cpu)  # its number of threads
            and (server.running.limits_cpu or self._under.cpu == limits.cpu)
        )
        if server is None or not same:
            return await self._fresh(limits, step.settings)
        if server.running.limits.cpu != step.cpu:
            server.running.set_cpu(step.cpu)
        return server

    async def _fresh(self, limits: Limits, settings: ServerSettings) -> Server:
        await self._close()
        self._tell(f"starting the server with {limits.cpu:g} CPU and {limits.memory_bytes / GB:.3g} GB")
        server = await self._stack.enter_async_context(serving(replace(self._server_plan, settings=settings), limits))
        self._server, self._under, self._settings = server, limits, settings
        self._tell(f"ready after {server.start_s:.2f} s, limited by {server.running.method}")
        await self._usable(server)
        if not await self._probe.warm_up(server):
            note = "the server's speed did not become steady while it was warmed up"
            self._findings.notes += [note] if note not in self._findings.notes else []
        return server

    async def _usable(self, server: Server) -> None:
        """Raises ServerFailed when it does not answer a sample with success."""
        if problem := await self._probe.first(server):
            raise ServerFailed(f"the model does not answer: {problem}", server.log_tail)

    async def _drain(self, server: Server) -> None:
        """Let an overloaded server work off its queue with all the CPU it was started for; a fresh one takes its place
        when it does not get to the end."""
        if server.running.limits_cpu:
            server.running.set_cpu(self._under.cpu)
        if await self._probe.first(server):
            await self._close()

    async def _close(self) -> None:
        await self._stack.aclose()
        self._server = None

    def _tell(self, message: str, point: LoadPoint | None = None) -> None:
        self._say(Progress(message, time.perf_counter() - self._began_s, point))


def _described(point: LoadPoint) -> str:
    what = f"{point.purpose}: {point.cpu:g} CPU, {point.memory_in_gb:.3g} GB"
    if point.purpose == "settings":
        threads = f", {point.threads} threads" if point.threads else ""
        what += f"{threads}, batches of {point.max_batch_rows} after {point.batch_delay_in_ms:g} ms"
    if point.problem:
        return f"{what}: {point.problem}"
    latency = f"p99 {point.latency_percentile_99_in_ms:.1f} ms" + (", overloaded" if point.overloaded else "")
    if not point.offered_queries_per_second:
        return f"{what}: {point.measured_queries_per_second:.0f}/s, {latency}"
    late = f", generator late by {point.lateness_percentile_99_in_ms:.1f} ms"
    if point.purpose == "settings":
        latency += f", {point.utilized_cpu:.3f} CPU used"
    return f"{what} at {point.offered_queries_per_second:g}/s: {latency}{late}"


def _told(found: Recommendation) -> str:
    if found.cpu is None:
        return f"no recommendation: {found.error}"
    proof = "" if found.proven else " (not proven)"
    return f"recommended: {found.cpu:g} CPU and {found.memory_gb:g} GB{proof}"
