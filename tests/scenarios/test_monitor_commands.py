"""`slipway monitor` against a real `slipway up`: from declared files to a report of what drifted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from shared.adapters.local.endpoint_processes import stop_all
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.test_deployment_commands import runs
from tests.scenarios.test_endpoints import base, deployment
from tests.scenarios.test_monitor_runs import COLLECTOR, MONITOR, REFERENCE, ROWS, collected, row
from tests.scenarios.test_registry_commands import slipway


async def test_a_declared_monitor_is_run_and_shown(tmp_path: Path) -> None:
    (folder := tmp_path / "declared").mkdir()
    async with running(tmp_path / "data") as host, stopped(tmp_path / "data" / "endpoints"):
        blue = {"blue.yml": deployment("blue", "model: azureml:diabetes@latest\n" + COLLECTOR)}
        for name, content in {**base(), **blue}.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        await slipway(host, "apply", "-f", str(folder))
        await runs(host, "blue")
        await ask(host)
        columns = await collected(tmp_path / "data" / "collected" / "live" / "blue" / "model_inputs")
        lines = [json.dumps(dict(zip(columns, row(number, 0.0), strict=False))) for number in range(ROWS)]
        for name, text in (("baseline.jsonl", "\n".join(lines)), ("baseline.yml", REFERENCE), ("monitor.yml", MONITOR)):
            (folder / name).write_text(text)
        await slipway(host, "apply", "-f", str(folder))
        assert "watch" in (await slipway(host, "monitor", "list")).stdout
        before = (await slipway(host, "monitor", "show", "watch", code=4)).stderr
        assert "slipway monitor run watch" in before
        said = (await slipway(host, "monitor", "run", "watch")).stdout
        assert "Breached" in said
        assert "Succeeded" in (await slipway(host, "monitor", "runs")).stdout
        report = tmp_path / "report.html"
        await slipway(host, "monitor", "show", "watch", "--report", str(report))
        page = report.read_text()
        assert "<svg" in page
        assert "jensen_shannon_distance" in page
        await slipway(host, "monitor", "run", "absent", code=3)
        await switched_and_filled(host)


async def switched_and_filled(host: LocalHost) -> None:
    """The monitor's trigger is switched off and on, and times that are over are run."""
    assert "watch: disabled" in (await slipway(host, "monitor", "disable", "watch")).stdout
    assert "disabled" in (await slipway(host, "monitor", "list")).stdout
    assert "next run 20" in (await slipway(host, "monitor", "enable", "watch")).stdout
    await slipway(host, "monitor", "disable", "absent", code=3)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    filled = await slipway(host, "monitor", "backfill", "watch", "--from", yesterday, "-o", "json")
    runs = json.loads(filled.stdout)["runs"]
    assert runs[0]["due_at"][:10] == yesterday
    assert {(one["phase"], one["reason"]) for one in runs} == {("Succeeded", "Backfill")}
    assert "Breached" in (await slipway(host, "monitor", "show", "watch")).stdout, "of the last run, not of a backfill"
    shown = await slipway(host, "monitor", "show", "watch", "--run", runs[0]["monitor_run_id"])
    assert "the production data hold no columns" in shown.stdout
    assert "Backfill" in (await slipway(host, "monitor", "runs", "watch")).stdout


@asynccontextmanager
async def stopped(endpoints: Path) -> AsyncIterator[None]:
    """What serves endpoints outlives the host; it ends with the test."""
    try:
        yield
    finally:
        await stop_all(endpoints)


async def ask(host: LocalHost) -> None:
    """Send rows far from those of the baseline."""
    shown = json.loads((await slipway(host, "endpoint", "show", "live", "-o", "json")).stdout)
    keys = json.loads((await slipway(host, "endpoint", "get-credentials", "live", "-o", "json")).stdout)
    headers = {"Authorization": f"Bearer {keys['primary_key']}", "azureml-model-deployment": "blue"}
    async with aiohttp.ClientSession(headers=headers) as http, asyncio.timeout(60):
        for number in range(ROWS):
            async with http.post(shown["scoring_uri"], json={"data": [row(number, 5.0)]}) as answer:
                assert answer.status == 200, await answer.text()
