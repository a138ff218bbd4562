"""What it costs to look at deployments that are as they are declared: time, and writes."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shared.adapters.local.clock import ManualClock
from shared.adapters.local.endpoint_processes import stop_all
from shared.bootstrap import ControlPlane
from shared.controllers.loop import RENEW_S, Loop
from shared.ports import RecordQuery, ResourceQuery
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.benchmarks.report import BUILD, Result, Table, percentile, spread
from tests.doubles.kept_queue import KeptQueue
from tests.plane import CAUSE, make_plane
from tests.scenarios.test_endpoints import ENDPOINT, base, deployment
from tests.scenarios.test_environments import SOURCE

GOAL_S = 5.0
ENDPOINTS = 4
AT_ONCE = 16  # messages, as a function host takes them
SETTLE_S = 600.0


@dataclass
class Fleet:
    """Endpoints whose deployments have no instances: everything of a look is real, but the servers' memory."""

    plane: ControlPlane
    loop: Loop
    queue: KeptQueue

    @classmethod
    async def declared(cls, folder: Path, count: int) -> Fleet:
        """As many deployments, each as it is declared, and the newest message of each."""
        queue: Any = KeptQueue()
        made = make_plane(folder)
        deps = replace(made.deps, queue=queue)
        fleet = cls(ControlPlane(deps), Loop(deps), queue)
        files: dict[str, str | bytes] = {name: text for name, text in base().items() if name != "endpoint.yml"}
        for number in range(ENDPOINTS):
            files[f"e{number}/endpoint.yml"] = ENDPOINT.replace("name: live", f"name: live{number}")
        for number in range(count):
            text = deployment(f"d{number}").replace("name: live", f"name: live{number % ENDPOINTS}")
            files[f"d{number}.yml"] = text.replace("instance_count: 1", "instance_count: 0")
        tree = SourceTree({path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()})
        for outcome in await apply_tree(tree, None, SOURCE, deps, CAUSE):
            assert outcome.result != "refused", outcome
        await fleet._settle(count)
        return fleet

    async def _settle(self, count: int) -> None:
        deadline = time.monotonic() + SETTLE_S
        while await self._succeeded() < count + ENDPOINTS:
            assert time.monotonic() < deadline, "the deployments are not as declared in time"
            for kind in ("environment", "environment-build", "online-endpoint", "online-deployment"):
                await self._look_at(self.loop, kind)
            await asyncio.sleep(0.1)
        self.queue.taken()
        clock: Any = ManualClock(self.plane.deps.clock.now())
        clock.advance(2 * RENEW_S)  # every chain begins anew, so that none has to while it is measured
        late = Loop(replace(self.plane.deps, clock=clock))
        for kind in ("online-endpoint", "online-deployment"):
            await self._look_at(late, kind)

    async def _succeeded(self) -> int:
        found = [*await self.listed("online-deployment"), *await self.listed("online-endpoint")]
        return sum(one.get("phase") == "Succeeded" for one in found)

    async def _look_at(self, loop: Loop, kind: str) -> None:
        versions: Any = "versions" if kind == "environment" else "heads"
        page = await self.plane.deps.store.list_resources(ResourceQuery(kind, versions=versions, limit=1000))
        await asyncio.gather(*(loop.look_at(one.key, CAUSE) for one in page.items if one.unfinished))

    async def listed(self, kind: str) -> list[dict[str, Any]]:
        """The status of each resource of a kind, at most 1,000."""
        page = await self.plane.deps.store.list_resources(ResourceQuery(kind, limit=1000))
        return [one.status for one in page.items]

    async def writes(self) -> int:
        """How many there were so far."""
        count, after = 0, None
        while True:
            page = await self.plane.deps.store.list_history(RecordQuery(limit=1000, after=after))
            count, after = count + len(page.items), page.continuation
            if after is None:
                return count

    async def look(self) -> float:
        """One look at everything, as its messages ask for it; how long that took in seconds."""
        bodies, began_s = self.queue.taken(), time.perf_counter()
        places = asyncio.Semaphore(AT_ONCE)

        async def work(body: str) -> None:
            async with places:
                await self.loop.work(body, "m")

        await asyncio.gather(*(work(body) for body in bodies))
        return time.perf_counter() - began_s


async def measure(quick: bool) -> Result:
    """Rounds of looks at all of them."""
    BUILD.mkdir(parents=True, exist_ok=True)
    count, rounds = (100, 3) if quick else (1000, 10)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="reconcile-") as name:
        folder = Path(name) / "data"
        try:
            fleet = await Fleet.declared(folder, count)
            before = await fleet.writes()
            seconds = [await fleet.look() for _ in range(rounds)]
            written = await fleet.writes() - before
        finally:
            await stop_all(folder / "endpoints")
    table = Table(
        f"Looks at {count} deployments of {ENDPOINTS} endpoints that are as declared",
        ("one look at all, s", "ms each", f"writes in {rounds} looks"),
        [(spread(seconds, ".2f"), f"{percentile(seconds, 0.5) / count * 1000:.2f}", str(written))],
        f"Goal for 1,000: under {GOAL_S:g} s and no write.",
    )
    return Result("reconcile", [table], {"seconds": seconds, "writes": written})
