"""Works in jobs as the contract suites see them: a cluster whose nodes run programs of this machine, Azurite for the
artifacts, and Microsoft Entra ID's double for the identity of pods. No instance of the function app is there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.adapters.azure.artifact_store import AzureArtifactStore
from shared.adapters.jobs.works import JobWorks, WorkerPlace
from shared.adapters.kubernetes.connections import KubeconfigConnection
from shared.adapters.kubernetes.job_runner import KubernetesJobRunner
from shared.adapters.local.clock import SystemClock
from shared.bootstrap.jobs import SERVICE_ACCOUNT
from shared.ports import JobLimits
from tests.azurite import ensure_azurite
from tests.doubles.kubernetes import NAMESPACE, TOKEN
from tests.doubles.kubernetes_jobs import JobControllers
from tests.scenarios.azure_fleet import AzureFleet, azure_fleet
from tests.scenarios.azure_platform import JOB_IMAGE
from tests.unit.kubernetes.samples import cluster


@dataclass
class JobsPlace:
    """The works, where their artifacts are, and what stands behind both."""

    works: JobWorks
    artifacts: AzureArtifactStore
    azure: AzureFleet

    @property
    def nodes(self) -> JobControllers:
        """The kubelets."""
        assert self.azure.platform.kubernetes.jobs is not None
        return self.azure.platform.kubernetes.jobs

    def identities(self) -> dict[str, bool]:
        """Whether a container was given what leads to tokens, by the end of its name."""
        return {
            name.rpartition(".")[2]: any(each.startswith("AZURE_") for each in given)
            for name, given in self.nodes.given.items()
        }

    def applied(self) -> str:
        """All that is in the cluster."""
        objects = self.azure.platform.kubernetes.cluster.objects.values()
        return json.dumps([one.document() for one in objects])


@asynccontextmanager
async def jobs_place(folder: Path) -> AsyncIterator[JobsPlace]:
    """All of it on free ports of loopback."""
    ensure_azurite()
    async with azure_fleet(folder / "azure", 1) as azure:
        double = azure.platform.kubernetes
        double.tokens.add(TOKEN)
        connection = KubeconfigConnection(str(double.kubeconfig(folder)), "", NAMESPACE)
        artifacts = AzureArtifactStore(azure.blobs, SystemClock())
        url = f"{azure.proxies['blob'].url}/{azure.azurite.account}"
        place = WorkerPlace(JOB_IMAGE, url, SERVICE_ACCOUNT, JobLimits())
        works = JobWorks(lambda: KubernetesJobRunner(cluster(), connection), artifacts, place)
        yield JobsPlace(works, artifacts, azure)
