"""A signed push to a real `slipway up`, which is killed in the middle of the sync; the token is told to nobody."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import subprocess
from pathlib import Path
from typing import Any

import aiohttp

from tests.doubles.git_http_server import git_http_server
from tests.scenarios.local_host import running
from tests.scenarios.rest import get, listed
from tests.scenarios.test_git_sync import ENVIRONMENT

SECRET, OLD_SECRET, TOKEN = "the new secret", "the old secret", "s3cret-token-of-the-repository"
FILES = 80


def served(folder: Path) -> str:
    """A served repository with FILES declared environments; its commit."""
    bare, work = folder / "served" / "models.git", folder / "work"
    work.mkdir(parents=True)
    for index in range(FILES):
        (work / f"e{index}.yml").write_text(ENVIRONMENT.format(index).replace("score", f"e{index}"))
    git = ["git", "-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    subprocess.run(["git", "-C", str(bare), "config", "uploadpack.allowAnySHA1InWant", "true"], check=True)
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["commit", "-q", "-m", "x"],
        ["push", "-q", str(bare), "main"],
    ):
        subprocess.run([*git, *command], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


async def push(http: aiohttp.ClientSession, url: str, commit: str, secret: str, delivery: str) -> tuple[int, Any]:
    payload = {"ref": "refs/heads/main", "before": "0" * 40, "after": commit, "repository": {"clone_url": url}}
    body = json.dumps(payload).encode()
    headers = {
        "x-github-event": "push",
        "x-github-delivery": delivery,
        "x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "x-functions-key": "",
    }
    async with http.post("/api/webhooks/github", data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_killed_sync_is_ended_after_the_restart_and_the_token_is_nowhere(tmp_path: Path) -> None:
    commit = served(tmp_path)
    async with git_http_server(tmp_path / "served", password=TOKEN) as git:
        url = f"{git}/models.git"
        repository = {"name": "models", "url": url, "provider": "github", "allow_http": True, "report": False}
        settings = {
            "SLIPWAY_GIT_REPOSITORIES": json.dumps(
                [{**repository, "secret_names": ["hook"], "token_secret_name": "reader"}]
            ),
            "SLIPWAY_GIT_SECRET_HOOK": SECRET,
            "SLIPWAY_GIT_SECRET_HOOK_PREVIOUS": OLD_SECRET,
            "SLIPWAY_GIT_TOKEN_READER": TOKEN,
            "SLIPWAY_RETRY_BASE_S": "0.2",
        }
        async with running(tmp_path / "data", **settings) as host, host.client() as http:
            status, refused = await push(http, url, commit, "wrong", "d-0")
            assert (status, refused["code"]) == (401, "Unauthorized")
            status, received = await push(http, url, commit, OLD_SECRET, "d-1")
            assert status == 202
            while not await listed(http, "/api/resources/environment"):
                await asyncio.sleep(0.005)
            assert (await get(http, "/api/health"))["deliveries_refused"] == {"Unauthorized": 1}
            host.kill()
        async with running(tmp_path / "data", **settings) as host, host.client() as http:
            assert await push(http, url, commit, SECRET, "d-1") == (202, received)
            async with asyncio.timeout(90):
                while (sync := await get(http, f"/api/syncs/{received['sync_id']}"))["phase"] in (
                    "Pending",
                    "Applying",
                ):
                    await asyncio.sleep(0.1)
            assert sync["phase"] == "Succeeded", sync
            assert sum(sync["status"]["counts"].values()) == FILES
            assert len(await listed(http, "/api/resources/environment")) == FILES
            succeeded = await listed(http, "/api/events", type="Slipway.SyncSucceeded")
            assert [one["data"]["repository"] for one in succeeded] == ["models"]
            log = host.log()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    for secret in (TOKEN, SECRET, OLD_SECRET):
        assert secret.encode() not in kept
        assert secret not in log
