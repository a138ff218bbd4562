"""The registry's commands against a real `slipway up`."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

from click.testing import Result

from tests.doubles.cli import Cli
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.rest import push


async def slipway(host: LocalHost, *arguments: str, code: int = 0) -> Result:
    """The result of the command, which finds server and key in the data folder."""
    cli = Cli(host.url, host.data_dir)
    result = await asyncio.to_thread(cli, *arguments, key=None, SLIPWAY_URL=None)
    assert result.exit_code == code, result.output
    return result


async def test_versions_are_found_labelled_archived_and_deleted(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        await push(http, "a", {"model.bin": b"one"})
        await push(http, "a", {"model.bin": b"two"})
        await push(http, "b", {"model.bin": b"three"})
        await slipway(host, "model", "tag", "a:1", "owner=ml,team", "day=1")
        await slipway(host, "model", "tag", "a:1", "day-")
        found = json.loads((await slipway(host, "model", "list", "a", "--tag", "owner=ml,team", "-o", "json")).stdout)
        assert [(one["id"], one["tags"]["owner"], "day" in one["tags"]) for one in found["items"]] == [
            ("a:1", "ml,team", False)
        ]

        await slipway(host, "model", "label", "a:1", "champion")
        assert "a@champion is a:2" in (await slipway(host, "model", "label", "a:2", "champion", "--expect", "1")).stdout
        await slipway(host, "model", "label", "a:1", "champion", "--expect", "1", code=4)
        assert "a:2" in (await slipway(host, "model", "show", "azureml:a@champion")).stdout
        await slipway(host, "model", "label", "a", "champion-")
        await slipway(host, "model", "show", "a@champion", code=3)

        await slipway(host, "model", "archive", "b")
        assert "b" not in [line.split()[0] for line in (await slipway(host, "model", "list")).stdout.splitlines()]
        assert "b" in [
            line.split()[0] for line in (await slipway(host, "model", "list", "--archived")).stdout.splitlines()
        ]
        await slipway(host, "model", "restore", "b")

        await slipway(host, "model", "delete", "a:1", code=2)
        await slipway(host, "model", "delete", "a:1", "-y")
        await slipway(host, "model", "show", "a:1", code=3)
        assert "deleted" in (await slipway(host, "model", "history", "a:1")).stdout
        await slipway(host, "audit", "verify")


async def test_a_version_in_use_is_not_deleted_and_its_users_are_named(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        await push(http, "base", {"model.bin": b"one"})
        await push(http, "derived", {"model.bin": b"two"}, parent="base:1")
        refused = await slipway(host, "model", "delete", "base:1", "-y", code=4)
        assert "model/derived:1 uses it" in refused.stderr
        assert "base:1" in (await slipway(host, "model", "show", "base:1")).stdout
        await slipway(host, "model", "delete", "derived:1", "-y")
        await slipway(host, "model", "delete", "base:1", "-y")


async def test_two_versions_are_compared(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        await push(http, "a", {"model.bin": b"one"}, tags={"day": "1"})
        await push(http, "a", {"model.bin": b"two"}, tags={"day": "1", "owner": "me"})
        found = json.loads((await slipway(host, "model", "diff", "a:1", "2", "-o", "json")).stdout)
        changes = {c["what"]: c["change"] for c in found["changes"]}
        assert changes == {"tags/owner": "added", "files/model.bin": "changed"}
        await slipway(host, "model", "diff", "a:1", "a:2", "--exit-code", code=1)
        await slipway(host, "model", "diff", "a:2", "a:2", "--exit-code")


async def test_a_policy_is_tried_on_what_is_registered(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"properties": {"tags": {"required": ["owner"]}}}))
    async with running(tmp_path / "data") as host, host.client() as http:
        await push(http, "a", {"model.bin": b"one"})
        assert "a:1" in (await slipway(host, "policy", "test", str(policy), code=4)).stdout
        await slipway(host, "model", "tag", "a:1", "owner=me")
        assert "1 checked, 0 would be refused" in (await slipway(host, "policy", "test", str(policy))).stdout
        await slipway(host, "policy", "show", code=3)


async def test_what_is_changed_in_the_database_behind_slipways_back_is_found(tmp_path: Path) -> None:
    export = tmp_path / "export.jsonl"
    async with running(tmp_path / "data") as host, host.client() as http:
        await push(http, "a", {"model.bin": b"one"})
        await slipway(host, "audit", "export", str(export))
        assert "no breaks" in (await slipway(host, "audit", "verify", "--against", str(export))).stdout
        removed = _cut_the_end_off(host.data_dir)
        result = await slipway(host, "audit", "verify", "--against", str(export), code=4)
        assert f"{removed} revision" in result.stdout
        assert "vanished since the export" in result.stdout
        assert (
            "is not what the resource was last written with" in (await slipway(host, "audit", "verify", code=4)).stdout
        )


def _cut_the_end_off(data_dir: Path) -> str:
    """The upload whose newest history record is deleted now, as somebody who can write the file could."""
    with sqlite3.connect(data_dir / "slipway.db", timeout=30) as database:
        database.execute("DROP TRIGGER history_is_never_deleted")
        key, revision = database.execute(
            "SELECT key, revision FROM history WHERE key LIKE 'upload/%' ORDER BY revision DESC"
        ).fetchone()
        database.execute("DELETE FROM history WHERE key = ? AND revision = ?", (key, revision))
    database.close()
    return str(key)
