"""The one place where adapters are chosen, and what the functions call. Adapters are made at first use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from shared.adapters.local.clock import SystemClock
from shared.adapters.targets import TargetsByCompute
from shared.commit import Committer, TransactionalStore
from shared.compute_settings import load_computes
from shared.config_intake import ConfigIntake
from shared.controllers.loop import Loop, WorkMessage
from shared.controllers.outcome import Deps
from shared.controllers.table import CONTROLLERS
from shared.deployment_targets.kubernetes.login import LoginSource
from shared.deployments.endpoint_keys import EndpointKeys
from shared.deployments.rollback import Rollback
from shared.deployments.rollouts import Rollouts
from shared.environments.bases import BaseImages
from shared.environments.versions import EnvironmentVersions
from shared.errors import NotSupported
from shared.events.wire import from_wire
from shared.git_hosts import GitHosts
from shared.git_intake import GitIntake
from shared.git_settings import git_token
from shared.image_intake import ImageIntake
from shared.inspection.inspector import Inspector
from shared.intake import Intake
from shared.leases import Leases
from shared.packaging.image_garbage import ImageGarbage
from shared.packaging.images import Images
from shared.packaging.optimizations import Optimizations
from shared.packaging.profiles import Profiles
from shared.ports import (
    ArtifactInventory,
    ArtifactStore,
    Clock,
    CommitReporter,
    DeploymentTarget,
    EndpointCredentialStore,
    EnvironmentBuilder,
    EventPublisher,
    EventSubscriptions,
    GitRemote,
    ImageBuilder,
    ImageDigests,
    ModelOptimizer,
    ModelProfiler,
    ModelSource,
    ResourceQuery,
    UploadArea,
    WorkQueue,
)
from shared.reactions import reactions_to
from shared.registry.garbage import Collection, GarbageCollector
from shared.registry.labels import Labels
from shared.registry.lifecycle import Lifecycle
from shared.registry.models import Registry
from shared.registry.policies import Policies
from shared.registry.runs import Runs
from shared.resources.base import Cause
from shared.resources.compute import Compute, KubernetesCompute
from shared.resources.git_repository import GitRepository
from shared.resources.online_endpoint import KIND as ONLINE_ENDPOINT
from shared.settings import Settings, load_settings

if TYPE_CHECKING:
    from shared.adapters.registry.client import DistributionRegistry


class InventoriedStore(ArtifactStore, ArtifactInventory, Protocol):
    """What is assembled with: the files and what there is of them, in one adapter."""


SWEEP_LEASE_S = 60.0
SWEEP_LIMIT = 500


class ControlPlane:
    """Everything a function may ask for, one call each."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps
        self.loop = Loop(deps)
        self.config_intake = ConfigIntake(deps, self.loop)
        self.intake = Intake(deps, self.loop, self.config_intake)
        self.git_intake = GitIntake(deps, self.loop)
        self.environments = EnvironmentVersions(deps.store, deps.committer, deps.artifacts)
        self.base_images = BaseImages(self.environments, deps.image_digests)
        self.images = Images(deps.store, deps.committer, deps.registry, self.environments, deps.images)
        self.image_garbage = ImageGarbage(
            deps.store, deps.committer, deps.images, deps.clock, retention_s=deps.settings.artifact_retention_s
        )
        self.profiles = Profiles(deps.store, deps.committer, deps.registry, self.environments, deps.artifacts)
        self.optimizations = Optimizations(deps.store, deps.committer, deps.registry, deps.artifacts)
        self.rollouts = Rollouts(deps.store, deps.committer)
        self.rollback = Rollback(deps.store, deps.committer, deps.queue, self.rollouts)
        self.endpoint_keys = EndpointKeys(deps.credentials, deps.committer, deps.queue)
        self.image_intake = ImageIntake(deps, self.loop, self.environments)
        self.leases = Leases(deps.store, deps.clock, deps.settings.instance_id)

    async def storage_event(self, document: Mapping[str, Any]) -> None:
        """A storage event arrived (Event Grid or CloudEvents form). Raises BadRequest for something else."""
        await self.intake.blob_created(from_wire(dict(document)))

    async def lifecycle_event(self, document: Mapping[str, Any]) -> None:
        """One of Slipway's own events arrived: the resources that react to it are queued."""
        for key in reactions_to(from_wire(dict(document))):
            await self.loop.enqueue(WorkMessage(key))

    async def container_registry_event(self, document: Mapping[str, Any]) -> None:
        """A container registry's event arrived. Raises BadRequest for something else."""
        await self.image_intake.image_pushed(from_wire(dict(document)))

    async def sweep_outbox(self) -> int:
        """Publish what was committed a while ago and never acknowledged; how many events were sent."""
        if not await self.leases.acquire("sweep_outbox", duration_s=SWEEP_LEASE_S):
            return 0
        before = self.deps.clock.now() - timedelta(seconds=self.deps.settings.outbox_grace_s)
        owed = await self.deps.store.unacknowledged(before=before, limit=SWEEP_LIMIT)
        return len(owed) if await self.deps.committer.publish(owed) else 0

    async def look_again(self) -> int:
        """Queue every unfinished resource whose time has come; how many there were."""
        if not await self.leases.acquire("look_again", duration_s=SWEEP_LEASE_S):
            return 0
        cause = Cause(actor="look_again", type="timer", id="look_again")
        await self.intake.take_up(cause)
        await self.config_intake.take_up(cause)
        await self._prune_endpoints()
        return await self.loop.enqueue_overdue(sorted(CONTROLLERS))

    async def _prune_endpoints(self) -> None:
        """What runs for an endpoint that was deleted goes."""
        names: set[str] = set()
        after: str | None = None
        while True:
            page = await self.deps.store.list_resources(ResourceQuery(ONLINE_ENDPOINT, limit=500, after=after))
            names |= {one.name for one in page.items}
            after = page.continuation
            if after is None:
                break
        await self.deps.target.keep_only(frozenset(names))
        await self.deps.credentials.keep_only(frozenset(names))

    async def collect_garbage(self) -> Collection | None:
        """Delete stored files that nothing refers to; what was done, None when another host does it."""
        if not await self.leases.acquire("collect_garbage", duration_s=SWEEP_LEASE_S):
            return None
        await self.image_garbage.collect()
        await self.image_intake.collect_environments()
        return await self.deps.garbage.collect()

    async def expire_staged(self) -> int:
        """Delete staged files nobody registered; how many."""
        if not await self.leases.acquire("expire_staged", duration_s=SWEEP_LEASE_S):
            return 0
        return await self.intake.expire_staged()


