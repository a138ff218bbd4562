"""What is so of a deployment, read from its Deployment and its pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.deployment_targets.kubernetes.names import DIGEST
from shared.ports import ObservedDeployment

HOPELESS = 3  # ends in a row that make a deployment Failed; what waits for a person counts as many at once
LOG_LINES = 20
# Reasons of waiting containers that no waiting ends (kubelet: images and container configuration).
_STUCK = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
_CRASHING = "CrashLoopBackOff"


def observed(workload: Mapping[str, Any] | None, pods: Sequence[Mapping[str, Any]]) -> ObservedDeployment:
    """Its pods of the newest template that are ready, and why others are not. None ready where it is not there."""
    if workload is None:
        return ObservedDeployment(0, is_current=False)
    digest = _annotations(workload["spec"]["template"]).get(DIGEST)
    mine = [
        pod for pod in pods if _annotations(pod).get(DIGEST) == digest and not pod["metadata"].get("deletionTimestamp")
    ]
    containers = [one for pod in mine for one in pod.get("status", {}).get("containerStatuses") or ()]
    problem, failures = _problem(workload, mine, containers)
    ended = next((one for one in containers if _ended(one)), None)
    return ObservedDeployment(
        ready=sum(map(_is_ready, mine)),
        restarts=sum(int(one.get("restartCount", 0)) for one in containers),
        failures=failures,
        problem=problem,
        log_tail=tuple(str(_ended(ended).get("message") or "").splitlines()[-LOG_LINES:]) if ended and problem else (),
        is_current=_is_current(workload),
    )


def _annotations(one: Mapping[str, Any]) -> Mapping[str, str]:
    return one["metadata"].get("annotations") or {}


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _ended(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """How it ended last; {} for never. Its message is the end of its log (terminationMessagePolicy)."""
    now, before = container.get("state") or {}, container.get("lastState") or {}
    return now.get("terminated") or before.get("terminated") or {}


def _is_current(workload: Mapping[str, Any]) -> bool:
    status = workload.get("status") or {}
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return False
    replicas = status.get("replicas", 0)
    return bool(status.get("updatedReplicas", 0) == replicas == status.get("availableReplicas", 0))


def _problem(
    workload: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], containers: Sequence[Mapping[str, Any]]
) -> tuple[str, int]:
    """Why it is not ready, and how many ends in a row that comes to; "" for nothing to say."""
    reasons = (
        *(_of_container(one) for one in containers),
        *(_of_workload(one) for one in workload.get("status", {}).get("conditions") or ()),
        *(_of_pod(one) for pod in pods for one in pod.get("status", {}).get("conditions") or ()),
        *(_of_end(one) for one in containers),
    )
    return next((found for found in reasons if found), ("", 0))


def _of_container(one: Mapping[str, Any]) -> tuple[str, int] | None:
    waiting = (one.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") in _STUCK:
        return _said(waiting), HOPELESS
    if waiting.get("reason") == _CRASHING:
        return f"{_CRASHING}: a container {_how(_ended(one))}", int(one.get("restartCount", 0))
    return None


def _of_workload(condition: Mapping[str, Any]) -> tuple[str, int] | None:
    is_refused = (condition["type"], condition["status"]) == ("ReplicaFailure", "True")
    is_late = (condition["type"], condition.get("reason")) == ("Progressing", "ProgressDeadlineExceeded")
    return (_said(condition), HOPELESS) if is_refused or is_late else None


def _of_pod(condition: Mapping[str, Any]) -> tuple[str, int] | None:
    """A node may come: that is no end."""
    return (_said(condition), 0) if (condition["type"], condition["status"]) == ("PodScheduled", "False") else None


def _of_end(one: Mapping[str, Any]) -> tuple[str, int] | None:
    ended = _ended(one)
    return None if one.get("ready") or not ended else (f"a container {_how(ended)}", int(one.get("restartCount", 0)))


def _said(condition: Mapping[str, Any]) -> str:
    return ": ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key))


def _how(ended: Mapping[str, Any]) -> str:
    reason = ended.get("reason") or "Error"
    return f"ended: {reason}, exit code {ended.get('exitCode', '?')}" if ended else "does not stay up"
