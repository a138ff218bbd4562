"""A job's Job (batch/v1) and its files: one pod, tried once, under Pod Security's `restricted`."""

from __future__ import annotations

import base64
import math
from typing import Any

from shared.deployment_targets.kubernetes.code import MAX_CODE_BYTES
from shared.deployment_targets.kubernetes.names import DIGEST, MANAGED_BY, Manifest, object_name
from shared.deployment_targets.kubernetes.workload import (
    START_LIMIT_S,
    TMP_LIMIT,
    WORKLOAD_IDENTITY,
    container_security,
    pod_security,
)
from shared.errors import Invalid
from shared.ports import JobSpec, JobStep
from shared.ports.jobs import FILES_VARIABLE, FOLDER_VARIABLE, MAX_RESULT_BYTES, RESULT_VARIABLE
from shared.resources.compute import Cluster

JOB = "slipway/job"  # label: the job's object name
JOB_NAME = "slipway/job-name"  # annotation: as it was started
CANCELED = "slipway/canceled"  # annotation: somebody asked for its end
RESULT_LIMIT = "slipway/max-result-bytes"  # annotation: what its result may have
CONTAINER = "job"
# Annotation: containers that Microsoft Entra Workload ID's webhook gives neither its variables nor its token.
WITHOUT_IDENTITY = "azure.workload.identity/skip-containers"
FOLDER_PATH = "/var/run/slipway/work"
FILES_PATH = "/var/run/slipway/files"
RESULT_PATH = (
    "/dev/termination-log"  # writable on a read-only root, and what the kubelet reads (terminationMessagePath)
)
LOG_ROOM_BYTES = 64 * 2**20  # of the node's disk beside temporary files: what the pod prints is counted, too
KEPT_S = 86_400  # that its pod with the log is kept after it ended, unless it is removed before


def job_object_name(name: str) -> str:
    """The name of a job's objects: no endpoint's or deployment's."""
    return object_name("job", "", name)


def job_labels(name: str, cluster: Cluster) -> dict[str, str]:
    """What its objects and its pods are found by."""
    return {MANAGED_BY: cluster.owner, JOB: job_object_name(name)}


def job_manifest(spec: JobSpec, cluster: Cluster) -> Manifest:
    """The Job. Its pod has the job's time limit: unlike a Job whose own time ends, a pod whose time ends is kept with
    its log. The Job's limit has the time for nodes and images beside it. Raises Invalid for what no pod can have."""
    if not spec.image:
        raise Invalid(f"the job {spec.name} has no image", remedy="name one: a cluster runs nothing else")
    if spec.max_result_bytes > MAX_RESULT_BYTES:
        remedy = "write what is large to a store, and its address as the result"
        message = f"the job {spec.name} may write a result of {spec.max_result_bytes} bytes; a cluster takes "
        raise Invalid(f"{message}{MAX_RESULT_BYTES}", remedy=remedy)
    labels = job_labels(spec.name, cluster)
    annotations = {JOB_NAME: spec.name, DIGEST: spec.digest, RESULT_LIMIT: str(spec.max_result_bytes)}
    of_pod: dict[str, Any] = {"labels": _pod_labels(spec, labels)}
    if spec.identity and (without := [step.name for step in spec.steps if not step.has_identity]):
        of_pod["annotations"] = {WITHOUT_IDENTITY: ";".join(without)}
    limit_s = math.ceil(spec.timeout_s) + math.ceil(spec.stop_timeout_s) + START_LIMIT_S
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_object_name(spec.name),
            "namespace": cluster.namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": limit_s,
            "ttlSecondsAfterFinished": KEPT_S,
            "template": {"metadata": of_pod, "spec": _pod(spec, cluster)},
        },
    }


def job_files(spec: JobSpec, cluster: Cluster, job: Manifest) -> Manifest | None:
    """The ConfigMap with its files, which goes with `job`, the Job as it was applied; None without files."""
    if not spec.files:
        return None
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": job_object_name(spec.name),
            "namespace": cluster.namespace,
            "labels": job_labels(spec.name, cluster),
            "annotations": {JOB_NAME: spec.name},
            "ownerReferences": [owner],
        },
        "binaryData": {name: base64.b64encode(content).decode() for name, content in sorted(spec.files.items())},
    }


