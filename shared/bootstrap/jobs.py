"""Capabilities that run as jobs of a cluster: which cluster, which image, as whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.adapters.jobs.monitor_runner import JobMonitorRunner
from shared.adapters.jobs.optimizer import JobOptimizer
from shared.adapters.jobs.profiler import JobProfiler
from shared.adapters.jobs.works import JobWorks, WorkerPlace
from shared.bootstrap.openers import cluster_connection
from shared.compute_settings import compute_of, load_computes
from shared.deployment_targets.kubernetes.login import LoginSource
from shared.errors import NotSupported
from shared.ports import ArtifactStore, JobLimits, JobRunner, ModelOptimizer, ModelProfiler, MonitorRunner
from shared.resources.compute import AksCompute, KubernetesCompute
from shared.settings import Settings

SERVICE_ACCOUNT = "slipway-jobs"  # infra/kubernetes/namespace.yaml has it
_GB = 2**30


@dataclass(frozen=True, slots=True)
class Calculating:
    """What neither a function's time nor its memory is enough for."""

    profiler: ModelProfiler
    optimizer: ModelOptimizer
    monitors: MonitorRunner


def in_jobs(settings: Settings, artifacts: ArtifactStore, aks: Callable[[str], LoginSource]) -> Calculating:
    """All of it, in jobs. The cluster is looked for when one is needed first."""
    limits = JobLimits(settings.job_cpu, int(settings.job_memory_gb * _GB), int(settings.job_scratch_gb * _GB))
    place = WorkerPlace(settings.job_image, settings.blob_account_url, SERVICE_ACCOUNT, limits)
    works = JobWorks(lambda: job_runner(settings, aks), artifacts, place)
    index_url = settings.package_index_url
    return Calculating(
        JobProfiler(works, index_url, settings.job_cpu, settings.profile_prices),
        JobOptimizer(works, index_url),
        JobMonitorRunner(works, settings.monitor_run_timeout_s, index_url),
    )


def job_runner(settings: Settings, aks: Callable[[str], LoginSource]) -> JobRunner:
    """The jobs of the cluster that the settings name. Raises NotSupported when they name none, Invalid for one that is
    not configured."""
    compute = compute_of(settings.job_compute or settings.default_compute, load_computes(settings.computes))
    if not isinstance(compute, AksCompute | KubernetesCompute):
        remedy = "name a cluster of SLIPWAY_COMPUTES as SLIPWAY_JOB_COMPUTE"
        raise NotSupported("there is no cluster that jobs may run on", remedy=remedy)
    connection = cluster_connection(compute, aks)
    from shared.adapters.kubernetes.job_runner import KubernetesJobRunner

    return KubernetesJobRunner(compute, connection)
