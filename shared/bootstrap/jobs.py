"""Capabilities that run as jobs of a cluster: which cluster, which image, as whom."""

from __future__ import annotations

from collections.abc import Callable

from shared.adapters.jobs.monitor_runner import JobMonitorRunner
from shared.adapters.jobs.profiler import JobProfiler
from shared.adapters.jobs.works import JobWorks, WorkerPlace
from shared.bootstrap.openers import cluster_connection
from shared.compute_settings import compute_of, load_computes
from shared.deployment_targets.kubernetes.login import LoginSource
from shared.errors import NotSupported
from shared.ports import ArtifactStore, JobLimits, JobRunner
from shared.resources.compute import AksCompute, KubernetesCompute
from shared.settings import Settings

SERVICE_ACCOUNT = "slipway-jobs"  # infra/kubernetes/namespace.yaml has it
_GB = 2**30


def profiler_and_monitors(
    settings: Settings, artifacts: ArtifactStore, aks: Callable[[str], LoginSource]
) -> tuple[JobProfiler, JobMonitorRunner]:
    """Both, in jobs. The cluster is looked for when one is needed first."""
    limits = JobLimits(settings.job_cpu, int(settings.job_memory_gb * _GB), int(settings.job_scratch_gb * _GB))
    place = WorkerPlace(settings.job_image, settings.blob_account_url, SERVICE_ACCOUNT, limits)
    works = JobWorks(lambda: job_runner(settings, aks), artifacts, place)
    profiler = JobProfiler(works, settings.package_index_url, settings.job_cpu)
    return profiler, JobMonitorRunner(works, settings.monitor_run_timeout_s)


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