@cache
def control_plane() -> ControlPlane:
    """This process's control plane, by the settings in the environment. Raises Invalid for wrong settings."""
    settings = load_settings()
    return azure_control_plane(settings) if settings.mode == "azure" else local_control_plane(settings)


def assemble(
    settings: Settings,
    store: TransactionalStore,
    uploads: UploadArea,
    artifacts: InventoriedStore,
    queue: WorkQueue,
    publisher: EventPublisher,
    subscriptions: EventSubscriptions,
    environments: EnvironmentBuilder,
    images: ImageBuilder,
    profiler: ModelProfiler,
    optimizer: ModelOptimizer,
    target: DeploymentTarget,
    credentials: EndpointCredentialStore,
    clock: Clock,
) -> ControlPlane:
    """A control plane on these adapters."""
    committer = Committer(store, publisher, clock, settings.topic, settings.event_pascal_case)
    registry = Registry(store, committer)
    return ControlPlane(
        Deps(
            settings=settings,
            store=store,
            committer=committer,
            registry=registry,
            uploads=uploads,
            artifacts=artifacts,
            queue=queue,
            subscriptions=subscriptions,
            clock=clock,
            policies=Policies(uploads),
            labels=Labels(registry, committer),
            lifecycle=Lifecycle(store, registry, committer),
            runs=Runs(store, committer, uploads, artifacts, clock, retention_s=settings.artifact_retention_s),
            inspector=Inspector(max_file_bytes=settings.inspect_max_bytes, timeout_s=settings.inspect_timeout_s),
            garbage=GarbageCollector(store, artifacts, clock, retention_s=settings.artifact_retention_s),
            git=GitHosts(settings.git_repositories, _git_remote, _git_reporter),
            environments=environments,
            images=images,
            image_digests=_image_digests(settings),
            profiler=profiler,
            optimizer=optimizer,
            target=target,
            credentials=credentials,
            open_source=_source_opener(settings, store, artifacts),
        )
    )


