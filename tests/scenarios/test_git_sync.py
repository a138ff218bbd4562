"""Signed pushes to real repositories over smart HTTP: what is pushed becomes so, in whatever order it is told."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import subprocess
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.bootstrap import ControlPlane
from shared.errors import SlipwayError
from shared.git_intake import Received
from shared.ports import ResourceQuery
from shared.resources.base import Resource, ResourceKey
from tests.doubles.git_host_api import git_host_api
from tests.doubles.git_http_server import git_http_server
from tests.plane import CAUSE, events_of, make_plane

SECRET = "the secret of the webhook"
ENVIRONMENT = "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: score\nimage: a:{}\n"
ENDPOINT = (
    "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\n"
    "name: live\nauth_mode: key\ntags: {{revision: '{}'}}\n"
)


@dataclass
class Repository:
    """A working copy and the bare repository that is served."""

    work: Path
    url: str

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self.work), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, files: dict[str, str | None]) -> str:
        """Write (None: remove) and push; the commit id."""
        for path, text in files.items():
            file = self.work / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True) if text is None else file.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        self.git("push", "-q", "-f", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
async def repository(tmp_path: Path) -> AsyncIterator[Repository]:
    bare, work = tmp_path / "served" / "models.git", tmp_path / "work"
    for command in (
        ["git", "init", "-q", "--bare", "-b", "main", str(bare)],
        ["git", "clone", "-q", str(bare), str(work)],
    ):
        subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["git", "-C", str(bare), "config", "uploadpack.allowAnySHA1InWant", "true"], check=True)
    async with git_http_server(tmp_path / "served") as url:
        yield Repository(work, f"{url}/models.git")


@pytest.fixture
def plane(tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> ControlPlane:
    monkeypatch.setenv("SLIPWAY_GIT_SECRET_HOOK", SECRET)
    configured = [
        {
            "name": "models",
            "url": repository.url,
            "provider": "github",
            "allow_http": True,
            "secret_names": ["hook"],
            "prune": True,
        }
    ]
    return make_plane(tmp_path / "data", git_repositories=json.dumps(configured), retry_base_s=0.05)


def push_of(repository: Repository, commit: str | None, before: str = "0" * 40, ref: str = "refs/heads/main") -> Any:
    return {
        "ref": ref,
        "before": before,
        "after": commit or "0" * 40,
        "deleted": commit is None,
        "repository": {"clone_url": repository.url},
        "sender": {"login": "alice"},
    }


def pull_request_of(repository: Repository, head: str) -> Any:
    return {
        "action": "opened",
        "number": 3,
        "pull_request": {"head": {"sha": head, "ref": "topic"}, "base": {"ref": "main"}},
        "repository": {"clone_url": repository.url},
        "sender": {"login": "alice"},
    }


async def deliver(
    plane: ControlPlane, payload: Any, *, event: str = "push", delivery: str | None = None, secret: str = SECRET
) -> Received:
    body = json.dumps(payload).encode()
    headers = {
        "x-github-event": event,
        "x-github-delivery": delivery or str(uuid.uuid4()),
        "x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "content-type": "application/json",
    }
    return await plane.git_intake.deliver("github", headers, body, CAUSE)


async def settle(plane: ControlPlane, workers: int = 1) -> None:
    """Work until no sync is unfinished."""

    async def work() -> None:
        idle = 0
        while idle < 30:
            messages = await plane.deps.queue.receive(max_messages=4, visibility_timeout_s=60)
            idle = 0 if messages else idle + 1
            for message in messages:
                await plane.loop.work(message.body, message.id)
                await plane.deps.queue.delete(message)
            await asyncio.sleep(0 if messages else 0.05)

    await asyncio.gather(*(work() for _ in range(workers)))


async def sync_of(plane: ControlPlane, received: Received) -> Resource:
    found = await plane.deps.store.read(ResourceKey("sync", received.sync_id or ""))
    assert found is not None
    return found


async def revision(plane: ControlPlane) -> str:
    found = await plane.deps.store.read(ResourceKey("online-endpoint", "live"))
    return found.tags["revision"] if found else ""


async def test_a_signed_push_becomes_so_with_its_commit(plane: ControlPlane, repository: Repository) -> None:
    files: dict[str, str | None] = {"env/environment.yml": ENVIRONMENT.format("a"), "endpoint.yml": ENDPOINT.format(1)}
    commit = repository.commit({**files, "broken.yml": ENVIRONMENT.format("a") + "imgae: x\n"})
    received = await deliver(plane, push_of(repository, commit), delivery="d-1")
    assert (await deliver(plane, push_of(repository, commit), delivery="d-1")).sync_id == received.sync_id
    await settle(plane)
    sync = await sync_of(plane, received)
    assert sync.status["phase"] == "PartiallySucceeded", sync.status
    assert sync.status["counts"] == {"created": 2, "refused": 1}
    assert sync.status["commit"] == commit
    refused = sync.status["files"][0]
    assert (refused["path"], refused["faults"][0]["line"]) == ("broken.yml", 4)
    endpoint = await plane.deps.store.read(ResourceKey("online-endpoint", "live"))
    assert endpoint is not None
    assert endpoint.properties["mlflow.source.git.commit"] == commit
    assert endpoint.properties["azureml.git.branch"] == "main"
    assert endpoint.properties["slipway.source.file"] == "endpoint.yml"
    assert "Slipway.SyncPartiallySucceeded" in await events_of(plane)


async def test_a_file_that_is_gone_takes_along_what_it_declared(plane: ControlPlane, repository: Repository) -> None:
    first = repository.commit({"environment.yml": ENVIRONMENT.format("a"), "endpoint.yml": ENDPOINT.format(1)})
    await deliver(plane, push_of(repository, first))
    await settle(plane)
    second = repository.commit({"endpoint.yml": None})
    received = await deliver(plane, push_of(repository, second, first))
    await settle(plane)
    assert (await sync_of(plane, received)).status["counts"] == {"removed": 1, "unchanged": 1}
    assert await plane.deps.store.read(ResourceKey("online-endpoint", "live")) is None


async def test_late_and_forced_pushes_leave_what_the_branch_is_now(plane: ControlPlane, repository: Repository) -> None:
    first = repository.commit({"endpoint.yml": ENDPOINT.format(1)})
    second = repository.commit({"endpoint.yml": ENDPOINT.format(2)})
    await deliver(plane, push_of(repository, second, first))
    await settle(plane)
    late = await deliver(plane, push_of(repository, first))
    again = await deliver(plane, push_of(repository, second, first))
    await settle(plane)
    assert (await sync_of(plane, late)).status["superseded_by"] == second
    assert (await sync_of(plane, again)).status["phase"] == "Skipped"
    assert await revision(plane) == "2"
    repository.git("reset", "-q", "--hard", first)
    repository.git("push", "-q", "-f", "origin", "HEAD:main")
    await deliver(plane, push_of(repository, first, second))
    await settle(plane)
    assert await revision(plane) == "1"
    gone = await deliver(plane, push_of(repository, None, first))
    other = await deliver(plane, push_of(repository, first, ref="refs/heads/other"))
    assert (gone.sync_id, other.sync_id) == (None, None)
    assert await revision(plane) == "1"


@pytest.mark.parametrize("pushes", [20, pytest.param(200, marks=pytest.mark.slow)])
async def test_shuffled_and_doubled_pushes_converge_to_the_last_commit(
    plane: ControlPlane, repository: Repository, pushes: int
) -> None:
    payloads, before = [], "0" * 40
    for number in range(pushes):
        commit = repository.commit(
            {"endpoint.yml": ENDPOINT.format(number), "environment.yml": ENVIRONMENT.format(number)}
        )
        payloads.append((str(uuid.uuid4()), push_of(repository, commit, before)))
        before = commit
    told = payloads * 2
    random.Random(7).shuffle(told)
    working = asyncio.create_task(settle(plane, workers=4))
    for delivery, payload in told:
        await deliver(plane, payload, delivery=delivery)
    await working
    await settle(plane, workers=4)
    page = await plane.deps.store.list_resources(ResourceQuery("sync", limit=1000))
    assert len(page.items) == pushes
    ends = {one.status["phase"]: one.status["files"] for one in page.items}
    assert set(ends) <= {"Succeeded", "Superseded", "Skipped"}, ends
    assert await revision(plane) == str(pushes - 1)


async def test_a_pull_request_is_only_planned(plane: ControlPlane, repository: Repository) -> None:
    head = repository.commit({"endpoint.yml": ENDPOINT.format(1)})
    received = await deliver(plane, pull_request_of(repository, head), event="pull_request")
    await settle(plane)
    sync = await sync_of(plane, received)
    assert (sync.status["phase"], sync.status["counts"]) == ("Succeeded", {"created": 1})
    assert await plane.deps.store.read(ResourceKey("online-endpoint", "live")) is None


async def test_what_is_not_signed_for_this_repository_is_refused_and_counted(
    plane: ControlPlane, repository: Repository
) -> None:
    commit = repository.commit({"endpoint.yml": ENDPOINT.format(1)})
    for provider, headers, body in (
        ("github", {"x-github-event": "push", "x-github-delivery": "1"}, b"{}"),
        ("gitlab", {}, b"{}"),
        ("nobody", {}, b"{}"),
        ("github", {}, b"x" * (6 << 20)),
    ):
        with pytest.raises(SlipwayError):
            await plane.git_intake.deliver(provider, headers, body, CAUSE)
    with pytest.raises(SlipwayError):
        await deliver(plane, push_of(repository, commit), secret="another")
    foreign = push_of(repository, commit) | {"repository": {"clone_url": "https://git.example.com/x.git"}}
    with pytest.raises(SlipwayError):
        await deliver(plane, foreign)
    assert plane.git_intake.refused == {"Unauthorized": 3, "NotFound": 2, "TooLarge": 1}
    assert (await plane.deps.store.list_resources(ResourceQuery("sync"))).items == ()
    ping = await deliver(plane, {"zen": "x", "repository": {"clone_url": repository.url}}, event="ping")
    assert ping.sync_id is None


async def test_a_repository_that_is_down_is_tried_again_and_then_said(
    plane: ControlPlane, repository: Repository, tmp_path: Path
) -> None:
    commit = repository.commit({"endpoint.yml": ENDPOINT.format(1)})
    served = tmp_path / "served" / "models.git"
    received = await deliver(plane, push_of(repository, commit))
    served.rename(tmp_path / "away")
    await settle(plane)
    (tmp_path / "away").rename(served)
    failed = await sync_of(plane, received)
    if failed.status["phase"] == "Failed":
        await plane.loop.redrive(failed.key, CAUSE)
    await settle(plane)
    assert (await sync_of(plane, received)).status["phase"] == "Succeeded"
    assert await revision(plane) == "1"


async def test_the_host_is_told_how_the_commit_fares(
    plane: ControlPlane, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with git_host_api("t0ken") as host:
        monkeypatch.setenv("SLIPWAY_GIT_API_URL", host.url)
        monkeypatch.setenv("SLIPWAY_GIT_TOKEN_READER", "t0ken")
        (configured,) = json.loads(plane.deps.settings.git_repositories)
        setting = json.dumps([{**configured, "token_secret_name": "reader"}])
        plane = make_plane(plane.deps.settings.data_dir, git_repositories=setting)
        good = repository.commit({"endpoint.yml": ENDPOINT.format(1)})
        await deliver(plane, push_of(repository, good))
        await settle(plane)
        bad = repository.commit({"endpoint.yml": ENDPOINT.format(1) + "colour: red\n"})
        await deliver(plane, push_of(repository, bad))
        await settle(plane)
        told = [(path.rpartition("/")[2], body["state"]) for path, body in host.received]
        assert told == [(good, "pending"), (good, "success"), (bad, "pending"), (bad, "failure")]
        assert host.received[1][1]["description"] == "1 created"
        planned = repository.commit({"endpoint.yml": ENDPOINT.format(3)})
        await deliver(plane, pull_request_of(repository, planned), event="pull_request")
        await settle(plane)
        comments = [body["body"] for path, body in host.received if path.endswith("/issues/3/comments")]
        assert len(comments) == 1
        assert "| updated | `endpoint.yml` | online-endpoint live |" in comments[0]
        host.fail_with = web.Response(status=403)
        other = repository.commit({"endpoint.yml": ENDPOINT.format(2)})
        received = await deliver(plane, push_of(repository, other))
        await settle(plane)
        sync = await sync_of(plane, received)
        assert sync.status["phase"] == "Succeeded"  # a host that cannot be told is no failure of the sync
        assert {c["type"]: c["status"] for c in sync.status["conditions"]} == {"Applied": "True", "Reported": "False"}


async def test_a_host_that_lags_does_not_take_the_state_back(plane: ControlPlane, repository: Repository) -> None:
    first = repository.commit({"endpoint.yml": ENDPOINT.format(1)})
    second = repository.commit({"endpoint.yml": ENDPOINT.format(2)})
    await deliver(plane, push_of(repository, second, first))
    await settle(plane)
    repository.git("push", "-q", "origin", f"{second}:refs/heads/kept")
    repository.git("push", "-q", "-f", "origin", f"{first}:main")  # as a replica shows it that has not heard of it yet
    late = await deliver(plane, push_of(repository, first))
    await settle(plane)
    sync = await sync_of(plane, late)
    assert (sync.status["phase"], sync.status["superseded_by"]) == ("Superseded", second)
    assert await revision(plane) == "2"


async def test_folders_are_told_apart_and_only_they_are_looked_at(plane: ControlPlane, repository: Repository) -> None:
    (configured,) = json.loads(plane.deps.settings.git_repositories)
    setting = json.dumps([{**configured, "folders": ["a", "b"]}])
    plane = make_plane(plane.deps.settings.data_dir, git_repositories=setting)
    wrong = ENVIRONMENT.format("x") + "imgae: x\n"
    commit = repository.commit({"a/e.yml": ENVIRONMENT.format("x"), "b/e.yml": wrong, "e.yml": wrong})
    received = await deliver(plane, push_of(repository, commit))
    await settle(plane)
    files = {one["path"]: one for one in (await sync_of(plane, received)).status["files"]}
    assert {path: one["result"] for path, one in files.items()} == {"a/e.yml": "created", "b/e.yml": "refused"}
    assert files["b/e.yml"]["faults"][0]["file"] == "b/e.yml"
