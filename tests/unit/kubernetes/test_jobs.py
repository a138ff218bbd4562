"""What is applied for a job, and what is read back of its Job and its pod."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest

from shared.deployment_targets.kubernetes.job_progress import job_progress, pod_of
from shared.deployment_targets.kubernetes.jobs import job_files, job_manifest
from shared.errors import Invalid
from shared.ports import JobLimits, JobPhase, JobReason, JobSpec, JobStep, SecretReference
from tests.unit.kubernetes.pod_security import violations
from tests.unit.kubernetes.rules import broken
from tests.unit.kubernetes.samples import IMAGE, cluster
from tests.unit.kubernetes.test_render import VERSIONS

SPEC = JobSpec(
    "Convert_1",
    ("convert", "$(SLIPWAY_JOB_FILES)/in.json"),
    IMAGE,
    environ={"A": '$(B) "\n- x: {{}}'},
    secrets={"PASSWORD": SecretReference("login", "password")},
    files={"in.json": b"{}"},
    limits=JobLimits(cpu=1.5, memory_bytes=2**30),
    timeout_s=90.5,
)


def manifests() -> list[dict[str, Any]]:
    job = job_manifest(SPEC, cluster(image_pull_secrets=["pull"]))
    made = {**job, "metadata": {**job["metadata"], "uid": "1"}}
    files = job_files(SPEC, cluster(), made)
    assert files is not None
    return [job, files]


@pytest.mark.parametrize("version", VERSIONS)
def test_jobs_keep_the_schemas_of_the_newest_versions(version: str) -> None:
    for each in manifests():
        assert kubernetes_validate.validate(each, version, strict=True) == version
    assert broken(manifests()) == []


def test_a_job_is_one_limited_try_and_is_cleaned_up() -> None:
    job, files = manifests()
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert job["spec"]["ttlSecondsAfterFinished"] == 86_400
    assert pod["activeDeadlineSeconds"] == 91
    assert job["spec"]["activeDeadlineSeconds"] == 91 + 30 + 600
    assert container["resources"]["limits"] == {"cpu": "1500m", "memory": "1073741824"}
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert violations(pod) == []
    assert pod["automountServiceAccountToken"] is False
    environ = {one["name"]: one for one in container["env"]}
    assert environ["A"]["value"] == '$$(B) "\n- x: {{}}'
    assert environ["PASSWORD"] == {
        "name": "PASSWORD",
        "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}},
    }
    assert files["metadata"]["ownerReferences"][0]["uid"] == "1"


@pytest.mark.parametrize(
    "fields",
    [{"image": ""}, {"max_result_bytes": 4096}, {"files": {"a": b"x" * 700_001}}],
    ids=lambda one: next(iter(one)),
)
def test_what_a_cluster_cannot_have_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        job_manifest(JobSpec(**{"name": "job", "command": ("true",), "image": IMAGE, **fields}), cluster())


STEPS = (JobStep("fetch", ("fetch",), has_identity=True), JobStep("run", ("run", "$(SLIPWAY_JOB_FOLDER)/in")))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_step_without_the_identity_gets_no_token_no_secret_and_no_folder_that_programs_come_from(
    version: str,
) -> None:
    job = job_manifest(replace(SPEC, identity="slipway-jobs", steps=STEPS), cluster())
    assert kubernetes_validate.validate(job, version, strict=True) == version
    assert broken([job, manifests()[1]]) == []
    template = job["spec"]["template"]
    pod, said = template["spec"], template["metadata"]
    assert violations(pod) == []
    assert [one["name"] for one in (*pod["initContainers"], *pod["containers"])] == ["fetch", "run", "job"]
    assert said["labels"]["azure.workload.identity/use"] == "true"
    assert said["annotations"] == {"azure.workload.identity/skip-containers": "run"}
    assert pod["automountServiceAccountToken"] is False
    run = pod["initContainers"][1]
    assert {one["name"] for one in run["env"]} == {"A", "SLIPWAY_JOB_FOLDER"}
    mounted = [{one["mountPath"]: one["name"] for one in each["volumeMounts"]} for each in pod["initContainers"]]
    mounted += [{one["mountPath"]: one["name"] for one in pod["containers"][0]["volumeMounts"]}]
    assert len({each["/tmp"] for each in mounted}) == 3
    assert {each["/var/run/slipway/work"] for each in mounted} == {"work"}
    assert "/var/run/slipway/files" not in mounted[1]


def test_a_step_that_is_refused_says_which() -> None:
    for step in (JobStep("job", ("a",)), JobStep("Run", ("a",)), JobStep("run", ())):
        with pytest.raises(Invalid, match="/steps/1"):
            replace(SPEC, steps=(STEPS[0], step))
    with pytest.raises(Invalid, match="/steps/1"):
        replace(SPEC, steps=(STEPS[0], STEPS[0]))
    assert replace(SPEC, steps=STEPS).digest != replace(SPEC, steps=STEPS[:1]).digest != SPEC.digest


def job_with(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    job = job_manifest(SPEC, cluster())
    job["metadata"]["uid"] = "1"
    return {**job, "status": {"conditions": [{"status": "True", **one} for one in conditions], **status}}


def pod_with(state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    containers = [{"state": state}] if state else []
    owners = [{"kind": "Job", "uid": "1"}]
    return {"metadata": {"ownerReferences": owners}, "status": {"containerStatuses": containers, **status}}


def at_step(state: dict[str, Any], ended: tuple[str, ...] = ("fetch",)) -> dict[str, Any]:
    """A pod at the step after those that ended well."""
    first = [{"name": name, "state": {"terminated": {"exitCode": 0}}} for name in ended]
    waits = {"name": "job", "state": {"waiting": {"reason": "PodInitializing"}}}
    pod = pod_with(initContainerStatuses=[*first, {"name": "run", "state": state}])
    pod["status"]["containerStatuses"] = [waits]
    return pod


FAILED = {"type": "Failed", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
LATE = {"type": "Failed", "reason": "DeadlineExceeded", "message": "Job was active longer than specified deadline"}


@pytest.mark.parametrize(
    ("job", "pod", "phase", "reason"),
    [
        (job_with(), None, JobPhase.PENDING, ""),
        (job_with(), pod_with(), JobPhase.PENDING, ""),
        (job_with(), pod_with({"waiting": {"reason": "ContainerCreating"}}), JobPhase.PENDING, ""),
        (job_with(), pod_with({"waiting": {"reason": "ErrImagePull"}}), JobPhase.PENDING, JobReason.IMAGE_NOT_PULLED),
        (
            job_with(),
            pod_with({"waiting": {"reason": "InvalidImageName"}}),
            JobPhase.PENDING,
            JobReason.IMAGE_NOT_PULLED,
        ),
        (
            job_with(),
            pod_with(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]),
            JobPhase.PENDING,
            JobReason.UNSCHEDULABLE,
        ),
        (job_with(), pod_with({"terminated": {"exitCode": 0}}), JobPhase.RUNNING, ""),  # not noted yet
        (job_with(failed=1), None, JobPhase.RUNNING, ""),
        (job_with(), at_step({"running": {}}), JobPhase.RUNNING, ""),
        (
            job_with(),
            at_step({"waiting": {"reason": "ErrImagePull"}}, ended=()),
            JobPhase.PENDING,
            JobReason.IMAGE_NOT_PULLED,
        ),
        (job_with(FAILED), at_step({"terminated": {"exitCode": 75}}), JobPhase.FAILED, JobReason.EXIT_CODE),
        (
            job_with(FAILED),
            at_step({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
            JobPhase.FAILED,
            JobReason.OOM_KILLED,
        ),
        (job_with(FAILED), None, JobPhase.FAILED, JobReason.LOST),
        (job_with({"type": "Complete"}), None, JobPhase.FAILED, JobReason.LOST),
        (job_with(LATE), None, JobPhase.FAILED, JobReason.DEADLINE_EXCEEDED),
        (
            job_with(LATE),
            pod_with({"waiting": {"reason": "ImagePullBackOff"}}),
            JobPhase.FAILED,
            JobReason.IMAGE_NOT_PULLED,
        ),
        (
            job_with(FAILED),
            pod_with({"terminated": {"exitCode": 9}}, reason="Evicted"),
            JobPhase.FAILED,
            JobReason.LOST,
        ),
        (
            job_with(FAILED),
            pod_with({"terminated": {"exitCode": 143}}, conditions=[{"type": "DisruptionTarget", "status": "True"}]),
            JobPhase.FAILED,
            JobReason.LOST,
        ),
    ],
)
def test_progress_is_read_from_the_job_and_its_pod(
    job: dict[str, Any], pod: dict[str, Any] | None, phase: JobPhase, reason: str
) -> None:
    found = job_progress(job, pod, "printed")
    assert (found.phase, found.reason) == (phase, reason)


def test_pods_of_a_former_job_of_the_name_are_not_its_own() -> None:
    former = pod_with()
    former["metadata"]["ownerReferences"][0]["uid"] = "0"
    mine = pod_with()
    assert pod_of(job_with(), [former, mine]) is mine
    assert pod_of(job_with(), [former]) is None


def test_who_asks_for_an_identity_and_room_gets_both() -> None:
    limits = JobLimits(scratch_bytes=5 * 2**30)
    manifest = job_manifest(replace(SPEC, identity="slipway-jobs", limits=limits), cluster())
    pod, labels = manifest["spec"]["template"]["spec"], manifest["spec"]["template"]["metadata"]["labels"]
    assert (pod["serviceAccountName"], labels["azure.workload.identity/use"]) == ("slipway-jobs", "true")
    assert pod["volumes"][0]["emptyDir"]["sizeLimit"] == str(5 * 2**30)
    assert int(pod["containers"][0]["resources"]["limits"]["ephemeral-storage"]) > 5 * 2**30
    plain = job_manifest(SPEC, cluster())["spec"]["template"]
    assert "serviceAccountName" not in plain["spec"]
    assert "azure.workload.identity/use" not in plain["metadata"]["labels"]
    with pytest.raises(Invalid, match="service account"):
        replace(SPEC, identity="No Name")
