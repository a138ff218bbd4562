"""What is recorded of the working copy and the build that a model is pushed from: real repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shared.cli.git_provenance import provenance


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "model.bin").write_text("one")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "remote", "add", "origin", "https://git.example.com/team/models.git")
    return folder


def test_a_working_copy_has_repository_branch_commit_and_whether_it_is_dirty(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    found = provenance(repository / "models" / "model.bin", {})
    for names, value in (
        (("azureml.git.repository_uri", "mlflow.source.git.repoURL"), "https://git.example.com/team/models.git"),
        (("azureml.git.branch", "mlflow.source.git.branch"), "main"),
        (("azureml.git.commit", "mlflow.source.git.commit"), commit),
        (("azureml.git.dirty",), "False"),
    ):
        assert {found.pop(name) for name in names} == {value}
    assert found == {}
    (repository / "models" / "model.bin").write_text("two")
    assert provenance(repository / "models", {})["azureml.git.dirty"] == "True"


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    found = provenance(repository, {})
    assert "azureml.git.branch" not in found
    assert found["azureml.git.commit"] == git(repository, "rev-parse", "HEAD")


def test_a_password_in_the_remote_is_not_recorded(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repository, "remote", "set-url", "origin", "https://me:s3cret@git.example.com/team/models.git")
    found = provenance(repository, {})
    told = capsys.readouterr().err
    assert "azureml.git.repository_uri" not in found
    assert "not recorded" in told
    assert "s3cret" not in told + str(found)


def test_outside_of_a_working_copy_and_in_an_empty_one(tmp_path: Path) -> None:
    assert provenance(tmp_path, {}) == {}
    git(tmp_path, "init", "-q", "-b", "trunk")
    assert provenance(tmp_path, {})["azureml.git.branch"] == "trunk"


@pytest.mark.parametrize(
    ("environ", "build_id", "build_uri"),
    [
        ({"BUILD_BUILDID": "7", "BUILD_BUILDURI": "vstfs:///Build/7"}, "7", "vstfs:///Build/7"),
        (
            {"GITHUB_RUN_ID": "8", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b"},
            "8",
            "https://github.com/a/b/actions/runs/8",
        ),
        ({"GITHUB_RUN_ID": "8"}, "8", None),
        ({"CI_PIPELINE_ID": "9", "CI_PIPELINE_URL": "https://gitlab/p/9"}, "9", "https://gitlab/p/9"),
        ({}, None, None),
    ],
)
def test_a_build_is_recorded(
    tmp_path: Path, environ: dict[str, str], build_id: str | None, build_uri: str | None
) -> None:
    found = provenance(tmp_path, environ)
    assert found.get("azureml.git.build_id") == build_id
    assert found.get("azureml.git.build_uri") == build_uri