def _pod_labels(spec: JobSpec, labels: dict[str, str]) -> dict[str, str]:
    return {**labels, **({WORKLOAD_IDENTITY: "true"} if spec.identity else {})}


def _pod(spec: JobSpec, cluster: Cluster) -> dict[str, Any]:
    """Steps are init containers: one after the other, before the job's own. A folder of temporary files is one
    container's alone: what runs without the identity leaves nothing where those with it look for programs."""
    scratch = str(spec.limits.scratch_bytes) if spec.limits.scratch_bytes is not None else TMP_LIMIT
    names = ["tmp", *(f"tmp-{step.name}" for step in spec.steps), *(["work"] if spec.steps else [])]
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": {"sizeLimit": scratch}} for name in names]
    mounts = _folders(spec, "tmp")
    if spec.files:
        if (total := sum(map(len, spec.files.values()))) > MAX_CODE_BYTES:
            remedy = "put what is large into the image or a store"
            raise Invalid(f"the files of {spec.name} have {total} bytes; at most {MAX_CODE_BYTES}", remedy=remedy)
        volumes.append({"name": "files", "configMap": {"name": job_object_name(spec.name), "defaultMode": 0o444}})
        mounts.append({"name": "files", "mountPath": FILES_PATH, "readOnly": True})
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": math.ceil(spec.timeout_s),
        "terminationGracePeriodSeconds": math.ceil(spec.stop_timeout_s),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "containers": [_own(spec, cluster, mounts)],
        "volumes": volumes,
    }
    if spec.steps:
        pod["initContainers"] = [_step(step, spec, cluster) for step in spec.steps]
    if spec.identity:
        pod["serviceAccountName"] = spec.identity
    if cluster.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in cluster.image_pull_secrets]
    return pod


def _folders(spec: JobSpec, tmp: str) -> list[dict[str, Any]]:
    shared = [{"name": "work", "mountPath": FOLDER_PATH}] if spec.steps else []
    return [{"name": tmp, "mountPath": "/tmp"}, *shared]  # noqa: S108 - of the container


def _own(spec: JobSpec, cluster: Cluster, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **_container(CONTAINER, spec.command, spec, cluster),
        "env": _environment(spec),
        "terminationMessagePath": RESULT_PATH,
        "volumeMounts": mounts,
    }


def _step(step: JobStep, spec: JobSpec, cluster: Cluster) -> dict[str, Any]:
    return {
        **_container(step.name, step.command, spec, cluster),
        "env": _plain({**spec.environ, FOLDER_VARIABLE: FOLDER_PATH}),
        "volumeMounts": _folders(spec, f"tmp-{step.name}"),
    }


def _container(name: str, command: tuple[str, ...], spec: JobSpec, cluster: Cluster) -> dict[str, Any]:
    return {
        "name": name,
        "image": spec.image,
        "imagePullPolicy": "IfNotPresent",
        **({"command": list(command)} if command else {}),
        "resources": _resources(spec, cluster),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _environment(spec: JobSpec) -> list[dict[str, Any]]:
    """Those that commands name come with the rest."""
    folder = {FOLDER_VARIABLE: FOLDER_PATH} if spec.steps else {}
    plain = _plain({**spec.environ, **folder, FILES_VARIABLE: FILES_PATH, RESULT_VARIABLE: RESULT_PATH})
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": one.name, "key": one.key}}}
        for name, one in spec.secrets.items()
    ]
    return sorted((*plain, *secret), key=lambda each: str(each["name"]))


def _plain(given: dict[str, str]) -> list[dict[str, Any]]:
    """A `$` of a value is doubled: `$(NAME)` would be expanded (Kubernetes, EnvVar.value)."""
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in sorted(given.items())]


def _resources(spec: JobSpec, cluster: Cluster) -> dict[str, Any]:
    """What is limited is requested, too: a job gets what it may take."""
    limits: dict[str, str] = {}
    if spec.limits.cpu is not None:
        limits["cpu"] = f"{math.ceil(spec.limits.cpu * 1000)}m"
    if spec.limits.memory_bytes is not None:
        limits["memory"] = str(spec.limits.memory_bytes)
    if spec.limits.scratch_bytes is not None:
        limits["ephemeral-storage"] = str(spec.limits.scratch_bytes + LOG_ROOM_BYTES)
    requests = dict(sorted({**cluster.default_requests, **limits}.items()))
    return {"requests": requests, **({"limits": limits} if limits else {})}
