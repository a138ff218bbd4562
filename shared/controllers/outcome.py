"""What a controller gets and gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from shared.commit import Committer, TransactionalStore
from shared.events.types import EventDraft
from shared.git_hosts import GitHosts
from shared.inspection.inspector import Inspector
from shared.ports import (
    ArtifactStore,
    Clock,
    DeploymentTarget,
    EndpointCredentialStore,
    EnvironmentBuilder,
    EventSubscriptions,
    ImageBuilder,
    ImageDigests,
    ModelOptimizer,
    ModelProfiler,
    ModelSource,
    MonitorRunner,
    Notifier,
    UploadArea,
    WorkQueue,
)
from shared.registry.garbage import GarbageCollector
from shared.registry.labels import Labels
from shared.registry.lifecycle import Lifecycle
from shared.registry.models import Registry
from shared.registry.policies import Policies
from shared.registry.runs import Runs
from shared.resources.base import Cause, Resource, ResourceKey, Status
from shared.resources.notification import NotifierDeclaration
from shared.settings import Settings

P = TypeVar("P", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Deps:
    """The world, as controllers and REST see it."""

    settings: Settings
    store: TransactionalStore
    committer: Committer
    registry: Registry
    uploads: UploadArea
    artifacts: ArtifactStore
    queue: WorkQueue
    subscriptions: EventSubscriptions
    clock: Clock
    policies: Policies
    labels: Labels
    lifecycle: Lifecycle
    runs: Runs
    inspector: Inspector
    garbage: GarbageCollector
    git: GitHosts
    environments: EnvironmentBuilder
    images: ImageBuilder
    image_digests: ImageDigests
    profiler: ModelProfiler
    optimizer: ModelOptimizer
    monitor_runner: MonitorRunner
    open_notifier: Callable[[NotifierDeclaration], Notifier]
    target: DeploymentTarget
    credentials: EndpointCredentialStore
    # Where a URI's files are, at most so many bytes; Invalid for one that is not accepted.
    open_source: Callable[[str, int], ModelSource]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is so after one look."""

    status: Status  # the whole new status
    events: tuple[EventDraft, ...] = ()  # announced with it
    unfinished: bool = False  # whether there is more to do
    look_again_after_s: float | None = None  # when, unless something wakes it earlier; 0: at once, in the same call


@dataclass(frozen=True, slots=True)
class Controller:
    """How one kind becomes what it was declared to be."""

    reconcile: Callable[[Resource, Deps, Cause], Awaitable[Outcome]]  # one look, one step
    stalled_phase: Callable[[str], str]  # the phase of a resource that is put aside while it is in the given one
    redriven: Callable[[Resource, Deps], Resource]  # a resource that was put aside or failed, as it is looked at again
    subject: Callable[[ResourceKey], str]  # the subject of events about the resource
    is_slow: bool = False  # it works without the lock on its partition, and once more if the resource changed meanwhile


def work_controller(
    reconcile: Callable[[Resource, Deps, Cause], Awaitable[Outcome]],
    anew: type[Status],
    transitions: Mapping[P, Collection[P]],
    failed: P,
    path: str,
) -> Controller:
    """The controller of long work on a model: put aside it has failed, where that may come next; re-driven it begins
    anew; events call it PATH/NAME."""

    def stalled_phase(phase: str) -> str:
        now = type(failed)(phase or anew().phase)
        return failed if failed in transitions[now] else now

    def redriven(resource: Resource, deps: Deps) -> Resource:
        return resource.model_copy(update={"status": anew().model_dump(mode="json"), "unfinished": True})

    return Controller(reconcile, stalled_phase, redriven, lambda key: f"{path}/{key.name}", is_slow=True)
