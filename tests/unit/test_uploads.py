"""Uploads through the control loop: arrival in any order, waiting, failing, re-driving, cleaning."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from pathlib import Path

import pytest

from shared.bootstrap import ControlPlane
from shared.controllers.loop import MAX_DEQUEUE_COUNT
from shared.errors import Invalid
from shared.ports import ResourceQuery, WorkMessage
from shared.resources.base import Resource, ResourceKey
from shared.resources.upload import UploadPhase
from shared.settings import Settings
from tests.plane import CAUSE, MANIFEST, blob_created, drop, events_of, make_plane, plane, stage

__all__ = ["plane"]
ROOT = Path(__file__).parents[2]
LAST_ATTEMPT = Settings().max_attempts


async def uploads(plane: ControlPlane) -> list[Resource]:
    return list((await plane.deps.store.list_resources(ResourceQuery("upload", limit=1000))).items)


async def drain(plane: ControlPlane) -> None:
    """Hand every visible message of the work queue to its function."""
    while messages := await plane.deps.queue.receive(max_messages=32, visibility_timeout_s=60):
        for message in messages:
            await plane.loop.work(message.body, message.id)
            await plane.deps.queue.delete(message)


async def request(plane: ControlPlane, upload_id: str, manifest: str = MANIFEST) -> Resource:
    found, _ = await plane.intake.request(
        upload_id, CAUSE, manifest=manifest, declaration=None, manifest_file="model.yml", overrides={}, files=None
    )
    return found


@pytest.mark.parametrize("order", list(itertools.permutations(["model.yml", "model.onnx", "model.yml"])))
async def test_files_may_arrive_in_any_order_and_events_twice(plane: ControlPlane, order: tuple[str, ...]) -> None:
    contents = {"model.yml": MANIFEST, "model.onnx": "onnx"}
    for index, name in enumerate(order):
        if not (plane.deps.settings.data_dir / "uploads" / "d" / name).exists():
            drop(plane, f"d/{name}", contents[name])
        await plane.storage_event(blob_created(f"d/{name}", f"e-{index}"))
    query = ResourceQuery("model", "diabetes", "versions", sort="created", descending=True)
    versions = await plane.deps.registry.list_versions(query)
    assert [version.version for version in versions.items] == ["1"]
    found = await uploads(plane)
    assert len(found) == 1
    assert found[0].status["phase"] in ("Registered", "Completed")


async def test_after_the_announcement_the_upload_folder_is_cleaned(plane: ControlPlane) -> None:
    manifest = drop(plane, "d/model.yml", MANIFEST)
    model = drop(plane, "d/model.onnx", "onnx")
    await plane.storage_event(blob_created("d/model.yml"))
    assert model.exists(), "files stay until the version is announced"
    upload = (await uploads(plane))[0]
    await plane.lifecycle_event(
        {**blob_created("x"), "eventType": "Slipway.UploadRegistered", "data": {"uploadId": upload.name}}
    )
    await drain(plane)
    assert (await uploads(plane))[0].status["phase"] == UploadPhase.COMPLETED
    assert not manifest.exists()
    assert not model.exists()
    found = await plane.deps.registry.get("diabetes")
    content = [chunk async for chunk in plane.deps.artifacts.read(found.spec["files"][0]["sha256"])]
    assert b"".join(content) == b"onnx"


async def test_the_same_folder_can_be_used_again(plane: ControlPlane) -> None:
    for number in (1, 2, 3):
        drop(plane, "d/model.onnx", f"onnx {number}")
        drop(plane, "d/model.yml", MANIFEST)
        await plane.storage_event(blob_created("d/model.yml", f"e-{number}"))
        for upload in await uploads(plane):
            await plane.loop.enqueue(WorkMessage(upload.key))
        await drain(plane)
    versions = (await plane.deps.registry.list_versions(ResourceQuery("model", "diabetes", "versions"))).items
    assert len({version.spec["files"][0]["sha256"] for version in versions}) == 3


async def test_a_manifest_waits_visibly_and_fails_at_its_deadline(tmp_path: Path) -> None:
    plane = make_plane(tmp_path, manifest_deadline_s=60.5)  # dropped files are 60 s old
    drop(plane, "d/model.yml", MANIFEST)
    await plane.storage_event(blob_created("d/model.yml"))
    waiting = (await uploads(plane))[0]
    assert waiting.status["phase"] == "WaitingForFiles"
    assert waiting.status["missing"] == ["model.onnx"]
    condition = waiting.status["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Registered", "False", "FilesMissing")
    assert waiting.unfinished
    await asyncio.sleep(0.6)
    await plane.look_again()
    await drain(plane)
    failed = (await uploads(plane))[0]
    assert (failed.status["phase"], failed.status["missing"]) == ("Failed", ["model.onnx"])
    assert await events_of(plane) == ["Slipway.UploadWaiting", "Slipway.UploadFailed"]


async def test_a_failed_upload_can_be_redriven(tmp_path: Path) -> None:
    plane = make_plane(tmp_path, manifest_deadline_s=1)
    drop(plane, "d/model.yml", MANIFEST)
    await plane.storage_event(blob_created("d/model.yml"))
    upload = (await uploads(plane))[0]
    assert upload.status["phase"] == "Failed"
    drop(plane, "d/model.onnx", "late")
    await plane.storage_event(blob_created("d/model.onnx", "e-2"))
    assert (await uploads(plane))[0].status["phase"] == "Failed", "an event does not undo a failure"
    await plane.loop.redrive(upload.key, CAUSE)
    await drain(plane)
    assert (await uploads(plane))[0].status["phase"] in ("Registered", "Completed")


async def test_every_fault_of_a_manifest_is_kept_on_the_upload(plane: ControlPlane) -> None:
    drop(plane, "d/model.yml", "name: bad name\ntypo: 1\n")
    await plane.storage_event(blob_created("d/model.yml"))
    failed = (await uploads(plane))[0]
    assert failed.status["phase"] == "Failed"
    assert sorted((fault["pointer"], fault["line"]) for fault in failed.status["faults"]) == [
        ("/name", 1),
        ("/path", 1),
        ("/typo", 2),
    ]


@pytest.mark.parametrize(("content", "why"), [(b"\xff\xfe\x00", "UTF-8"), (b"#" * (1024 * 1024 + 2), "larger than")])
async def test_an_unreadable_manifest_is_refused_with_its_reason(plane: ControlPlane, content: bytes, why: str) -> None:
    drop(plane, "d/model.yml", content)
    await plane.storage_event(blob_created("d/model.yml"))
    assert why in (await uploads(plane))[0].status["faults"][0]["message"]


async def test_a_replaced_manifest_supersedes_the_one_that_waited(plane: ControlPlane) -> None:
    drop(plane, "d/model.yml", MANIFEST)
    await plane.storage_event(blob_created("d/model.yml"))
    first = (await uploads(plane))[0]
    drop(plane, "d/model.yml", MANIFEST.replace("ml-team", "another-team"))
    drop(plane, "d/model.onnx", "onnx")
    await plane.storage_event(blob_created("d/model.yml", "e-2"))
    await plane.loop.enqueue(WorkMessage(first.key))
    await drain(plane)
    phases = {upload.name: upload.status["phase"] for upload in await uploads(plane)}
    assert phases.pop(first.name) == "Superseded"
    assert len(phases) == 1
    assert (await plane.deps.registry.get("diabetes")).tags == {"owner": "another-team"}


async def test_blobs_elsewhere_or_with_strange_names_change_nothing(plane: ControlPlane) -> None:
    for path, container in [
        ("d/model.yml", "other"),
        ("../model.yml", "uploads"),
        ("readme", "uploads"),
        ("", "uploads"),
    ]:
        await plane.storage_event(blob_created(path, container=container))
    assert await uploads(plane) == []


async def test_a_request_registers_at_once_and_again_finds_it_done(plane: ControlPlane) -> None:
    stage(plane, "u-12345678", "model.onnx", b"onnx")
    first = await request(plane, "u-12345678")
    assert (first.status["phase"], first.status["model_version"]) == ("Completed", "1")
    again = await request(plane, "u-12345678")
    assert (again.status["model_version"], again.revision) == ("1", 1)
    assert not (plane.deps.settings.data_dir / "staging" / "u-12345678" / "model.onnx").exists()


async def test_a_registration_whose_record_was_lost_is_found_not_repeated(plane: ControlPlane) -> None:
    """As after a crash between the two commits: the version exists, the upload's own record does not."""
    stage(plane, "u-12345678", "model.onnx", b"onnx")
    first = await request(plane, "u-12345678")
    other = make_plane(plane.deps.settings.data_dir)
    key = ResourceKey("upload", "u-12345678")

    def forget(connection: object) -> None:
        connection.execute("DELETE FROM documents WHERE partition = ?", (key.partition,))  # type: ignore[attr-defined]
        connection.execute("DROP TRIGGER history_is_never_deleted")  # type: ignore[attr-defined]
        connection.execute("DELETE FROM history WHERE partition = ?", (key.partition,))  # type: ignore[attr-defined]

    await plane.deps.store._database.write(forget)  # type: ignore[attr-defined]
    again = await request(other, "u-12345678")
    assert again.status["model_version"] == first.status["model_version"] == "1"


