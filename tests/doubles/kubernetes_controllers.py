"""The cluster's controllers and kubelets: each call takes every Deployment and route one step on."""

from __future__ import annotations

from typing import Any

from shared.deployment_targets.kubernetes.names import INSTANCE
from tests.doubles.kubernetes_objects import Cluster, Key, Stored

CRASH_LOG = "Traceback\nValueError: the weights are missing"


def step(cluster: Cluster) -> None:
    """One step of everything."""
    for key, one in list(cluster.objects.items()):
        if key[0] == "deployments":
            _deployment(cluster, key, one)
        elif key[0] == "httproutes":
            _route(cluster, one)
    _collect(cluster)


def _pods(cluster: Cluster, uid: str) -> dict[Key, Stored]:
    return {key: one for key, one in cluster.objects.items() if key[0] == "pods" and one.status.get("owner") == uid}


def _deployment(cluster: Cluster, key: Key, one: Stored) -> None:
    document = one.document()
    template, wanted = document["spec"]["template"], document["spec"]["replicas"]
    wanted = _scaled(cluster, key) or wanted
    pods = _pods(cluster, one.uid)
    current = {name: pod for name, pod in pods.items() if _template(pod) == _template_of(template)}
    former = {name: pod for name, pod in pods.items() if name not in current}
    for pod in current.values():
        _kubelet(cluster, pod)
    for number in range(wanted):
        name = ("pods", key[1], f"{key[2]}-{one.generation}-{number}")
        if len(_current(cluster, one.uid, template)) < wanted and name not in cluster.objects:
            cluster.put_pod(name, template, one.uid)
    for name in sorted(current)[wanted:]:
        del cluster.objects[name]
    ready = sum(is_ready(pod) for pod in _current(cluster, one.uid, template).values())
    if ready >= wanted:  # maxUnavailable 0: the former pods go when the new ones are ready
        for name in former:
            del cluster.objects[name]
    _note(cluster, one, template)


def _scaled(cluster: Cluster, key: Key) -> int:
    scaler = cluster.objects.get(("horizontalpodautoscalers", key[1], key[2]))
    return int(scaler.document()["spec"]["minReplicas"]) if scaler else 0


def _template(pod: Stored) -> str:
    return str(pod.document()["metadata"]["annotations"].get("slipway/digest"))


def _template_of(template: dict[str, Any]) -> str:
    return str(template["metadata"]["annotations"].get("slipway/digest"))


def _current(cluster: Cluster, uid: str, template: dict[str, Any]) -> dict[Key, Stored]:
    return {key: pod for key, pod in _pods(cluster, uid).items() if _template(pod) == _template_of(template)}


def is_ready(pod: Stored) -> bool:
    """Whether it takes requests."""
    return any(one == {"type": "Ready", "status": "True"} for one in pod.status.get("conditions", ()))


def _kubelet(cluster: Cluster, pod: Stored) -> None:
    image = pod.document()["spec"]["containers"][0]["image"]
    before = dict(pod.status)
    if "missing" in image:
        waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
        pod.status["containerStatuses"] = [{"ready": False, "restartCount": 0, "state": {"waiting": waiting}}]
    elif "crash" in image:
        count = (pod.status.get("containerStatuses") or [{"restartCount": 0}])[0]["restartCount"] + 1
        ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": CRASH_LOG}}
        state = {"waiting": {"reason": "CrashLoopBackOff"}}
        pod.status["containerStatuses"] = [{"ready": False, "restartCount": count, "state": state, "lastState": ended}]
    elif "pending" in image:
        reason = {"reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient cpu."}
        pod.status["conditions"] = [{"type": "PodScheduled", "status": "False", **reason}]
    else:
        pod.status["conditions"] = [{"type": "Ready", "status": "True"}]
        pod.status["containerStatuses"] = [{"ready": True, "restartCount": 0, "state": {"running": {}}}]
    if pod.status != before:
        cluster.touch(pod)


def _note(cluster: Cluster, one: Stored, template: dict[str, Any]) -> None:
    pods = _pods(cluster, one.uid)
    current = _current(cluster, one.uid, template)
    ready = sum(map(is_ready, pods.values()))
    status = {
        "observedGeneration": one.generation,
        "replicas": len(pods),
        "updatedReplicas": len(current),
        "readyReplicas": ready,
        "availableReplicas": ready,
    }
    if status != one.status:
        one.status = status
        cluster.touch(one)


def _route(cluster: Cluster, one: Stored) -> None:
    services = {name for plural, _, name in cluster.objects if plural == "services"}
    rules = one.document()["spec"]["rules"]
    resolved = {each["name"] for rule in rules for each in rule["backendRefs"]} <= services
    conditions = [
        {"type": "Accepted", "status": "True", "observedGeneration": one.generation},
        {"type": "ResolvedRefs", "status": str(resolved), "observedGeneration": one.generation},
    ]
    status = {"parents": [{"conditions": conditions}]}
    if status != one.status:
        one.status = status
        cluster.touch(one)


def _collect(cluster: Cluster) -> None:
    """Pods whose Deployment is gone go."""
    owners = {one.uid for key, one in cluster.objects.items() if key[0] == "deployments"}
    for key, one in list(cluster.objects.items()):
        if key[0] == "pods" and one.status.get("owner") not in owners and INSTANCE in str(one.document()):
            del cluster.objects[key]
