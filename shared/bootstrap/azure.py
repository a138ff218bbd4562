"""The adapters of Azure; imported where they are chosen, and never else."""

from __future__ import annotations

import logging
from collections.abc import Callable

from shared.adapters.azure.aci_groups import group_targets
from shared.adapters.azure.acr_images import AcrImageBuilder
from shared.adapters.azure.acr_runs import AcrRuns
from shared.adapters.azure.acr_tasks import AcrTasksBuilder
from shared.adapters.azure.aks_logins import AksLogins
from shared.adapters.azure.artifact_store import AzureArtifactStore
from shared.adapters.azure.blob_service import open_blob_service
from shared.adapters.azure.credentials import default_credential
from shared.adapters.azure.event_publisher import open_event_publisher
from shared.adapters.azure.event_subscriptions import AzureEventSubscriptions
from shared.adapters.azure.hub_tokens import EntraHubTokens
from shared.adapters.azure.no_credentials import NoCredentials
from shared.adapters.azure.no_monitor_runner import NoMonitorRunner
from shared.adapters.azure.no_optimizer import NoOptimizer
from shared.adapters.azure.no_profiler import NoProfiler
from shared.adapters.azure.no_target import NoTarget
from shared.adapters.azure.prometheus_tokens import prometheus_authorization
from shared.adapters.azure.resource_store import open_cosmos_store
from shared.adapters.azure.upload_area import AzureUploadArea
from shared.adapters.azure.work_queue import open_work_queue
from shared.adapters.local.clock import SystemClock
from shared.bootstrap.assembly import Adapters, assemble
from shared.bootstrap.jobs import Calculating, in_jobs
from shared.bootstrap.openers import targets
from shared.bootstrap.plane import ControlPlane
from shared.ports import ArtifactStore
from shared.settings import Settings


def azure_control_plane(settings: Settings) -> ControlPlane:
    """Cosmos DB, Blob Storage, Storage Queues and Event Grid, all by identity."""
    logging.getLogger("azure").setLevel(logging.WARNING)  # the SDKs log every request: costly, and of use to nobody
    credential, clock = default_credential(settings.managed_identity_client_id), SystemClock()
    blobs = open_blob_service(settings.blob_account_url, credential)
    arm = settings.management_url.rstrip("/")
    scope = f"{arm}/.default"
    runs = AcrRuns(settings.container_registry_id, credential, arm, index_url=settings.package_index_url, scope=scope)
    artifacts = AzureArtifactStore(blobs, clock)

    def aks(cluster: str) -> AksLogins:
        return AksLogins(cluster, credential, arm, scope=scope)

    calculating = _calculating(settings, artifacts, aks)
    adapters = Adapters(
        open_cosmos_store(settings.cosmos_endpoint, settings.cosmos_database, credential),
        AzureUploadArea(blobs, clock),
        artifacts,
        open_work_queue(settings.queue_account_url, settings.work_queue, credential),
        open_event_publisher(settings.eventgrid_endpoint, credential, settings.eventgrid_input_schema),
        AzureEventSubscriptions(settings.eventgrid_topic_id, credential, arm, scope=scope),
        AcrTasksBuilder(runs),
        AcrImageBuilder(runs, settings.image_base),
        calculating.profiler,
        calculating.optimizer,
        calculating.monitors,
        targets(
            settings,
            NoTarget(),
            aks,
            lambda: EntraHubTokens(credential),
            group_targets(credential, arm, scope),
            prometheus_authorization(credential),
        ),
        NoCredentials(),
        clock,
    )
    return assemble(settings, adapters)


def _calculating(settings: Settings, artifacts: ArtifactStore, aks: Callable[[str], AksLogins]) -> Calculating:
    """In jobs, where there is an image for them."""
    if not settings.job_image:
        return Calculating(NoProfiler(), NoOptimizer(), NoMonitorRunner())
    return in_jobs(settings, artifacts, aks)
