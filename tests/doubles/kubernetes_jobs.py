"""The cluster's Job controller, and kubelets that run the pods of Jobs as processes of this machine."""

from __future__ import annotations

import base64
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.adapters.local.job_runner import LocalJobRunner
from shared.errors import NotFound
from shared.ports import JobLimits, JobPhase, JobProgress, JobReason, JobSpec
from shared.ports.jobs import FILES_VARIABLE, FOLDER_VARIABLE, RESULT_VARIABLE
from tests.doubles.kubernetes_objects import Cluster, Key, Stored

MESSAGE_BYTES = 4096  # of a termination message
NEVER_S = 1e6


@dataclass
class JobControllers:
    """Each `step` takes every Job and every pod of one a step on. Images that hold `missing` can't be pulled, those
    that hold `pending` find no node. `image_environ` is what images set, `identity_environ` what Microsoft Entra
    Workload ID's webhook adds to pods that ask for it, with the client id that their service account names."""

    cluster: Cluster
    folder: Path
    image_environ: dict[str, str] = field(default_factory=dict)
    identity_environ: dict[str, str] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)  # Jobs and pods by uid
    ended: dict[str, float] = field(default_factory=dict)  # Jobs by uid
    given: dict[str, dict[str, str]] = field(default_factory=dict)  # the variables of containers, by POD.CONTAINER

    def __post_init__(self) -> None:
        self.kubelet = LocalJobRunner(self.folder)

    async def step(self) -> None:
        jobs = {one.uid: (key, one) for key, one in self.cluster.objects.items() if key[0] == "jobs"}
        for key, one in jobs.values():
            await self._job(key, one)
        for key, one in list(self.cluster.objects.items()):  # the garbage collector
            owners = one.document()["metadata"].get("ownerReferences", ())
            if owners and owners[0]["kind"] == "Job" and owners[0]["uid"] not in {*jobs} - {*self._deleted(jobs)}:
                await self._delete(key)

    def _deleted(self, jobs: dict[str, Any]) -> list[str]:
        return [uid for uid, (key, _) in jobs.items() if key not in self.cluster.objects]

    async def log(self, pod: str, container: str) -> str | None:
        """What a container of a pod of a Job printed; None for other pods."""
        try:
            return (await self.kubelet.look(_process(pod, container))).log
        except NotFound:
            return None

    async def close(self) -> None:
        for key in [key for key in self.cluster.objects if key[0] == "pods"]:
            await self._end_processes(key)

    async def _job(self, key: Key, one: Stored) -> None:
        spec = one.document()["spec"]
        if one.uid in self.ended:
            if time.monotonic() - self.ended[one.uid] > spec["ttlSecondsAfterFinished"]:
                del self.cluster.objects[key]
            return
        pods = [
            (name, pod)
            for name, pod in self.cluster.objects.items()
            if name[0] == "pods" and pod.status.get("owner") == one.uid
        ]
        began = self.began.setdefault(one.uid, time.monotonic())
        if one.status.get("failed") or (not pods and one.status.get("active")):
            return self._end(one, "Failed", "BackoffLimitExceeded")
        if time.monotonic() - began > spec["activeDeadlineSeconds"]:
            for name, _ in pods:
                await self._delete(name)
            return self._end(one, "Failed", "DeadlineExceeded")
        if not pods:
            return self._make_pod(key, one, spec["template"])
        for name, pod in pods:
            await self._pod(name, pod)
            match pod.status.get("phase"):
                case "Succeeded":
                    self._end(one, "Complete", "")
                case "Failed":
                    one.status = {"failed": 1}  # noted as ended at the next step
                    self.cluster.touch(one)

    def _make_pod(self, key: Key, job: Stored, template: dict[str, Any]) -> None:
        account = template["spec"].get("serviceAccountName")
        if account and ("serviceaccounts", key[1], account) not in self.cluster.objects:
            return  # as events say
        pod = self.cluster.put_pod(("pods", key[1], f"{key[2]}-{job.uid[-5:]}"), template, job.uid)
        reference = {"apiVersion": "batch/v1", "kind": "Job", "name": key[2], "uid": job.uid}
        pod.fields.update({"metadata": {"ownerReferences": [reference]}}, "kube-controller-manager")
        job.status = {"active": 1}
        self.cluster.touch(job)

    def _end(self, one: Stored, kind: str, reason: str) -> None:
        self.ended[one.uid] = time.monotonic()
        one.status = {"conditions": [{"type": kind, "status": "True", "reason": reason, "message": "see its pod"}]}
        self.cluster.touch(one)

    async def _delete(self, key: Key) -> None:
        if key[0] == "pods":
            await self._end_processes(key)
        self.cluster.objects.pop(key, None)

    async def _end_processes(self, key: Key) -> None:
        pod = self.cluster.objects.get(key)
        for container in _containers(pod) if pod is not None else ():
            await self.kubelet.remove(_process(key[2], container["name"]))
        shutil.rmtree(self.folder / f"{key[2]}-work", ignore_errors=True)

    async def _pod(self, key: Key, pod: Stored) -> None:
        before = dict(pod.status)
        if pod.uid not in self.began:
            await self._start(key, pod)
        elif "phase" not in pod.status:
            await self._look(key, pod)
        if pod.status != before:
            self.cluster.touch(pod)

    async def _start(self, key: Key, pod: Stored) -> None:
        spec, container = pod.document()["spec"], _at(pod)
        if "pending" in container["image"]:
            message = "0/3 nodes are available: 3 Insufficient cpu."
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            pod.status["conditions"] = [condition]
            return
        if "missing" in container["image"]:
            return _waits(pod, "ImagePullBackOff", f'Back-off pulling image "{container["image"]}"')
        if (files := self._files(key, spec)) is None:
            return _waits(pod, "ContainerCreating", "")  # MountVolume.SetUp failed, as events say
        try:
            environ = self._environ(key, container) | self._identity(key, pod.document(), container["name"])
        except LookupError as error:
            return _waits(pod, "CreateContainerConfigError", str(error.args[0]))
        self.given[f"{key[2]}.{container['name']}"] = environ
        command, limits = tuple(container["command"]), container["resources"].get("limits", {})
        memory_bytes = int(limits["memory"]) if "memory" in limits else None
        stop_s = spec["terminationGracePeriodSeconds"]
        await self.kubelet.start(
            JobSpec(
                *(_process(key[2], container["name"]), command),
                environ=environ,
                files=files,
                limits=JobLimits(memory_bytes=memory_bytes),
                timeout_s=NEVER_S,
                stop_timeout_s=stop_s,
                max_result_bytes=10**6,
            )
        )
        self.began.setdefault(pod.uid, time.monotonic())
        _says(pod, {"running": {}})

    def _files(self, key: Key, spec: dict[str, Any]) -> dict[str, bytes] | None:
        for volume in spec["volumes"]:
            if "configMap" in volume:
                found = self.cluster.objects.get(("configmaps", key[1], volume["configMap"]["name"]))
                if found is None:
                    return None
                return {name: base64.b64decode(text) for name, text in found.document()["binaryData"].items()}
        return {}

    def _environ(self, key: Key, container: dict[str, Any]) -> dict[str, str]:
        found = dict(self.image_environ)
        for one in container["env"]:
            if "value" in one:
                found[one["name"]] = one["value"].replace("$$", "$")
                continue
            wanted = one["valueFrom"]["secretKeyRef"]
            secret = self.cluster.objects.get(("secrets", key[1], wanted["name"]))
            if secret is None:
                raise LookupError(f'secret "{wanted["name"]}" not found')
            found[one["name"]] = base64.b64decode(secret.document()["data"][wanted["key"]]).decode()
        for variable in (FILES_VARIABLE, RESULT_VARIABLE):  # where they are mounted is on this machine elsewhere
            found.pop(variable, None)
        if FOLDER_VARIABLE not in found:
            return found
        folder = self.folder / f"{key[2]}-work"
        folder.mkdir(parents=True, exist_ok=True)
        return {**found, FOLDER_VARIABLE: str(folder)}

    def _identity(self, key: Key, pod: dict[str, Any], container: str) -> dict[str, str]:
        said = pod["metadata"]
        without = said.get("annotations", {}).get("azure.workload.identity/skip-containers", "").split(";")
        if said["labels"].get("azure.workload.identity/use") != "true" or container in without:
            return {}
        account = self.cluster.objects["serviceaccounts", key[1], pod["spec"]["serviceAccountName"]].document()
        client_id = account["metadata"]["annotations"]["azure.workload.identity/client-id"]
        return {**self.identity_environ, "AZURE_CLIENT_ID": client_id}

    async def _look(self, key: Key, pod: Stored) -> None:
        container = _at(pod)["name"]
        process = _process(key[2], container)
        seen = await self.kubelet.look(process)
        limit_s = pod.document()["spec"].get("activeDeadlineSeconds", NEVER_S)
        if seen.phase is JobPhase.CANCELED:
            why = {"reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the deadline"}
            pod.status |= {"phase": "Failed", **why}
            _says(pod, {"terminated": {"exitCode": 143, "reason": "Error"}})
        elif seen.has_ended:
            _says(pod, {"terminated": _terminated(seen)})
            if container != _containers(pod)[-1]["name"] and seen.phase is JobPhase.SUCCEEDED:
                await self._start(key, pod)
                return
            pod.status["phase"] = "Succeeded" if seen.phase is JobPhase.SUCCEEDED else "Failed"
        elif time.monotonic() - self.began[pod.uid] > limit_s:
            await self.kubelet.cancel(process)


