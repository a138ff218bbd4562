"""`slipway model push` and `download`: what is sent, what is refused, and that the bytes are the right ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.cli import Cli
from tests.doubles.rest_api import KEY, Reply, Request, RestApi, problem, running_rest_api, upload_document

MANIFEST = "name: diabetes\npath: model.onnx\ntags: {a: '1', day: 2026-11-23}\n"


@pytest.fixture
def api() -> Iterator[RestApi]:
    with running_rest_api() as server:
        yield server


@pytest.fixture
def cli(api: RestApi, tmp_path: Path) -> Cli:
    return Cli(api.url, tmp_path / "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.yml").write_text(MANIFEST)
    (folder / "model.onnx").write_bytes(b"the model" * 100_000)
    return folder


def registered(api: RestApi, name: str = "diabetes") -> dict[str, str]:
    """path -> SHA-256 of the newest version."""
    return {file["path"]: file["sha256"] for file in api.models[name][-1]["files"]}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- push ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("what", ["", "model.yml"])
def test_a_folder_or_its_manifest_is_registered(cli: Cli, api: RestApi, folder: Path, what: str) -> None:
    result = cli("model", "push", str(folder / what))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Registered diabetes:1 (1 file, 900.0 kB)" in result.stdout
    assert registered(api) == {"model.onnx": sha256(folder / "model.onnx")}
    body = api.seen("POST", "/api/models")[0].json
    assert (body["manifest"], body["manifest_file"], body["files"]) == (MANIFEST, "model.yml", ["model.onnx"])


def test_the_key_goes_to_the_api_and_never_with_a_signed_url(cli: Cli, api: RestApi, folder: Path) -> None:
    assert cli("model", "push", str(folder)).exit_code == 0
    assert cli("model", "download", "diabetes", "--output-dir", str(folder / "out")).exit_code == 0
    signed = api.seen("PUT", "/signed/") + api.seen("GET", "/signed/")
    assert len(signed) == 2
    assert all("x-functions-key" not in request.headers for request in signed)
    assert all(request.headers["x-functions-key"] == KEY for request in api.requests if request not in signed)


def test_the_command_line_wins_over_the_manifest_and_adds_tags(cli: Cli, api: RestApi, folder: Path) -> None:
    arguments = ("--name", "other", "--description", "new", "--tag", "a=2", "--tag", "b=x=y", "-o", "json")
    version = json.loads(cli("model", "push", str(folder), *arguments).stdout)
    assert (version["name"], version["description"]) == ("other", "new")
    assert version["tags"] == {"a": "2", "day": "2026-11-23", "b": "x=y"}


def test_a_bare_file_needs_a_name(cli: Cli, api: RestApi, folder: Path) -> None:
    refused = cli("model", "push", str(folder / "model.onnx"))
    assert (refused.exit_code, api.requests) == (2, [])
    assert "--name" in refused.stderr
    made = cli("model", "push", str(folder / "model.onnx"), "--name", "bare", "--type", "triton_model")
    assert made.exit_code == 0
    assert api.models["bare"][0]["type"] == "triton_model"
    assert list(registered(api, "bare")) == ["model.onnx"]


def test_a_bare_folder_keeps_its_tree_and_tells_what_is_hidden(cli: Cli, api: RestApi, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for path in ("MLmodel", "data/weights.bin", "data/leer räum", ".git/config", "data/.DS_Store"):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(path)
    result = cli("model", "push", str(tree), "--name", "tree")
    assert result.exit_code == 0
    assert list(registered(api, "tree")) == ["tree/MLmodel", "tree/data/leer räum", "tree/data/weights.bin"]
    assert "Not sent, because hidden: tree/.git, tree/data/.DS_Store" in result.stderr


def test_the_folder_of_the_manifest_itself_leaves_the_manifest_out(cli: Cli, api: RestApi, folder: Path) -> None:
    (folder / "model.yml").write_text("name: all\npath: ./\n")
    (folder / "labels.txt").write_text("a")
    assert cli("model", "push", str(folder)).exit_code == 0
    assert list(registered(api, "all")) == ["labels.txt", "model.onnx"]


def test_an_empty_file_is_a_file(cli: Cli, api: RestApi, folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"")
    assert cli("model", "push", str(folder)).exit_code == 0
    assert registered(api) == {"model.onnx": hashlib.sha256(b"").hexdigest()}


def test_what_the_manifest_names_must_be_there(cli: Cli, api: RestApi, folder: Path) -> None:
    (folder / "model.onnx").unlink()
    result = cli("model", "push", str(folder))
    assert (result.exit_code, api.requests) == (4, [])
    assert "model.onnx" in result.stderr


@pytest.mark.parametrize("path", ["model.yaml", "model.yml"])
def test_two_manifests_or_none_are_a_usage_error(cli: Cli, folder: Path, path: str) -> None:
    if path == "model.yaml":
        (folder / path).write_text(MANIFEST)
    else:
        (folder / path).unlink()
    assert cli("model", "push", str(folder)).exit_code == 2


@pytest.mark.parametrize(
    "text", ["path: model.onnx\n", "name: [\n", "path: ../up\n", "- 1\n", "path: https://x/y\n", ""]
)
def test_the_server_says_what_is_wrong_with_a_manifest(cli: Cli, api: RestApi, folder: Path, text: str) -> None:
    (folder / "model.yml").write_text(text)
    api.interpose = lambda r: (
        problem(
            422,
            "Invalid",
            "the upload was refused",
            [
                {"message": "bad", "pointer": "/name", "file": r.json["manifest_file"], "line": 1, "column": 7},
                {"message": "worse", "allowed": "better"},
            ],
            "correct it",
        )
        if r.path == "/api/models"
        else None
    )
    result = cli("model", "push", str(folder))
    assert result.exit_code == 4
    assert f"  {folder / 'model.yml'}:1:7: /name: bad\n  worse (allowed: better)\nTo do: correct it" in result.stderr
    if "model.onnx" not in text:
        assert api.seen("PUT", "/signed/") == []


def test_links_to_folders_are_refused_and_links_to_files_followed(cli: Cli, api: RestApi, tmp_path: Path) -> None:
    tree, blob = tmp_path / "tree", tmp_path / "blob"
    tree.mkdir()
    blob.write_text("content")
    (tree / "file").symlink_to(blob)
    assert cli("model", "push", str(tree), "--name", "tree").exit_code == 0
    assert registered(api, "tree") == {"tree/file": sha256(blob)}
    (tree / "loop").symlink_to(tree)
    result = cli("model", "push", str(tree), "--name", "tree")
    assert result.exit_code == 4
    assert "link" in result.stderr


def test_an_upload_that_waits_is_waited_for(cli: Cli, api: RestApi, folder: Path) -> None:
    looks: list[Request] = []

    def late(request: Request) -> Reply | None:
        if request.path == "/api/models":
            return Reply(202, upload_document(request.json["upload_id"]))
        if request.path.startswith("/api/uploads/"):
            looks.append(request)
            if len(looks) == 2:
                content = (folder / "model.onnx").read_bytes()
                api.add_version({"name": "diabetes"}, {"model.onnx": content})
            model_id = "diabetes:1" if len(looks) == 2 else None
            return Reply(200, upload_document("u-00000000", model_id=model_id))
        return None

    api.interpose = late
    result = cli("model", "push", str(folder))
    assert result.exit_code == 0, result.stderr
    assert "Registered diabetes:1" in result.stdout


@pytest.mark.parametrize(
    ("changes", "exit_code", "words"),
    [
        ({"missing": ["weights.bin"]}, 7, "files missing: weights.bin"),
        ({"phase": "Failed", "faults": [{"message": "bad", "line": 3}]}, 4, "3: bad"),
        ({"phase": "Superseded"}, 4, "waiting for files"),
    ],
)
def test_an_upload_that_does_not_register_says_why(
    cli: Cli, api: RestApi, folder: Path, changes: dict[str, object], exit_code: int, words: str
) -> None:
    api.interpose = lambda r: Reply(202, upload_document("u-1", **changes)) if r.path == "/api/models" else None
    result = cli("model", "push", str(folder), "--timeout-s", "0.1")
    assert result.exit_code == exit_code
    assert words in result.stderr


def test_bytes_that_changed_on_the_way_are_sent_again(cli: Cli, api: RestApi, folder: Path) -> None:
    wrong = Reply(201, headers={"x-ms-content-sha256": "0" * 64})
    api.interpose = lambda r: wrong if r.method == "PUT" and len(api.seen("PUT", "/signed/")) == 1 else None
    assert cli("model", "push", str(folder)).exit_code == 0
    assert len(api.seen("PUT", "/signed/")) == 2


def test_a_version_with_other_bytes_than_were_sent_is_a_failure(cli: Cli, api: RestApi, folder: Path) -> None:
    api.interpose = lambda r: (
        Reply(201, api.add_version({"name": "diabetes"}, {"model.onnx": b"other"})) if r.path == "/api/models" else None
    )
    result = cli("model", "push", str(folder))
    assert result.exit_code == 1
    assert "other content" in result.stderr


def test_a_refused_signed_url_is_told_without_its_signature(cli: Cli, api: RestApi, folder: Path) -> None:
    refusal = Reply(403, headers={"x-ms-error-code": "AuthenticationFailed"})
    api.interpose = lambda r: refusal if r.method == "PUT" else None
    result = cli("model", "push", str(folder))
    assert result.exit_code == 5
    assert "(AuthenticationFailed)" in result.stderr
    assert "secret-signature" not in result.output


# --- download ------------------------------------------------------------------------------------------------------
def test_a_version_is_downloaded_into_a_folder_of_its_name(
    cli: Cli, api: RestApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    api.add_version({"name": "m"}, {"m/a b.bin": b"first" * 1000, "m/sub/c": b""})
    api.add_version({"name": "m"}, {"x": b"second"})
    assert cli("model", "download", "m:1").exit_code == 0
    assert cli("model", "download", "m@latest").exit_code == 0
    files = {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {"m-1/m/a b.bin": b"first" * 1000, "m-1/m/sub/c": b"", "m-2/x": b"second"}


def test_nothing_is_overwritten_unless_forced(cli: Cli, api: RestApi, tmp_path: Path) -> None:
    api.add_version({"name": "m"}, {"a": b"a", "b": b"b"})
    (tmp_path / "b").write_text("mine")
    arguments = ("model", "download", "m", "--output-dir", str(tmp_path))
    refused = cli(*arguments)
    assert refused.exit_code == 4
    assert "--force" in refused.stderr
    assert ((tmp_path / "b").read_text(), (tmp_path / "a").exists()) == ("mine", False)
    assert cli(*arguments, "--force").exit_code == 0
    assert (tmp_path / "b").read_text() == "b"


@pytest.mark.parametrize("damage", [b"the modeL", b"the mode", b"the model and more"])
def test_damaged_bytes_are_not_kept(cli: Cli, api: RestApi, tmp_path: Path, damage: bytes) -> None:
    version = api.add_version({"name": "m"}, {"f": b"the model"})
    api.blobs[version["files"][0]["sha256"]] = damage
    out = tmp_path / "out"
    result = cli("model", "download", "m", "--output-dir", str(out), "--timeout-s", "0.1")
    assert result.exit_code == 1
    assert "arrived damaged" in result.stderr
    assert list(out.iterdir()) == []


def test_a_download_that_breaks_is_begun_again(cli: Cli, api: RestApi, tmp_path: Path) -> None:
    api.add_version({"name": "m"}, {"f": b"the model"})
    part = Reply(200, content=b"the", headers={"Content-Length": "9"}, cut_after=True)
    api.interpose = lambda r: part if r.path.startswith("/signed/") and len(api.seen("GET", "/signed/")) == 1 else None
    assert cli("model", "download", "m", "--output-dir", str(tmp_path)).exit_code == 0
    assert (tmp_path / "f").read_bytes() == b"the model"


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "a/../../evil", "a\\evil", "c:evil", "out/evil", "", "."])
def test_the_server_cannot_write_outside_the_folder(cli: Cli, api: RestApi, tmp_path: Path, path: str) -> None:
    api.add_version({"name": "m"}, {path: b"evil"})
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    result = cli("model", "download", "m", "--output-dir", str(folder), "--force")
    assert result.exit_code == 4
    assert api.seen("GET", "/api/models/m/versions/1/files") == []
    assert [p for p in tmp_path.rglob("*evil*")] == []
