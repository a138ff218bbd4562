"""A control plane on given adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.bootstrap.openers import git_remote, git_reporter, image_digests, notifier_opener, source_opener
from shared.bootstrap.plane import ControlPlane
from shared.commit import Committer, TransactionalStore
from shared.controllers.outcome import Deps
from shared.git_hosts import GitHosts
from shared.inspection.inspector import Inspector
from shared.ports import (
    ArtifactInventory,
    ArtifactStore,
    Clock,
    DeploymentTarget,
    EndpointCredentialStore,
    EnvironmentBuilder,
    EventPublisher,
    EventSubscriptions,
    ImageBuilder,
    ModelOptimizer,
    ModelProfiler,
    MonitorRunner,
    UploadArea,
    WorkQueue,
)
from shared.registry.garbage import GarbageCollector
from shared.registry.labels import Labels
from shared.registry.lifecycle import Lifecycle
from shared.registry.models import Registry
from shared.registry.policies import Policies
from shared.registry.runs import Runs
from shared.settings import Settings


class InventoriedStore(ArtifactStore, ArtifactInventory, Protocol):
    """The files and what there is of them, in one adapter."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """One of each port."""

    store: TransactionalStore
    uploads: UploadArea
    artifacts: InventoriedStore
    queue: WorkQueue
    publisher: EventPublisher
    subscriptions: EventSubscriptions
    environments: EnvironmentBuilder
    images: ImageBuilder
    profiler: ModelProfiler
    optimizer: ModelOptimizer
    monitor_runner: MonitorRunner
    target: DeploymentTarget
    credentials: EndpointCredentialStore
    clock: Clock


def assemble(settings: Settings, adapters: Adapters) -> ControlPlane:
    """A control plane on these adapters."""
    store, clock = adapters.store, adapters.clock
    committer = Committer(store, adapters.publisher, clock, settings.topic, settings.event_pascal_case)
    registry = Registry(store, committer)
    uploads, artifacts, retention_s = adapters.uploads, adapters.artifacts, settings.artifact_retention_s
    return ControlPlane(
        Deps(
            settings=settings,
            store=store,
            committer=committer,
            registry=registry,
            uploads=uploads,
            artifacts=artifacts,
            queue=adapters.queue,
            subscriptions=adapters.subscriptions,
            clock=clock,
            policies=Policies(uploads),
            labels=Labels(registry, committer),
            lifecycle=Lifecycle(store, registry, committer),
            runs=Runs(store, committer, uploads, artifacts, clock, retention_s=retention_s),
            inspector=Inspector(max_file_bytes=settings.inspect_max_bytes, timeout_s=settings.inspect_timeout_s),
            garbage=GarbageCollector(store, artifacts, clock, retention_s=retention_s),
            git=GitHosts(settings.git_repositories, git_remote, git_reporter),
            environments=adapters.environments,
            images=adapters.images,
            image_digests=image_digests(settings),
            profiler=adapters.profiler,
            optimizer=adapters.optimizer,
            monitor_runner=adapters.monitor_runner,
            open_notifier=notifier_opener(clock),
            target=adapters.target,
            credentials=adapters.credentials,
            open_source=source_opener(settings),
        )
    )
