"""The contract of GitRemote, against real repositories: a local path, and smart HTTP served by real git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.git.dulwich_remote import DulwichRemote
from shared.adapters.git.tree import Limits
from shared.errors import Invalid, NotFound, Retryable, Unauthorized
from shared.resources.git_repository import GitRepository
from tests.doubles.git_http_server import git_http_server

TOKEN = "ghp_not-to-be-seen"


def git(folder: Path, *arguments: str, stdin: bytes | None = None) -> str:
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
           for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.com"))}  # fmt: skip
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **who}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environ, input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(folder: Path, message: str = "Change", **files: str | bytes) -> str:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_yml", ".yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


@pytest.fixture(params=["path", "file", "http"])
async def url(request: pytest.FixtureRequest, work: Path) -> AsyncIterator[str]:
    if request.param == "http":
        async with git_http_server(work.parent, password=TOKEN) as base:
            yield f"{base}/models/.git"
    else:
        yield str(work) if request.param == "path" else work.as_uri()


def remote(url: str, limits: Limits | None = None, token: str | None = TOKEN, **fields: Any) -> DulwichRemote:
    repository = GitRepository(name="models", url=url, provider="generic", allow_http=True, **fields)
    return DulwichRemote(repository, lambda: token, limits)


async def test_a_snapshot_holds_the_configured_folders_at_a_commit(url: str, work: Path) -> None:
    commit(work, declared__model_yml="name: old")
    wanted = commit(work, "Retrain\n\nBody", declared__model_yml="name: a", other__x_yml="name: b", declared2__y="")
    commit(work, declared__model_yml="name: newer")
    snapshot = await remote(url, folders=["declared"]).snapshot(wanted)
    assert snapshot.files == {"declared/model.yml": b"name: a"}
    assert (snapshot.author_name, snapshot.author_email, snapshot.subject) == ("Ann", "ann@example.com", "Retrain")
    assert snapshot.read_text("declared/model.yml") == "name: a"
    assert not snapshot.exists("other/x.yml")


async def test_branches_are_resolved_until_they_are_deleted(url: str, work: Path) -> None:
    first = commit(work, a="1")
    git(work, "branch", "tune")
    assert await remote(url).resolve("refs/heads/tune") == first
    git(work, "branch", "-D", "tune")
    assert await remote(url).resolve("refs/heads/tune") is None


async def test_ancestors_are_told_across_merges_and_force_pushes(url: str, work: Path) -> None:
    base = commit(work, a="1")
    git(work, "checkout", "-q", "-b", "side")
    side = commit(work, b="1")
    git(work, "checkout", "-q", "main")
    replaced = commit(work, c="1")
    git(work, "reset", "-q", "--hard", base)
    commit(work, d="1")
    git(work, "merge", "-q", "--no-ff", "-m", "Merge", "side")
    merged = git(work, "rev-parse", "HEAD")
    subject = remote(url)
    assert await subject.is_ancestor(base, merged)
    assert await subject.is_ancestor(side, merged)
    assert not await subject.is_ancestor(merged, base)
    assert not await subject.is_ancestor(replaced, merged)
    with pytest.raises(Invalid):
        await remote(url, Limits(commits=1)).is_ancestor(base, merged)


async def test_what_is_no_plain_file_is_skipped_and_large_files_are_read_later(url: str, work: Path) -> None:
    (work / "link.yml").symlink_to("/etc/passwd")
    inner = commit(work, big=b"x" * 3_000_000, lfs="version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{inner},vendored")
    git(work, "commit", "-q", "-m", "Submodule")
    head = git(work, "rev-parse", "HEAD")
    snapshot = await remote(url).snapshot(head)
    assert set(snapshot.skipped) == {"link.yml", "vendored"}
    assert snapshot.large["big"].size_bytes == 3_000_000
    assert snapshot.lfs_pointers == {"lfs"}
    assert b"".join([chunk async for chunk in remote(url).open_file(head, "big")]) == b"x" * 3_000_000
    with pytest.raises(NotFound):
        [chunk async for chunk in remote(url).open_file(head, "link.yml")]


async def test_names_that_could_leave_a_folder_are_skipped(url: str, work: Path) -> None:
    blob = git(work, "hash-object", "-w", "--stdin", stdin=b"evil")
    inner = git(work, "mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    entries = f"040000 tree {inner}\t..\n040000 tree {inner}\t.GIT\n100644 blob {blob}\tgood\n"
    tree = git(work, "mktree", stdin=entries.encode())
    head = git(work, "commit-tree", tree, "-m", "Tricks")
    git(work, "update-ref", "refs/heads/main", head)
    snapshot = await remote(url).snapshot(head)
    assert set(snapshot.files) == {"good"}
    assert set(snapshot.skipped) == {"..", ".GIT"}


async def test_500_files_are_read_and_more_than_the_limit_refused(url: str, work: Path) -> None:
    head = commit(work, **{f"f{number}_yml": str(number) for number in range(500)})
    assert len((await remote(url).snapshot(head)).files) == 500
    with pytest.raises(Invalid, match="499"):
        await remote(url, Limits(files=499)).snapshot(head)
    with pytest.raises(Invalid, match="larger"):
        await remote(url, Limits(pack_bytes=100)).snapshot(head)


async def test_a_commit_that_is_not_there_is_not_found(url: str, work: Path) -> None:
    commit(work, a="1")
    expected = Retryable if url.startswith("http") else NotFound  # git http-backend says nothing, it hangs up
    with pytest.raises(expected):
        await remote(url).snapshot("1" * 40)


@pytest.mark.parametrize("token", [None, "ghp_wrong-token"])
async def test_a_refused_token_is_unauthorized_and_not_shown(work: Path, token: str | None) -> None:
    commit(work, a="1")
    async with git_http_server(work.parent, password=TOKEN) as base:
        with pytest.raises(Unauthorized) as caught:
            await remote(f"{base}/models/.git", token=token).resolve("refs/heads/main")
    assert "ghp_" not in str(caught.value)


@pytest.mark.parametrize("behaviour", ["hang", "break", "fail"])
async def test_a_server_that_does_not_answer_well_is_retryable(work: Path, behaviour: Any) -> None:
    async with git_http_server(work.parent, behaviour=behaviour) as base:
        with pytest.raises(Retryable):
            await remote(f"{base}/models/.git", Limits(timeout_s=0.3)).resolve("refs/heads/main")


async def test_a_server_that_is_down_is_retryable(work: Path) -> None:
    async with git_http_server(work.parent) as base:
        pass
    with pytest.raises(Retryable):
        await remote(f"{base}/models/.git").resolve("refs/heads/main")
