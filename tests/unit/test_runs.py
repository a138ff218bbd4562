"""Runs: registered from an upload session, and models made of their files."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import pytest
from pydantic import ValidationError

from shared.bootstrap import ControlPlane
from shared.errors import Invalid, NotFound
from shared.ports import RecordQuery, ResourceQuery
from shared.registry.run_uris import run_path
from shared.resources.base import Resource
from shared.resources.run import RunDeclaration, RunStatus
from shared.resources.search import field_term, tag_term
from tests.plane import CAUSE, MANIFEST, events_of, plane, stage

__all__ = ["plane"]

UPLOAD = "u-00000001"
FILES = {
    "outputs/model/MLmodel": b"flavors: {sklearn: {}}\nrun_id: other\n",
    "outputs/model/m.pkl": b"m",
    "log.txt": b"",
}
DATA = {"purpose": "training", "reference": "azureml:diabetes-data:1"}


async def put(plane: ControlPlane, run_id: str = "r1", upload_id: str | None = UPLOAD, **fields: Any) -> Resource:
    asked = RunDeclaration.model_validate({"upload_id": upload_id, **fields})
    return (await plane.deps.runs.register(run_id, asked, CAUSE))[0]


async def registered_run(plane: ControlPlane, run_id: str = "r1", **fields: Any) -> Resource:
    for path, content in FILES.items():
        stage(plane, UPLOAD, path, content)
    return await put(plane, run_id, **fields)


async def push(plane: ControlPlane, path: str, **model: Any) -> Resource:
    """The upload after one request, as REST makes it."""
    found, _ = await plane.intake.request(
        f"u-{zlib.crc32(path.encode()):012d}",
        CAUSE,
        manifest=None,
        declaration={"name": "m", "path": path, **model},
        manifest_file="model.yml",
        overrides={},
        files=None,
    )
    return found


def paths(resource: Resource) -> list[str]:
    return [file["path"] for file in resource.spec["files"]]


async def test_a_run_takes_what_was_sent_and_announces_itself_once(plane: ControlPlane) -> None:
    run = await registered_run(plane, experiment_name="diabetes", tags={"owner": "me"}, inputs=[DATA])
    assert paths(run) == sorted(FILES)
    assert run.spec["references"] == ["data/diabetes-data:1"]
    assert not [file for file in (plane.deps.settings.data_dir / "staging").rglob("*") if file.is_file()]
    again = await put(plane, experiment_name="diabetes", tags={"owner": "me"}, inputs=[DATA])
    assert again.revision == run.revision == 1
    for path, content in FILES.items():  # the same files, sent a second time
        stage(plane, "u-00000002", path, content)
    assert (
        await put(plane, upload_id="u-00000002", experiment_name="diabetes", tags={"owner": "me"}, inputs=[DATA])
    ).spec["files"] == run.spec["files"]
    assert await events_of(plane) == ["Slipway.RunRegistered"]
    event = (await plane.deps.store.list_events(RecordQuery())).items[0].event
    assert (event.subject, event.data["experimentName"], event.data["status"]) == ("runs/r1", "diabetes", "Completed")


async def test_many_who_register_one_run_at_once_make_one(plane: ControlPlane) -> None:
    done = await asyncio.gather(
        *(plane.deps.runs.register("r1", RunDeclaration(tags={"a": "1"}), CAUSE) for _ in range(8))
    )
    assert [created for _, created in done].count(True) == 1
    assert {run.revision for run, _ in done} == {1}


async def test_files_and_properties_are_only_added_and_an_end_is_an_end(plane: ControlPlane) -> None:
    await registered_run(plane, status=RunStatus.RUNNING, properties={"a": "1"})
    stage(plane, "u-00000003", "late.txt", b"late")
    run = await put(plane, upload_id="u-00000003", status=RunStatus.COMPLETED)
    assert (paths(run), run.properties) == (sorted([*FILES, "late.txt"]), {"a": "1"})
    stage(plane, "u-00000004", "log.txt", b"another")
    with pytest.raises(Invalid) as refused:
        await put(plane, upload_id="u-00000004", status=RunStatus.FAILED)
    assert [fault.pointer for fault in refused.value.faults] == ["/files", "/status"]
    with pytest.raises(Invalid, match="properties never change"):
        await put(plane, upload_id=None, properties={"a": "2"})


async def test_files_that_were_not_sent_are_named(plane: ControlPlane) -> None:
    with pytest.raises(Invalid, match="nothing was sent"):
        await put(plane)
    stage(plane, UPLOAD, "a.txt", b"a")
    with pytest.raises(Invalid) as refused:
        await put(plane, files=["a.txt", "b.txt"])
    assert [fault.message for fault in refused.value.faults] == ["'b.txt' was not sent, or is being sent again"]
    assert paths(await put(plane, files=["a.txt"])) == ["a.txt"]


async def test_runs_are_found_by_experiment_tag_and_data(plane: ControlPlane) -> None:
    await put(plane, "r1", None, experiment_name="diabetes", tags={"owner": "me"})
    await put(plane, "r2", None, experiment_name="diabetes", inputs=[DATA])
    await put(plane, "r3", None, experiment_name="other", outputs=[DATA])

    async def found(*terms: str) -> list[str]:
        return [run.name for run in (await plane.deps.runs.list(ResourceQuery("run", terms=terms))).items]

    assert await found() == ["r1", "r2", "r3"]
    assert await found(field_term("experiment", "diabetes")) == ["r1", "r2"]
    assert await found(field_term("experiment", "diabetes"), tag_term("owner", "me")) == ["r1"]
    assert await found(field_term("dataset", DATA["reference"])) == ["r2", "r3"]


@pytest.mark.parametrize(
    ("uri", "files", "path"),
    [
        ("runs:/r1/outputs/model", ["model/MLmodel", "model/m.pkl"], "model"),
        ("azureml://jobs/r1/outputs/artifacts/paths/outputs/model/", ["model/MLmodel", "model/m.pkl"], "model"),
        ("runs:/r1/outputs/model/m.pkl", ["m.pkl"], "m.pkl"),
        ("runs:/r1/log.txt", ["log.txt"], "log.txt"),
        ("runs:/r1", sorted(FILES), "."),
        ("azureml://jobs/r1/outputs/artifacts", sorted(FILES), "."),
    ],
)
async def test_a_model_is_made_of_a_runs_files(plane: ControlPlane, uri: str, files: list[str], path: str) -> None:
    """At once, of the very files that are stored, and with what the run knows."""
    run = await registered_run(plane, experiment_name="diabetes", inputs=[DATA])
    done = await push(plane, uri)
    assert (done.status["phase"], done.status["model_version"]) == ("Completed", "1")
    version = await plane.deps.registry.get("m")
    assert (paths(version), version.spec["path"]) == (files, path)
    stored = {file["sha256"] for file in run.spec["files"]}
    assert {file["sha256"] for file in version.spec["files"]} <= stored
    assert (version.spec["run_id"], version.spec["experiment_name"]) == ("r1", "diabetes")
    assert (version.spec["datasets"], version.spec["references"]) == ([DATA], ["data/diabetes-data:1"])
    assert (version.spec["origin"]["system"], version.spec["origin"]["id"].split("/")[0]) == ("run", "r1")


async def test_what_a_model_says_itself_wins_over_its_run(plane: ControlPlane) -> None:
    await registered_run(plane, experiment_name="diabetes", inputs=[DATA])
    own = [{"purpose": "training", "reference": "azureml:own:2"}]
    await push(plane, "runs:/r1/log.txt", run_id="elsewhere", datasets=own)
    spec = (await plane.deps.registry.get("m")).spec
    assert (spec["run_id"], spec["experiment_name"], spec["datasets"]) == ("elsewhere", None, own)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("runs:/nobody/model", "there is no run 'nobody'"),
        ("runs:/r1/outputs/mod", "it has log.txt, outputs/model/MLmodel, outputs/model/m.pkl"),
        ("runs:/r1/../r2/x", "names no file of a run"),
        ("azureml://jobs/r1/outputs/model/paths/x", "azureml://jobs/RUN_ID/outputs/artifacts/paths/PATH"),
    ],
)
async def test_a_refusal_says_what_is_there(plane: ControlPlane, uri: str, said: str) -> None:
    await registered_run(plane)
    done = await push(plane, uri)
    assert done.status["phase"] == "Failed"
    assert said in str(done.status["faults"])


async def test_a_dropped_manifest_may_name_a_run(plane: ControlPlane) -> None:
    from tests.plane import blob_created, drop

    await registered_run(plane)
    drop(plane, "d/model.yml", MANIFEST.replace("model.onnx", "runs:/r1/outputs/model"))
    await plane.storage_event(blob_created("d/model.yml"))
    assert paths(await plane.deps.registry.get("diabetes")) == ["model/MLmodel", "model/m.pkl"]


async def test_a_runs_files_are_no_garbage(plane: ControlPlane) -> None:
    run = await registered_run(plane)
    done = await plane.deps.garbage.collect(dry_run=True)
    assert done.kept == len({file["sha256"] for file in run.spec["files"]})
    assert done.young == done.collected == 0


def test_a_runs_uri_keeps_the_name_of_what_it_names() -> None:
    named = run_path("runs:/r1/a/b/c")
    assert (str(named), named.relative("a/b/c/d.txt"), named.holds("a/b/cd")) == ("r1/a/b/c", "c/d.txt", False)
    with pytest.raises(Invalid):
        run_path("runs:/")


async def test_an_unknown_run_is_not_found(plane: ControlPlane) -> None:
    with pytest.raises(NotFound, match="slipway run list"):
        await plane.deps.runs.get("../r1")
    with pytest.raises(Invalid, match="id is not accepted"):
        await put(plane, "../r1", None)


@pytest.mark.parametrize("time", [0, "0", 1764000000000, "2026-11-25", "2026-11-25T04:00:00", "now"])
def test_a_time_is_written_out_with_its_zone(time: Any) -> None:
    with pytest.raises(ValidationError):
        RunDeclaration.model_validate({"start_time": time})


def test_a_run_does_not_end_before_it_began() -> None:
    times = {"start_time": "2026-11-25T04:00:00Z", "end_time": "2026-11-25T05:00:00+02:00"}
    with pytest.raises(ValidationError, match="`end_time` is before `start_time`"):
        RunDeclaration.model_validate(times)