async def test_a_crash_between_registering_and_recording_leaves_no_file_behind(plane: ControlPlane) -> None:
    manifest, model = drop(plane, "d/model.yml", MANIFEST), drop(plane, "d/model.onnx", "onnx")
    await plane.storage_event(blob_created("d/model.yml"))
    upload = (await uploads(plane))[0]

    def back_to_registering(connection: object) -> None:
        body = {**upload.model_dump(mode="json"), "unfinished": True}
        body["status"] = {**upload.status, "phase": "Registering", "model_version": None}
        connection.execute(  # type: ignore[attr-defined]
            "UPDATE documents SET body = ?, unfinished = 1 WHERE partition = ?",
            (json.dumps(body), upload.key.partition),
        )

    await plane.deps.store._database.write(back_to_registering)  # type: ignore[attr-defined]
    await plane.storage_event(blob_created("d/model.onnx", "e-2"))
    await plane.loop.enqueue(WorkMessage(upload.key))
    await drain(plane)
    found = (await uploads(plane))[0]
    assert (found.status["phase"], found.status["model_version"]) == ("Completed", "1")
    assert not manifest.exists()
    assert not model.exists()


async def test_a_refused_request_may_be_corrected_without_sending_the_files_again(plane: ControlPlane) -> None:
    stage(plane, "u-12345678", "model.onnx", b"onnx")
    assert (await request(plane, "u-12345678", "name: diabetes\n")).status["phase"] == "Failed"
    corrected = await request(plane, "u-12345678")
    assert (corrected.status["phase"], corrected.status["faults"], corrected.generation) == ("Completed", [], 2)