def _git_remote(repository: GitRepository) -> GitRemote:
    from shared.adapters.git.dulwich_remote import DulwichRemote

    return DulwichRemote(repository, lambda: git_token(repository))


def _git_reporter(repository: GitRepository) -> CommitReporter:
    from shared.adapters.git.reporters import reporter_for

    return reporter_for(repository, lambda: git_token(repository), os.environ.get("SLIPWAY_GIT_API_URL") or None)


def _image_digests(settings: Settings) -> ImageDigests:
    from shared.adapters.registry.digests import RegistryDigests

    return RegistryDigests(_image_registry, settings.base_image_timeout_s, loopback=settings.mode == "local")


def _image_registry(host: str) -> DistributionRegistry:
    from shared.adapters.registry.client import DistributionRegistry
    from shared.adapters.registry.docker_login import login_of

    # Docker Hub has its registry elsewhere than its name says.
    return DistributionRegistry({"docker.io": "registry-1.docker.io"}.get(host, host), credentials=login_of(host))


def _source_opener(
    settings: Settings, store: TransactionalStore, artifacts: ArtifactStore
) -> Callable[[str], ModelSource]:
    def open_source(uri: str) -> ModelSource:
        from shared.adapters.sources.table import open_source as choose

        return choose(uri, settings)

    return open_source


def _targets(settings: Settings, own: DeploymentTarget, aks: Callable[[str], LoginSource] | None) -> TargetsByCompute:
    """The installation's own target, and those of the computes; `aks` gives logins for clusters by ARM id."""

    def opener(compute: Compute) -> Callable[[], DeploymentTarget]:
        def open_target() -> DeploymentTarget:
            from shared.adapters.kubernetes.connections import KubeconfigConnection, LoginConnection
            from shared.adapters.kubernetes.target import KubernetesTarget

            if isinstance(compute, KubernetesCompute):
                kubeconfig = KubeconfigConnection(compute.kubeconfig, compute.context, compute.namespace)
                return KubernetesTarget(compute, kubeconfig)
            if aks is None:
                raise NotSupported(
                    f"{compute.name} is reached by an identity on Azure",
                    remedy="use `type: kubernetes` with a kubeconfig on this machine",
                )
            return KubernetesTarget(compute, LoginConnection(aks(compute.resource_id), compute.namespace))

        return open_target

    return TargetsByCompute(own, {name: opener(one) for name, one in load_computes(settings.computes).items()})


