"""The adapters of this machine; imported where they are chosen, and never else."""

from __future__ import annotations

import asyncio

from shared.adapters.local.artifact_store import LocalArtifactStore
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.collected_files import LocalCollected
from shared.adapters.local.container_engines import find_engine
from shared.adapters.local.deployment_target import LocalTarget
from shared.adapters.local.endpoint_credentials import LocalCredentials
from shared.adapters.local.engine_environments import EngineEnvironmentBuilder
from shared.adapters.local.environment_builder import LocalEnvironmentBuilder
from shared.adapters.local.environments_by_need import EnvironmentsByNeed
from shared.adapters.local.event_grid import LocalEventPublisher, open_event_grid
from shared.adapters.local.event_subscriptions import LocalEventSubscriptions
from shared.adapters.local.image_builder import LocalImageBuilder
from shared.adapters.local.monitor_runner import LocalMonitorRunner
from shared.adapters.local.optimizer import LocalOptimizer
from shared.adapters.local.profiler import LocalProfiler
from shared.adapters.local.resource_store import open_resource_store
from shared.adapters.local.secrets import load_secrets
from shared.adapters.local.signing import UrlSigner
from shared.adapters.local.upload_area import LocalUploadArea
from shared.adapters.local.work_queue import open_work_queues
from shared.bootstrap.assembly import Adapters, assemble
from shared.bootstrap.openers import image_registry, targets
from shared.bootstrap.plane import ControlPlane
from shared.ports import Clock
from shared.settings import Settings


def local_control_plane(settings: Settings, clock: Clock | None = None) -> ControlPlane:
    """Everything in one folder of this machine; `clock` is the machine's own, unless it is given."""
    folder, clock = settings.data_dir, clock or SystemClock()
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
    adapters = Adapters(
        open_resource_store(folder / "slipway.db"),
        LocalUploadArea(folder, signer),
        LocalArtifactStore(folder, signer),
        open_work_queues(folder / "queue.db", clock)(settings.work_queue),
        LocalEventPublisher(grid),
        LocalEventSubscriptions(grid),
        EnvironmentsByNeed(environments, environment_images),
        LocalImageBuilder(
            folder / "images",
            image_registry,
            base_image=settings.image_base,
            repository=settings.image_repository,
            index_url=settings.package_index_url,
        ),
        LocalProfiler(folder / "profiles", settings.package_index_url, prices=settings.profile_prices, alone=alone),
        LocalOptimizer(folder / "optimizations", environments, settings.package_index_url, alone=alone),
        LocalMonitorRunner(
            folder / "monitor-runs", LocalCollected(folder / "collected"), settings.monitor_run_timeout_s
        ),
        targets(settings, LocalTarget(folder / "endpoints", settings.package_index_url), None, None),
        LocalCredentials(folder / "endpoint-keys"),
        clock,
    )
    return assemble(settings, adapters)