async def test_a_registered_upload_that_stalls_stays_registered_and_can_be_cleaned_later(plane: ControlPlane) -> None:
    drop(plane, "d/model.yml", MANIFEST)
    model = drop(plane, "d/model.onnx", "onnx")
    await plane.storage_event(blob_created("d/model.yml"))
    upload = (await uploads(plane))[0]
    await plane.loop.poisoned(WorkMessage(upload.key, LAST_ATTEMPT).dump(), "m-1")
    stalled = (await uploads(plane))[0]
    assert (stalled.status["phase"], stalled.unfinished) == ("Registered", False)
    await plane.loop.redrive(upload.key, CAUSE)
    await drain(plane)
    assert (await uploads(plane))[0].status["phase"] == "Completed"
    assert not model.exists()


async def test_unknown_kinds_are_refused_with_the_known_ones(plane: ControlPlane) -> None:
    with pytest.raises(Invalid, match="upload"):
        await plane.loop.look_at(ResourceKey("nonsense", "x"), CAUSE)
    with pytest.raises(Invalid, match="not a work message"):
        await plane.loop.work("{}", "m-1")


async def test_a_poison_message_puts_its_resource_aside_and_says_how_to_go_on(plane: ControlPlane) -> None:
    drop(plane, "d/model.yml", MANIFEST)
    await plane.storage_event(blob_created("d/model.yml"))
    upload = (await uploads(plane))[0]
    await plane.loop.poisoned(WorkMessage(upload.key, LAST_ATTEMPT).dump(), "m-1")
    stalled = (await uploads(plane))[0]
    condition = next(c for c in stalled.status["conditions"] if c["type"] == "Stalled")
    assert f"slipway reconcile upload/{upload.name}" in condition["message"]
    assert not stalled.unfinished
    assert "Slipway.ReconcileFailed" in await events_of(plane)
    await plane.loop.poisoned("not json", "m-2")
    redriven = await plane.loop.redrive(upload.key, CAUSE)
    assert redriven.unfinished
    assert [c["type"] for c in redriven.status["conditions"]] == ["Registered"]