def local_control_plane(settings: Settings) -> ControlPlane:
    """Everything in one folder of this machine."""
    from shared.adapters.local.artifact_store import LocalArtifactStore
    from shared.adapters.local.container_engines import find_engine
    from shared.adapters.local.deployment_target import LocalTarget
    from shared.adapters.local.endpoint_credentials import LocalCredentials
    from shared.adapters.local.engine_environments import EngineEnvironmentBuilder
    from shared.adapters.local.environment_builder import LocalEnvironmentBuilder
    from shared.adapters.local.environments_by_need import EnvironmentsByNeed
    from shared.adapters.local.event_grid import LocalEventPublisher, open_event_grid
    from shared.adapters.local.event_subscriptions import LocalEventSubscriptions
    from shared.adapters.local.image_builder import LocalImageBuilder
    from shared.adapters.local.optimizer import LocalOptimizer
    from shared.adapters.local.profiler import LocalProfiler
    from shared.adapters.local.resource_store import open_resource_store
    from shared.adapters.local.secrets import load_secrets
    from shared.adapters.local.signing import UrlSigner
    from shared.adapters.local.upload_area import LocalUploadArea
    from shared.adapters.local.work_queue import open_work_queues

    folder, clock = settings.data_dir, SystemClock()
    signer = UrlSigner(load_secrets(folder).url_signing_key, clock)
    environments = LocalEnvironmentBuilder(folder / "environments", settings.package_index_url)
    environment_images = EngineEnvironmentBuilder(
        folder / "environment-images",
        find_engine(settings.container_engine),
        choice=settings.container_engine,
        index_url=settings.package_index_url,
    )
    grid = open_event_grid(folder / "eventgrid.db", clock)
    alone = asyncio.Lock()
    return assemble(
        settings,
        open_resource_store(folder / "slipway.db"),
        LocalUploadArea(folder, signer),
        LocalArtifactStore(folder, signer),
        open_work_queues(folder / "queue.db", clock)(settings.work_queue),
        LocalEventPublisher(grid),
        LocalEventSubscriptions(grid),
        EnvironmentsByNeed(environments, environment_images),
        LocalImageBuilder(
            folder / "images",
            _image_registry,
            base_image=settings.image_base,
            repository=settings.image_repository,
            index_url=settings.package_index_url,
        ),
        LocalProfiler(folder / "profiles", settings.package_index_url, prices=settings.profile_prices, alone=alone),
        LocalOptimizer(folder / "optimizations", environments, settings.package_index_url, alone=alone),
        _targets(settings, LocalTarget(folder / "endpoints", settings.package_index_url), None),
        LocalCredentials(folder / "endpoint-keys"),
        clock,
    )


def azure_control_plane(settings: Settings) -> ControlPlane:
    """Cosmos DB, Blob Storage, Storage Queues and Event Grid, all by identity."""
    from shared.adapters.azure.acr_images import AcrImageBuilder
    from shared.adapters.azure.acr_runs import AcrRuns
    from shared.adapters.azure.acr_tasks import AcrTasksBuilder
    from shared.adapters.azure.aks_logins import AksLogins
    from shared.adapters.azure.artifact_store import AzureArtifactStore
    from shared.adapters.azure.blob_service import open_blob_service
    from shared.adapters.azure.credentials import default_credential
    from shared.adapters.azure.event_publisher import open_event_publisher
    from shared.adapters.azure.event_subscriptions import AzureEventSubscriptions
    from shared.adapters.azure.no_credentials import NoCredentials
    from shared.adapters.azure.no_optimizer import NoOptimizer
    from shared.adapters.azure.no_profiler import NoProfiler
    from shared.adapters.azure.no_target import NoTarget
    from shared.adapters.azure.resource_store import open_cosmos_store
    from shared.adapters.azure.upload_area import AzureUploadArea
    from shared.adapters.azure.work_queue import open_work_queue

    credential, clock = default_credential(settings.managed_identity_client_id), SystemClock()
    blobs = open_blob_service(settings.blob_account_url, credential)
    runs = AcrRuns(settings.container_registry_id, credential, index_url=settings.package_index_url)
    return assemble(
        settings,
        open_cosmos_store(settings.cosmos_endpoint, settings.cosmos_database, credential),
        AzureUploadArea(blobs, clock),
        AzureArtifactStore(blobs, clock),
        open_work_queue(settings.queue_account_url, settings.work_queue, credential),
        open_event_publisher(settings.eventgrid_endpoint, credential, settings.eventgrid_input_schema),
        AzureEventSubscriptions(settings.eventgrid_topic_id, credential),
        AcrTasksBuilder(runs),
        AcrImageBuilder(runs, settings.image_base),
        NoProfiler(),
        NoOptimizer(),
        _targets(settings, NoTarget(), lambda cluster: AksLogins(cluster, credential)),
        NoCredentials(),
        clock,
    )
