"""Applying declared files on a control plane of this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.errors import Invalid
from shared.ports import RecordQuery, ResourceQuery
from shared.registry.garbage import digests_of
from shared.resources.base import Resource, ResourceKey
from shared.resources.chain import breaks
from shared.resources.sync import FileOutcome, Provenance, SyncSpec, Trigger
from shared.syncing.apply import apply_tree
from shared.syncing.record import apply_and_record
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE, events_of, make_plane
from tests.plane import plane as plane

GIT = Provenance(
    source="models",
    repository_url="https://git.example/models",
    ref="refs/heads/main",
    commit="a" * 40,
    author="Ada <ada@example.org>",
)
ENVIRONMENT = "name: score\nimage: python:3.11-slim\nconda_file: conda.yml\n"
CONDA = "channels: [conda-forge]\ndependencies: [python=3.11]\n"
DATA = "name: patients\ntype: uri_file\npath: patients.csv\n"
MODEL = "name: diabetes\ntype: custom_model\npath: model.onnx\ntags: {owner: ml}\n"
ENDPOINT = "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\nname: diabetes\nauth_mode: key\ntraffic: {blue: 100}\n"  # noqa: E501
DEPLOYMENT = (
    "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json\nname: blue\n"
    "endpoint_name: diabetes\nmodel: azureml:diabetes@latest\nenvironment: azureml:score@latest\n"
    "code_configuration: {code: ./src, scoring_script: score.py}\ninstance_type: Standard_DS3_v2\ninstance_count: 1\n"
)
JOB = (
    "$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\ncommand: python train.py\n"
    "code: ./src\nenvironment: azureml:score@latest\ninputs: {data: {type: uri_file, path: azureml:patients:1}}\n"
)
SCHEDULE = "name: nightly\ntrigger: {type: cron, expression: 0 2 * * *}\ncreate_job: ./train.yml\n"
EVERYTHING = {
    "a-deployment.yml": DEPLOYMENT,  # before what it refers to
    "conda.yml": CONDA,
    "data/data.yml": DATA,
    "data/patients.csv": "age\n1\n",
    "endpoint.yml": ENDPOINT,
    "environment.yml": ENVIRONMENT,
    "job.yml": JOB,
    "model.onnx": "weights",
    "model.yml": MODEL,
    "schedule.yml": SCHEDULE,
    "src/score.py": "def run(): ...\n",
    "train.yml": JOB,
    "values.yaml": "replicas: 3\n",
    "k8s.yaml": "apiVersion: v1\n---\nkind: Pod\n",
}


def tree_of(files: dict[str, str], **more: Any) -> SourceTree:
    return SourceTree({path: text.encode() for path, text in files.items()}, **more)


async def apply(plane: ControlPlane, files: dict[str, str] | SourceTree, **options: Any) -> dict[str, FileOutcome]:
    """Outcomes by path."""
    provenance = options.pop("provenance", GIT)
    tree = files if isinstance(files, SourceTree) else tree_of(files)
    done = await apply_tree(tree, options.pop("paths", None), provenance, plane.deps, CAUSE, **options)
    return {outcome.path: outcome for outcome in done}


def told(outcomes: dict[str, FileOutcome]) -> dict[str, str]:
    """path -> result, with the version."""
    return {path: str(one.result) + (f" {one.version}" if one.version else "") for path, one in outcomes.items()}


async def read(plane: ControlPlane, kind: str, name: str, version: str | None = None) -> Resource:
    found = await plane.deps.store.read(ResourceKey(kind, name, version))
    assert found is not None
    return found


ALL_CREATED = {
    "a-deployment.yml": "created",
    "conda.yml": "ignored",
    "data/data.yml": "created 1",
    "endpoint.yml": "created",
    "environment.yml": "created 1",
    "job.yml": "created",
    "k8s.yaml": "ignored",
    "model.yml": "created 1",
    "schedule.yml": "created",
    "train.yml": "ignored",
    "values.yaml": "ignored",
}


async def test_everything_is_created_in_the_order_of_what_refers_to_what(plane: ControlPlane) -> None:
    outcomes = await apply(plane, EVERYTHING)
    assert told(outcomes) == ALL_CREATED, {p: (o.reason, o.faults) for p, o in outcomes.items()}
    deployment = await read(plane, "online-deployment", "diabetes.blue")
    assert deployment.spec["references"] == ["environment/score:1", "model/diabetes:1", "online-endpoint/diabetes"]
    assert [file["path"] for file in deployment.spec["files"]] == ["src/score.py"]
    assert deployment.properties["mlflow.source.git.commit"] == "a" * 40
    assert deployment.properties["slipway.source.file"] == "a-deployment.yml"
    assert deployment.properties["slipway.source.line"] == "1"
    environment = await read(plane, "environment", "score", "1")
    assert environment.spec["nested"]["conda.yml"]["declaration"]["dependencies"] == ["python=3.11"]
    data = await read(plane, "data", "patients", "1")
    assert [file["path"] for file in data.spec["files"]] == ["patients.csv"]
    model = await plane.deps.registry.get("diabetes", "1")
    assert model.properties["azureml.git.branch"] == "main"
    assert model.spec["origin"]["id"] == f"https://git.example/models@{'a' * 40}#model.yml"
    assert b"".join([c async for c in plane.deps.artifacts.read(model.spec["files"][0]["sha256"])]) == b"weights"


async def test_applying_again_changes_nothing(plane: ControlPlane) -> None:
    await apply(plane, EVERYTHING)
    before = await plane.deps.store.list_history(RecordQuery(limit=1000))
    again = await apply(plane, EVERYTHING, provenance=GIT.model_copy(update={"commit": "b" * 40}))
    after = await plane.deps.store.list_history(RecordQuery(limit=1000))
    assert told(again) == {path: text.replace("created", "unchanged") for path, text in ALL_CREATED.items()}
    assert len(before.items) == len(after.items)


async def test_events_say_what_was_declared_and_where(plane: ControlPlane) -> None:
    await apply(plane, {"a/data.yml": DATA, "a/patients.csv": "1"})
    (record,) = (await plane.deps.store.list_events(RecordQuery(types=("Slipway.ResourceDeclared",)))).items
    assert record.event.subject == "data/patients:1"
    assert record.event.data == {
        "kind": "data",
        "name": "patients",
        "version": "1",
        "generation": 1,
        "source": "models",
        "file": "a/data.yml",
        "line": 1,
        "commit": "a" * 40,
    }
    await apply(plane, {"a/data.yml": DATA + "description: more\n", "a/patients.csv": "1"})
    assert (await events_of(plane))[-1] == "Slipway.ResourceUpdated"


async def test_a_dry_run_says_the_same_and_writes_nothing(plane: ControlPlane) -> None:
    assert told(await apply(plane, EVERYTHING, dry_run=True)) == ALL_CREATED
    assert (await plane.deps.store.list_history(RecordQuery(limit=10))).items == ()
    assert list((Path(plane.deps.settings.data_dir) / "artifacts").rglob("*.onnx")) == []


async def test_what_changed_is_told_by_its_place(plane: ControlPlane) -> None:
    await apply(plane, EVERYTHING)
    changed = {**EVERYTHING, "endpoint.yml": ENDPOINT.replace("key", "aml_token"), "src/score.py": "def run(): 2\n"}
    plan = await apply(plane, changed, dry_run=True)
    assert told(plan)["endpoint.yml"] == "updated"
    (change,) = plan["endpoint.yml"].changes
    assert (change.pointer, change.before, change.after) == ("/declaration/auth_mode", "key", "aml_token")
    assert [c.pointer for c in plan["a-deployment.yml"].changes] == ["/files/src~1score.py"]
    assert told(await apply(plane, changed)) == told(plan)
    endpoint = await read(plane, "online-endpoint", "diabetes")
    assert endpoint.generation == 2
    described = {**changed, "endpoint.yml": changed["endpoint.yml"] + "description: hello\n"}
    assert told(await apply(plane, described))["endpoint.yml"] == "updated"
    assert (await read(plane, "online-endpoint", "diabetes")).generation == 2


@pytest.mark.parametrize(
    ("path", "before", "after", "file"),
    [
        ("environment.yml", "name: e\nimage: a:1\n", "name: e\nimage: a:2\n", ""),
        ("environment.yml", "name: e\nimage: a:1\nversion: 3\n", "name: e\nimage: a:2\nversion: 3\n", "/image"),
        ("model.yml", "name: m\npath: f\n", "name: m\npath: f\ntype: triton_model\n", ""),
        ("model.yml", "name: m\npath: f\nversion: 3\n", "name: m\npath: f\nversion: 3\nrun_id: r\n", "/run_id"),
    ],
)
async def test_a_changed_asset_is_the_next_version_or_refused(
    plane: ControlPlane, path: str, before: str, after: str, file: str
) -> None:
    await apply(plane, {path: before, "f": "x"})
    outcome = (await apply(plane, {path: after, "f": "x"}))[path]
    if not file:
        assert (outcome.result, outcome.version) == ("created", "2")
        back = (await apply(plane, {path: before, "f": "x"}))[path]
        assert (back.result, back.version) == ("created", "3")
        return
    assert outcome.result == "refused"
    assert "never change" in outcome.reason
    assert outcome.faults[0]["pointer"] == file
    assert outcome.faults[0]["line"] == (2 if path == "environment.yml" else 4)


async def test_other_bytes_are_another_version(plane: ControlPlane) -> None:
    await apply(plane, {"model.yml": "name: m\npath: f\n", "f": "x"})
    assert (await apply(plane, {"model.yml": "name: m\npath: f\n", "f": "y"}))["model.yml"].version == "2"
    explicit = {"model.yml": "name: m\npath: f\nversion: 2\n", "f": "z"}
    refused = (await apply(plane, explicit))["model.yml"]
    assert (refused.result, refused.changes[0].pointer) == ("refused", "/files/f")


async def test_what_may_change_of_a_version_is_updated_in_place(plane: ControlPlane) -> None:
    await apply(plane, {"model.yml": "name: m\npath: f\ntags: {a: '1'}\n", "f": "x"})
    changed = "name: m\npath: f\ntags: {a: '2'}\nstage: Production\ndescription: d\nproperties: {p: '1'}\n"
    outcome = (await apply(plane, {"model.yml": changed, "f": "x"}))["model.yml"]
    assert (outcome.result, outcome.version) == ("updated", "1")
    version = await plane.deps.registry.get("m", "1")
    assert (version.tags, version.description, version.spec["stage"]) == ({"a": "2"}, "d", "Production")
    assert version.properties["p"] == "1"
    assert (await apply(plane, {"model.yml": changed, "f": "x"}))["model.yml"].result == "unchanged"
    other = changed.replace("p: '1'", "p: '2'")
    assert (await apply(plane, {"model.yml": other, "f": "x"}))["model.yml"].version == "2"


async def test_a_refused_file_leaves_the_others_and_what_needs_it_says_why(plane: ControlPlane) -> None:
    outcomes = await apply(plane, {**EVERYTHING, "environment.yml": ENVIRONMENT + "imgae: x\n"})
    assert told(outcomes) == {
        **ALL_CREATED,
        "environment.yml": "refused",
        "a-deployment.yml": "refused",
        "job.yml": "refused",
        "schedule.yml": "created",
    }
    assert outcomes["environment.yml"].faults[0]["line"] == 4
    (fault,) = outcomes["a-deployment.yml"].faults
    assert (fault["line"], fault["pointer"]) == (5, "/environment")
    assert fault["message"] == "environment score@latest does not exist"
    assert outcomes["endpoint.yml"].reason == "it names deployments that do not exist yet: blue"


async def test_what_is_not_run_is_refused_with_what_to_do_instead(plane: ControlPlane) -> None:
    files = {"c.yml": "$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json\nname: c\n"}
    outcome = (await apply(plane, files))["c.yml"]
    assert outcome.result == "refused"
    assert "not supported" in str(outcome.faults[0]["message"])


async def test_two_files_that_declare_the_same_are_both_refused(plane: ControlPlane) -> None:
    outcomes = await apply(plane, {"a.yml": "name: e\nimage: a\n", "b.yml": "name: e\nimage: b\n"})
    assert told(outcomes) == {"a.yml": "refused", "b.yml": "refused"}
    assert outcomes["a.yml"].reason == "b.yml declares the same"


async def test_a_named_file_must_declare_something(plane: ControlPlane) -> None:
    assert (await apply(plane, {"v.yml": "replicas: 3\n"}, paths=["v.yml"]))["v.yml"].result == "refused"
    assert (await apply(plane, {}, paths=["gone.yml"]))["gone.yml"].result == "refused"


async def test_too_many_files_are_refused_as_a_whole(plane: ControlPlane) -> None:
    with pytest.raises(Invalid, match="too many"):
        await apply(plane, {f"{i}.yml": "a: 1" for i in range(5001)})


async def test_prune_takes_what_files_declared_that_are_gone(plane: ControlPlane) -> None:
    await apply(plane, EVERYTHING)
    left = {"model.onnx": "weights", "model.yml": MODEL, "broken.yml": "name: [\n"}
    assert told(await apply(plane, left)) == {"broken.yml": "refused", "model.yml": "unchanged 1"}
    plan = await apply(plane, left, prune=True, dry_run=True)
    outcomes = await apply(plane, left, prune=True)
    assert (
        told(outcomes)
        == told(plan)
        == {
            "broken.yml": "refused",
            "model.yml": "unchanged 1",
            "a-deployment.yml": "removed",
            "data/data.yml": "archived 1",
            "endpoint.yml": "removed",
            "environment.yml": "archived 1",
            "job.yml": "removed",
            "schedule.yml": "removed",
        }
    )
    assert await plane.deps.store.read(ResourceKey("online-deployment", "diabetes.blue")) is None
    assert (await read(plane, "environment", "score", "1")).status["archived"] is True
    assert (await read(plane, "environment", "score")).status["latest_version"] == ""
    assert told(await apply(plane, left, prune=True)) == {"broken.yml": "refused", "model.yml": "unchanged 1"}
    assert {"Slipway.ResourceArchived", "Slipway.ResourceDeleted"} <= set(await events_of(plane))


async def test_prune_leaves_what_is_in_use_and_what_others_declared(plane: ControlPlane) -> None:
    await apply(plane, EVERYTHING)
    other = GIT.model_copy(update={"source": "others"})
    assert await apply(plane, {}, prune=True, provenance=other) == {}
    await apply(plane, {"job.yml": JOB, "src/a.py": ""}, provenance=other)  # uses the environment and the data
    left = {path: text for path, text in EVERYTHING.items() if path not in ("environment.yml", "a-deployment.yml")}
    outcomes = await apply(plane, left, prune=True)
    assert told(outcomes)["environment.yml"] == "refused 1"
    assert "in use by job/job" in outcomes["environment.yml"].reason
    assert told(outcomes)["a-deployment.yml"] == "removed"


async def test_a_file_that_moved_keeps_what_it_declared(plane: ControlPlane) -> None:
    await apply(plane, {"endpoint.yml": ENDPOINT, "environment.yml": "name: e\nimage: a\n"})
    moved = {"prod/endpoint.yml": ENDPOINT, "prod/environment.yml": "name: e\nimage: a\n"}
    outcomes = await apply(plane, moved, prune=True)
    assert told(outcomes) == {"prod/endpoint.yml": "updated", "prod/environment.yml": "unchanged 1"}
    endpoint = await read(plane, "online-endpoint", "diabetes")
    assert (endpoint.generation, endpoint.properties["slipway.source.file"]) == (1, "prod/endpoint.yml")


async def test_an_archived_version_that_is_declared_again_comes_back(plane: ControlPlane) -> None:
    files = {"environment.yml": "name: e\nversion: '1.0'\nimage: a\n"}
    await apply(plane, files)
    await apply(plane, {}, prune=True)
    assert told(await apply(plane, files)) == {"environment.yml": "updated 1.0"}
    assert (await read(plane, "environment", "e")).status["latest_version"] == "1.0"


async def test_two_who_apply_at_once_make_everything_once(tmp_path: Path) -> None:
    planes = [make_plane(tmp_path / "data") for _ in range(2)]
    results = await asyncio.gather(*(apply(one, EVERYTHING) for one in planes))
    for outcomes in results:
        assert "refused" not in {one.result for one in outcomes.values()}
        assert outcomes["model.yml"].version == outcomes["environment.yml"].version == "1"
    assert (await read(planes[0], "model", "diabetes")).status["next_version"] == 2
    assert (await read(planes[0], "environment", "score")).status["next_version"] == 2
    assert "created" not in " ".join(told(await apply(planes[0], EVERYTHING)).values())


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 7\n"


async def test_large_files_and_what_lfs_points_to_are_opened(plane: ControlPlane) -> None:
    import hashlib

    async def open_file(path: str) -> AsyncIterator[bytes]:
        yield b"wei"
        yield b"ghts"

    large = SourceTree({"model.yml": MODEL.encode()}, {"model.onnx": 7}, open_file=open_file)
    assert told(await apply(plane, large)) == {"model.yml": "created 1"}
    pointer = POINTER.format(hashlib.sha256(b"weights").hexdigest())
    lfs = tree_of({"model.yml": MODEL, "model.onnx": pointer}, lfs_pointers=frozenset({"model.onnx"}))
    assert told(await apply(plane, lfs)) == {"model.yml": "unchanged 1"}
    new = POINTER.format("0" * 64)
    lfs = tree_of({"model.yml": MODEL, "model.onnx": new}, lfs_pointers=frozenset({"model.onnx"}))
    refused = (await apply(plane, lfs))["model.yml"]
    assert refused.result == "refused"
    assert "Git LFS pointer" in refused.reason


async def test_a_model_that_is_elsewhere_is_brought_by_an_upload(plane: ControlPlane) -> None:
    files = {"model.yml": "name: far\npath: https://models.example/m.onnx\n"}
    first = (await apply(plane, files))["model.yml"]
    assert (first.result, first.version) == ("created", None)
    assert "see upload g-" in first.reason
    again = (await apply(plane, files))["model.yml"]
    assert (again.result, again.reason) == ("unchanged", first.reason)


async def test_paths_do_not_lead_out_of_the_tree(plane: ControlPlane) -> None:
    outcomes = await apply(
        plane,
        {
            "a/model.yml": "name: m\npath: ../../etc/passwd\n",
            "a/data.yml": "name: d\npath: ../../x\ntype: uri_file\n",
            "a/beside.yml": "$schema: x/model.schema.json\nname: beside\npath: ../weights/m.bin\n",
            "weights/m.bin": "1",
        },
    )
    assert told(outcomes) == {"a/model.yml": "refused", "a/data.yml": "refused", "a/beside.yml": "created 1"}
    version = await plane.deps.registry.get("beside", "1")
    assert [file["path"] for file in version.spec["files"]] == ["m.bin"]


async def test_prune_of_one_branch_leaves_what_another_declared(plane: ControlPlane) -> None:
    files = {"endpoint.yml": ENDPOINT}
    await apply(plane, files)
    other = GIT.model_copy(update={"ref": "refs/heads/release"})
    assert await apply(plane, {}, prune=True, provenance=other) == {}
    assert told(await apply(plane, {}, prune=True)) == {"endpoint.yml": "removed"}


async def test_a_declared_property_cannot_pass_for_the_place_it_comes_from(plane: ControlPlane) -> None:
    spoofed = "properties: {slipway.source: others, azureml.git.commit: none, mine: '1'}\n"
    await apply(plane, {"e.yml": "name: e\nimage: a\n" + spoofed, "model.yml": MODEL + spoofed, "model.onnx": "w"})
    for kind, name in (("environment", "e"), ("model", "diabetes")):
        found = (await read(plane, kind, name, "1")).properties
        assert (found["slipway.source"], found["azureml.git.commit"], found["mine"]) == ("models", "a" * 40, "1")


async def test_a_sync_that_remembers_a_file_does_not_keep_it(plane: ControlPlane) -> None:
    await apply(plane, {"data.yml": DATA, "patients.csv": "1"})
    spec = SyncSpec(repository="models", trigger=Trigger.MANUAL, provenance=GIT)
    await apply_and_record(tree_of({"data.yml": DATA, "patients.csv": "2"}), None, spec, plane.deps, CAUSE)
    (sync,) = (await plane.deps.store.list_resources(ResourceQuery("sync"))).items
    assert "sha256:" in json.dumps(sync.status)
    assert digests_of(sync) == set()


@pytest.mark.parametrize("url", ["https://me:pw@git.example/x.git", "https://:pw@git.example/x.git"])
def test_a_password_in_a_url_is_not_taken(url: str) -> None:
    with pytest.raises(ValueError, match="password"):
        Provenance(source="x", repository_url=url)
    assert Provenance(source="x", repository_url="ssh://git@git.example:22/x.git").repository_url


async def test_what_was_removed_can_be_declared_again_and_its_history_goes_on(plane: ControlPlane) -> None:
    for expected in ("created", "removed", "created", "removed", "created"):
        files = {"endpoint.yml": ENDPOINT} if expected == "created" else {}
        assert told(await apply(plane, files, prune=True)) == {"endpoint.yml": expected}
    key = ResourceKey("online-endpoint", "diabetes")
    records = (await plane.deps.store.list_history(RecordQuery(partition=key.partition, key=str(key)))).items
    assert [one.action for one in records] == ["created", "deleted", "created", "deleted", "created"]
    found = await read(plane, "online-endpoint", "diabetes", None)
    assert breaks(records, last_hash=found.history_hash) == []