async def test_hosts_that_end_meanwhile_put_nothing_aside_at_once(plane: ControlPlane) -> None:
    host_json = json.loads((ROOT / "host.json").read_text())
    assert host_json["extensions"]["queues"]["maxDequeueCount"] == MAX_DEQUEUE_COUNT
    drop(plane, "d/model.yml", MANIFEST)
    drop(plane, "d/model.onnx", "onnx")
    await plane.storage_event(blob_created("d/model.yml"))
    upload = (await uploads(plane))[0]
    for message in await plane.deps.queue.receive(max_messages=32, visibility_timeout_s=60):
        await plane.deps.queue.delete(message)  # the host had it five times
    await plane.loop.poisoned(WorkMessage(upload.key).dump(), "m-1")
    assert "Slipway.ReconcileFailed" not in await events_of(plane)
    async with asyncio.timeout(30):
        while (await uploads(plane))[0].status["phase"] != "Completed":
            await drain(plane)
            await asyncio.sleep(0.05)


async def test_a_manifest_nobody_announced_is_taken_up_by_the_timer(plane: ControlPlane) -> None:
    drop(plane, "d/model.yml", MANIFEST)
    drop(plane, "d/model.onnx", "onnx")
    await plane.look_again()
    assert (await plane.deps.registry.get("diabetes")).version == "1"


async def test_a_waiting_upload_has_one_message_however_often_it_is_looked_at(plane: ControlPlane) -> None:
    drop(plane, "d/model.yml", MANIFEST)
    for index in range(20):
        await plane.storage_event(blob_created("d/model.yml", f"e-{index}"))
        await plane.look_again()
    await drain(plane)
    upload = (await uploads(plane))[0]
    assert upload.status["phase"] == "WaitingForFiles"
    assert upload.revision == 1


async def test_a_manifest_above_does_not_take_what_has_its_own(plane: ControlPlane) -> None:
    drop(plane, "model.yml", MANIFEST.replace("diabetes", "root").replace("model.onnx", "."))
    drop(plane, "root.onnx", "root")
    drop(plane, "team/model.yml", MANIFEST)
    drop(plane, "team/model.onnx", "team")
    for path in ("model.yml", "team/model.yml"):
        await plane.storage_event(blob_created(path, path))
    assert [f["path"] for f in (await plane.deps.registry.get("root")).spec["files"]] == ["root.onnx"]
    assert [f["path"] for f in (await plane.deps.registry.get("diabetes")).spec["files"]] == ["model.onnx"]


async def test_thousands_of_faults_are_told_in_part(plane: ControlPlane) -> None:
    drop(plane, "d/model.yml", "".join(f"key{index}: 1\n" for index in range(4000)))
    await plane.storage_event(blob_created("d/model.yml"))
    failed = (await uploads(plane))[0]
    assert failed.status["phase"] == "Failed"
    assert len(failed.status["faults"]) == 101
    assert "more faults" in failed.status["faults"][-1]["message"]


async def test_a_file_that_is_still_open_for_writing_is_waited_for(tmp_path: Path) -> None:
    plane = make_plane(tmp_path)
    folder = tmp_path / "uploads" / "d"
    folder.mkdir(parents=True)
    (folder / "model.yml").write_text(MANIFEST)
    with (folder / "model.onnx").open("wb") as file:
        file.write(b"first half, ")
        file.flush()
        await asyncio.sleep(0.4)  # longer than a file must be unchanged to count as complete
        await plane.storage_event(blob_created("d/model.yml"))
        assert (await uploads(plane))[0].status["phase"] == "WaitingForFiles"
        file.write(b"second half")
    await asyncio.sleep(0.4)
    await plane.storage_event(blob_created("d/model.onnx", "e-2"))
    found = await plane.deps.registry.get("diabetes")
    content = [chunk async for chunk in plane.deps.artifacts.read(found.spec["files"][0]["sha256"])]
    assert b"".join(content) == b"first half, second half"


async def test_files_with_old_or_future_times_count_as_arrived_now(tmp_path: Path) -> None:
    """cp -p, tar and rsync set a file's time; when it arrived is something else."""
    plane = make_plane(tmp_path)
    folder = tmp_path / "uploads" / "d"
    folder.mkdir(parents=True)
    for days in (-7, 8):
        (folder / "model.yml").write_text(MANIFEST)
        os.utime(folder / "model.yml", (time.time() + days * 86400,) * 2)
        await asyncio.sleep(0.4)
        await plane.storage_event(blob_created("d/model.yml", f"e{days}"))
    assert [upload.status["phase"] for upload in await uploads(plane)].count("WaitingForFiles") == 2