def _containers(pod: Stored) -> list[dict[str, Any]]:
    """In the order in which they run."""
    spec = pod.document()["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def _at(pod: Stored) -> dict[str, Any]:
    """The container that runs, or is the next to."""
    ended = [one for one in _statuses(pod) if one["state"].get("terminated", {}).get("exitCode") == 0]
    containers = _containers(pod)
    return containers[min(len(ended), len(containers) - 1)]


def _statuses(pod: Stored) -> list[dict[str, Any]]:
    return [*pod.status.get("initContainerStatuses", ()), *pod.status.get("containerStatuses", ())]


def _says(pod: Stored, state: dict[str, Any]) -> None:
    """That this is the state of the container that it is at; those after it wait."""
    at, containers = _at(pod)["name"], _containers(pod)
    known = {one["name"]: one["state"] for one in _statuses(pod)}
    waiting = {"waiting": {"reason": "PodInitializing"}}
    found = [{"name": one["name"], "state": known.get(one["name"], waiting)} for one in containers]
    found = [{**one, "state": state} if one["name"] == at else one for one in found]
    pod.status["initContainerStatuses"], pod.status["containerStatuses"] = found[:-1], found[-1:]


def _process(pod: str, container: str) -> str:
    return f"{pod}.{container}"


def _waits(pod: Stored, reason: str, message: str) -> None:
    _says(pod, {"waiting": {"reason": reason, "message": message}})


def _terminated(seen: JobProgress) -> dict[str, Any]:
    """A ContainerStateTerminated."""
    if seen.reason is JobReason.OOM_KILLED:
        return {"exitCode": 137, "reason": "OOMKilled"}
    if seen.reason is JobReason.CANNOT_START:
        return {"exitCode": 128, "reason": "StartError", "message": seen.message}
    if seen.phase is JobPhase.SUCCEEDED:
        return {"exitCode": 0, "reason": "Completed", "message": seen.result[:MESSAGE_BYTES]}
    return {"exitCode": seen.exit_code, "reason": "Error", "message": seen.log[-2048:]}
