"""Jobs with steps, on a cluster: one after the other, and only those that are to act as the identity have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.adapters.local.job_runner import LocalJobRunner
from shared.errors import NotSupported
from shared.ports import JobPhase, JobReason, JobSpec, JobStep
from tests.contract.job_places import Place, kubernetes_place
from tests.contract.test_job_runner import ended, seen
from tests.doubles.kubernetes import NAMESPACE

TELL = 'echo "$0 ${TOKEN:-none}"'
FOLDER = '"$SLIPWAY_JOB_FOLDER"'
SPEC = JobSpec(
    "steps",
    ("sh", "-c", f"{TELL}; cat {FOLDER}/made; cp {FOLDER}/made $SLIPWAY_JOB_RESULT", "store"),
    "registry.example/jobs:1",
    identity="acting",
    steps=(
        JobStep("fetch", ("sh", "-c", f"{TELL}; echo 20 > {FOLDER}/asked", "fetch"), has_identity=True),
        JobStep("run", ("sh", "-c", f"{TELL}; expr $(cat {FOLDER}/asked) + 22 > {FOLDER}/made", "run")),
    ),
)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with kubernetes_place(tmp_path) as found:
        assert found.double is not None
        assert found.double.jobs is not None
        found.double.jobs.identity_environ = {"TOKEN": "a-token"}
        annotations = {"azure.workload.identity/client-id": "client"}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "acting"}}
        account["metadata"] |= {"annotations": annotations}  # type: ignore[operator]
        found.double.cluster.apply(("serviceaccounts", NAMESPACE, "acting"), account, "people", force=False)
        yield found


async def test_steps_share_a_folder_and_one_without_the_identity_has_no_token(place: Place) -> None:
    await place.runner.start(SPEC)
    found = await ended(place, "steps")
    assert (found.phase, found.result) == (JobPhase.SUCCEEDED, "42\n")
    assert found.log == "fetch a-token\nrun none\nstore a-token\n42\n"


async def test_the_first_step_that_fails_ends_the_job_with_what_it_said(place: Place) -> None:
    run = JobStep("run", ("sh", "-c", "echo 'no such column'; exit 3"))
    await place.runner.start(replace(SPEC, steps=(SPEC.steps[0], run)))
    found = await ended(place, "steps")
    assert (found.phase, found.reason, found.exit_code) == (JobPhase.FAILED, JobReason.EXIT_CODE, 3)
    assert found.log == "fetch a-token\nno such column\n"


async def test_a_step_under_way_is_told_and_can_be_canceled(place: Place) -> None:
    run = JobStep("run", ("sh", "-c", "echo begun; exec sleep 600"))
    await place.runner.start(replace(SPEC, steps=(SPEC.steps[0], run)))
    found = await seen(place, "steps", lambda each: "begun" in each.log)
    assert found.phase is JobPhase.RUNNING
    await place.runner.cancel("steps")
    assert (await ended(place, "steps")).phase is JobPhase.CANCELED
    await place.runner.remove("steps")


async def test_on_this_machine_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match="steps"):
        await LocalJobRunner(tmp_path).start(JobSpec("steps", ("true",), steps=SPEC.steps))
