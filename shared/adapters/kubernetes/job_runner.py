"""Jobs of a Kubernetes cluster: started by server-side apply, read back with their pods' logs."""

from __future__ import annotations

from shared.adapters.kubernetes.objects import JOBS, POD, Connection, NamespaceObjects
from shared.deployment_targets.kubernetes.job_progress import containers_with_log, has_log, job_progress, pod_of
from shared.deployment_targets.kubernetes.jobs import (
    CANCELED,
    job_files,
    job_labels,
    job_manifest,
    job_object_name,
)
from shared.deployment_targets.kubernetes.names import DIGEST, Manifest
from shared.errors import AlreadyExists, Invalid, NotFound, Retryable
from shared.ports import JobProgress, JobSpec
from shared.ports.jobs import is_job_name
from shared.resources.compute import Cluster

LOG_LINES = 10_000
MAX_LOG_CHARACTERS = 1_000_000


class KubernetesJobRunner:
    """A JobRunner: Jobs of one namespace with the owner's labels. A job that ended is kept for a day, if it is not
    removed before; its time limit includes pulling its image."""

    def __init__(self, cluster: Cluster, connection: Connection) -> None:
        self._cluster = cluster
        self._objects = NamespaceObjects(connection, cluster.owner)
        # What it sets is no field of the Job's as it was started: the two do not take fields from each other.
        self._canceling = NamespaceObjects(connection, f"{cluster.owner}-cancel")

    async def start(self, spec: JobSpec) -> None:
        """See JobRunner."""
        wanted = job_manifest(spec, self._cluster)
        job = await self._job(spec.name)
        if job is None:
            job = await self._objects.apply(wanted, is_new=True)
        elif job["metadata"].get("deletionTimestamp"):
            raise Retryable(f"the former job {spec.name} is being removed")
        elif (job["metadata"].get("annotations") or {}).get(DIGEST) != spec.digest:
            remedy = "give it another name, or remove the former one"
            raise AlreadyExists(f"there is another job {spec.name}", remedy=remedy)
        files = job_files(spec, self._cluster, job)
        if files is not None and not _has_ended(job):
            await self._objects.apply(files, is_new=True)  # the pod waits for it

    async def look(self, name: str) -> JobProgress:
        """See JobRunner."""
        job = await self._job(name)
        if job is None:
            raise NotFound(f"there is no job {name[:100]!r}", remedy="start it")
        pod = await self._pod(name, job)
        return job_progress(job, pod, await self._log(pod))

    async def cancel(self, name: str) -> None:
        """See JobRunner. The pod's own time is ended: unlike one that is deleted, it keeps its log."""
        job = await self._job(name)
        if job is None or _has_ended(job):
            return
        pod = await self._pod(name, job)
        asked = _named(job, {"annotations": {CANCELED: "true"}})
        if not has_log(pod):  # no node has it yet, or it waits there
            asked["spec"] = {"activeDeadlineSeconds": 1}
        await self._canceling.apply(asked, is_new=False)
        if pod is not None and has_log(pod):
            await self._canceling.apply({**_named(pod, {}), "spec": {"activeDeadlineSeconds": 1}}, is_new=False)

    async def remove(self, name: str) -> None:
        """See JobRunner. Its pod and its files go with it, a moment later."""
        if await self._job(name) is not None:
            await self._objects.delete(JOBS, job_object_name(name))

    async def _job(self, name: str) -> Manifest | None:
        if not is_job_name(name):
            return None
        found = await self._objects.list(JOBS, job_labels(name, self._cluster))
        return found[0] if found else None

    async def _pod(self, name: str, job: Manifest) -> Manifest | None:
        return pod_of(job, await self._objects.list(POD, job_labels(name, self._cluster)))

    async def _log(self, pod: Manifest | None) -> str:
        printed = [await self._log_of(pod, name) for name in containers_with_log(pod)] if pod else []
        return "".join(printed)[-MAX_LOG_CHARACTERS:]

    async def _log_of(self, pod: Manifest, container: str) -> str:
        try:
            return await self._objects.log(pod["metadata"]["name"], container, LOG_LINES)
        except (NotFound, Invalid):  # it went meanwhile, or its node no longer knows the container
            return ""


def _named(one: Manifest, metadata: Manifest) -> Manifest:
    """That very object: by its uid, nothing is made where it is gone."""
    known = {key: one["metadata"][key] for key in ("name", "namespace", "uid")}
    return {"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": {**known, **metadata}}


def _has_ended(job: Manifest) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in conditions)
