"""How far a job is, read from its Job and its pod."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.deployment_targets.kubernetes.jobs import CANCELED, CONTAINER, RESULT_LIMIT
from shared.deployment_targets.kubernetes.names import Manifest
from shared.ports import JobPhase, JobProgress, JobReason

# Reasons of waiting containers that no waiting ends (kubelet: images and container configuration).
_WAITING = {
    "CreateContainerConfigError": JobReason.CANNOT_START,  # a secret or its key is missing
    "CreateContainerError": JobReason.CANNOT_START,
    "RunContainerError": JobReason.CANNOT_START,
    "ErrImageNeverPull": JobReason.IMAGE_NOT_PULLED,
    "ErrImagePull": JobReason.IMAGE_NOT_PULLED,
    "ImageInspectError": JobReason.IMAGE_NOT_PULLED,
    "ImagePullBackOff": JobReason.IMAGE_NOT_PULLED,
    "InvalidImageName": JobReason.IMAGE_NOT_PULLED,
}
_ENDED = {
    "OOMKilled": JobReason.OOM_KILLED,
    "StartError": JobReason.CANNOT_START,  # the runtime found no such program
    "ContainerCannotRun": JobReason.CANNOT_START,
}
_DEADLINE = "DeadlineExceeded"  # of a pod's status, and of a Job's condition


def pod_of(job: Manifest, pods: Sequence[Manifest]) -> Manifest | None:
    """The Job's own newest pod; None where none came yet, or it is gone."""
    uid = job["metadata"]["uid"]
    mine = [pod for pod in pods if any(one.get("uid") == uid for one in pod["metadata"].get("ownerReferences") or ())]
    return max(mine, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""), default=None)


def containers_with_log(pod: Manifest | None) -> list[str]:
    """Those that were started, so that they can have printed something, in the order in which they ran."""
    statuses = _statuses(pod)
    if not statuses and _status(pod).get("phase") in ("Succeeded", "Failed"):
        return [CONTAINER]
    begun = [one for one in statuses if {"running", "terminated"} & (one.get("state") or {}).keys()]
    return [str(one.get("name") or CONTAINER) for one in begun]


def has_log(pod: Manifest | None) -> bool:
    """Whether a container was started."""
    return bool(containers_with_log(pod))


def job_progress(job: Manifest, pod: Manifest | None, log: str) -> JobProgress:
    """Its phase, and why. What the Job's controller has not noted as ended is under way."""
    ended = _state(pod).get("terminated")
    conditions = {one["type"]: one for one in _status(job).get("conditions") or () if one["status"] == "True"}
    if "Complete" in conditions:
        return _succeeded(job, ended, log)
    if "Failed" not in conditions:
        return _under_way(job, pod, log)
    if CANCELED in (job["metadata"].get("annotations") or {}):
        return JobProgress(JobPhase.CANCELED, log=log)
    reason, message = _why(conditions["Failed"], pod, ended or {})
    code = ended.get("exitCode") if ended and reason is JobReason.EXIT_CODE else None
    return JobProgress(JobPhase.FAILED, reason, message, code, log)


def _status(one: Manifest | None) -> Mapping[str, Any]:
    return (one or {}).get("status") or {}


def _statuses(pod: Manifest | None) -> list[Mapping[str, Any]]:
    """Of its containers, in the order in which they run."""
    status = _status(pod)
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _state(pod: Manifest | None) -> Mapping[str, Any]:
    """Of the container that it is at: the first that has not ended well, else the last."""
    states = [one.get("state") or {} for one in _statuses(pod)]
    at = (one for one in states if (one.get("terminated") or {}).get("exitCode") != 0)
    return next(at, states[-1] if states else {})


def _succeeded(job: Manifest, ended: Mapping[str, Any] | None, log: str) -> JobProgress:
    if ended is None:
        message = "its pod was deleted, and its result with it"
        return JobProgress(JobPhase.FAILED, JobReason.LOST, message, log=log)
    limit = int(job["metadata"]["annotations"][RESULT_LIMIT])
    result = str(ended.get("message") or "")
    if len(result.encode()) > limit:
        message = f"it wrote a result of more than {limit} bytes"
        return JobProgress(JobPhase.FAILED, JobReason.RESULT_TOO_LARGE, message, 0, log)
    return JobProgress(JobPhase.SUCCEEDED, exit_code=0, log=log, result=result)


def _under_way(job: Manifest, pod: Manifest | None, log: str) -> JobProgress:
    if has_log(pod) or (pod is None and (_status(job).get("failed") or _status(job).get("succeeded"))):
        return JobProgress(JobPhase.RUNNING, log=log)
    return JobProgress(JobPhase.PENDING, *_of_waiting(pod))


def _of_waiting(pod: Manifest | None) -> tuple[JobReason, str]:
    """What people have to do so that it starts; NONE for nothing."""
    waiting = _state(pod).get("waiting") or {}
    if (reason := _WAITING.get(str(waiting.get("reason")))) is not None:
        return reason, _said(waiting)
    for one in _status(pod).get("conditions") or ():
        if (one["type"], one["status"]) == ("PodScheduled", "False"):
            return JobReason.UNSCHEDULABLE, _said(one)
    return JobReason.NONE, ""


def _why(failed: Mapping[str, Any], pod: Manifest | None, ended: Mapping[str, Any]) -> tuple[JobReason, str]:
    status = _status(pod)
    if status.get("reason") == _DEADLINE:
        return JobReason.DEADLINE_EXCEEDED, _said(status)
    if (reason := _ENDED.get(str(ended.get("reason")))) is not None:
        return reason, _said(ended)
    if failed.get("reason") == _DEADLINE:
        waiting = _of_waiting(pod)
        return waiting if waiting[0] is not JobReason.NONE else (JobReason.DEADLINE_EXCEEDED, _said(failed))
    if status.get("reason") or any(one["type"] == "DisruptionTarget" for one in status.get("conditions") or ()):
        return JobReason.LOST, _said(status) or "its pod was moved from its node"
    if ended:
        return JobReason.EXIT_CODE, f"exit code {ended.get('exitCode', 'unknown')}"
    return JobReason.LOST, _said(failed) or "its pod is gone"


def _said(one: Mapping[str, Any]) -> str:
    return ": ".join(str(one[key]) for key in ("reason", "message") if one.get(key))
