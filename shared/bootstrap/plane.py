"""What the functions call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

from shared import telemetry
from shared.collection_intake import CollectionIntake
from shared.config_intake import ConfigIntake
from shared.controllers.loop import Loop
from shared.controllers.outcome import Deps
from shared.controllers.overdue import enqueue_overdue
from shared.controllers.table import CONTROLLERS
from shared.datasets.versions import DataVersions
from shared.deployments.endpoint_keys import EndpointKeys
from shared.deployments.rollback import Rollback
from shared.deployments.rollouts import Rollouts
from shared.environments.bases import BaseImages
from shared.environments.versions import EnvironmentVersions
from shared.errors import SlipwayError
from shared.events.wire import from_wire
from shared.git_intake import GitIntake
from shared.image_intake import ImageIntake
from shared.intake import Intake
from shared.leases import Leases
from shared.packaging.collection_windows import CollectionWindows
from shared.packaging.image_garbage import ImageGarbage
from shared.packaging.images import Images
from shared.packaging.monitor_backfills import MonitorBackfills
from shared.packaging.monitor_runs import MonitorRuns
from shared.packaging.monitor_schedules import MonitorSchedules
from shared.packaging.optimizations import Optimizations
from shared.packaging.profiles import Profiles
from shared.packaging.window_garbage import WindowGarbage
from shared.ports import (
    ResourceQuery,
    WorkMessage,
)
from shared.reactions import reactions_to
from shared.registry.garbage import Collection
from shared.resources.base import Cause
from shared.resources.events import Event
from shared.resources.online_endpoint import KIND as ONLINE_ENDPOINT

SWEEP_LEASE_S = 60.0
SWEEP_LIMIT = 500


def handled(function: str, event: Event) -> AbstractContextManager[None]:
    """The span of an event that came to a function: below the one that published it."""
    telemetry.count(telemetry.EVENTS_HANDLED, type=event.type)
    return telemetry.span(function, event.traceparent, **{"slipway.event": event.id, "slipway.subject": event.subject})


@contextmanager
def carrying_on(failed: list[SlipwayError]) -> Iterator[None]:
    """An error within ends the context and is added to `failed`."""
    try:
        yield
    except SlipwayError as error:
        failed.append(error)


class ControlPlane:
    """Everything a function may ask for, one call each."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps
        self.loop = Loop(deps)
        self.config_intake = ConfigIntake(deps, self.loop)
        windows = CollectionWindows(deps.store, deps.committer, deps.clock, deps.settings)
        self.collection_intake = CollectionIntake(windows, self.loop)
        self.intake = Intake(deps, self.loop, self.config_intake, self.collection_intake)
        self.git_intake = GitIntake(deps, self.loop)
        self.data = DataVersions(deps.store, deps.committer, deps.artifacts)
        self.environments = EnvironmentVersions(deps.store, deps.committer, deps.artifacts)
        self.base_images = BaseImages(self.environments, deps.image_digests)
        self.images = Images(deps.store, deps.committer, deps.registry, self.environments, deps.images)
        self.image_garbage = ImageGarbage(
            deps.store, deps.committer, deps.images, deps.clock, retention_s=deps.settings.artifact_retention_s
        )
        self.profiles = Profiles(deps.store, deps.committer, deps.registry, self.environments, deps.artifacts)
        self.optimizations = Optimizations(deps.store, deps.committer, deps.registry, deps.artifacts)
        self.window_garbage = WindowGarbage(
            deps.store, deps.committer, deps.clock, retention_s=deps.settings.window_sketch_retention_s
        )
        self.monitor_runs = MonitorRuns(deps.store, deps.committer, deps.clock)
        self.monitor_backfills = MonitorBackfills(deps.store, deps.clock, self.monitor_runs)
        self.monitor_schedules = MonitorSchedules(deps.store, deps.committer, deps.clock, self.monitor_runs)
        self.rollouts = Rollouts(deps.store, deps.committer)
        self.rollback = Rollback(deps.store, deps.committer, deps.queue, self.rollouts)
        self.endpoint_keys = EndpointKeys(deps.credentials, deps.committer, deps.queue)
        self.image_intake = ImageIntake(deps, self.loop, self.environments)
        self.leases = Leases(deps.store, deps.clock, deps.settings.instance_id)

    async def storage_event(self, document: Mapping[str, Any]) -> None:
        """A storage event arrived (Event Grid or CloudEvents form). Raises BadRequest for something else."""
        event = from_wire(dict(document))
        with handled("storage_event", event):
            await self.intake.blob_created(event)

    async def lifecycle_event(self, document: Mapping[str, Any]) -> None:
        """One of Slipway's own events arrived: the resources that react to it are queued."""
        event = from_wire(dict(document))
        with handled("lifecycle_event", event):
            for key in reactions_to(event):
                await self.loop.enqueue(WorkMessage(key))

    async def container_registry_event(self, document: Mapping[str, Any]) -> None:
        """A container registry's event arrived. Raises BadRequest for something else."""
        event = from_wire(dict(document))
        with handled("container_registry_event", event):
            await self.image_intake.image_pushed(event)

    async def sweep_outbox(self) -> int:
        """Publish what was committed a while ago and never acknowledged; how many events were sent."""
        async with self.leases.turn("sweep_outbox", duration_s=SWEEP_LEASE_S) as is_ours:
            if not is_ours:
                return 0
            before = self.deps.clock.now() - timedelta(seconds=self.deps.settings.outbox_grace_s)
            owed = await self.deps.store.unacknowledged(before=before, limit=SWEEP_LIMIT)
            oldest = min((record.event.time for record in owed), default=before)
            telemetry.record(telemetry.OUTBOX_AGE, (before - oldest).total_seconds())
            return len(owed) if await self.deps.committer.publish(owed) else 0

    async def look_again(self) -> int:
        """Queue every unfinished resource whose time has come; how many there were."""
        async with self.leases.turn("look_again", duration_s=SWEEP_LEASE_S) as is_ours:
            return await self._look_again() if is_ours else 0

    async def _look_again(self) -> int:
        """Every part, whatever fails of the others; then the first error is raised."""
        cause = Cause(actor="look_again", type="timer", id="look_again")
        count, failed = 0, list[SlipwayError]()
        with carrying_on(failed):
            await self.intake.take_up(cause)
        with carrying_on(failed):
            await self.config_intake.take_up(cause)
        with carrying_on(failed):
            count = await enqueue_overdue(self.loop, self.deps, sorted(CONTROLLERS))
        with carrying_on(failed):  # last: a cluster may take long not to answer
            await self._prune_endpoints()
        if failed:
            raise failed[0]
        return count

    async def start_monitor_runs(self) -> int:
        """Begin the runs of monitors that are due by their triggers; how many there were."""
        if not await self.leases.acquire("start_monitor_runs", duration_s=SWEEP_LEASE_S):
            return 0
        cause = Cause(actor="start_monitor_runs", type="timer", id="start_monitor_runs")
        begun = await self.monitor_schedules.start_due(cause)
        for run in begun:
            await self.loop.enqueue(WorkMessage(run.key))
        return len(begun)

    async def _prune_endpoints(self) -> None:
        """What runs for an endpoint that was deleted goes."""
        names: set[str] = set()
        before = self.deps.clock.now()
        after: str | None = None
        while True:
            page = await self.deps.store.list_resources(ResourceQuery(ONLINE_ENDPOINT, limit=500, after=after))
            names |= {one.name for one in page.items}
            after = page.continuation
            if after is None:
                break
        await self.deps.target.keep_only(frozenset(names))
        await self.deps.credentials.keep_only(frozenset(names), before)

    async def collect_garbage(self) -> Collection | None:
        """Delete stored files that nothing refers to; what was done, None when it is done already."""
        async with self.leases.turn("collect_garbage", duration_s=SWEEP_LEASE_S) as is_ours:
            if not is_ours:
                return None
            await self.image_garbage.collect()
            await self.image_intake.collect_environments()
            await self.window_garbage.collect()
            return await self.deps.garbage.collect()

    async def expire_staged(self) -> int:
        """Delete staged files nobody registered; how many."""
        async with self.leases.turn("expire_staged", duration_s=SWEEP_LEASE_S) as is_ours:
            return await self.intake.expire_staged() if is_ours else 0
