"""Runs of monitors that are killed or canceled while the statistics are calculated."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.doubles.webhook_receiver import Received, webhook_receiver
from tests.scenarios.local_host import LocalHost, running, wait_until
from tests.scenarios.rest import get
from tests.scenarios.test_endpoints import base, deployment
from tests.scenarios.test_monitor_commands import stopped
from tests.scenarios.test_monitor_notifications import OPS, SIGNING_KEY
from tests.scenarios.test_monitor_runs import COLLECTOR, MONITOR, REFERENCE
from tests.scenarios.test_registry_commands import slipway

LINES = 100_000  # the statistics take seconds
DRIFT = "Microsoft.MachineLearningServices.DatasetDriftDetected"


def collect(data_dir: Path, count: int = LINES) -> None:
    """Write what a deployment would have collected this hour, far from the baseline."""
    now = datetime.now(UTC)
    folder = data_dir / "collected" / "live" / "blue" / "model_inputs" / f"{now:%Y/%m/%d/%H}"
    folder.mkdir(parents=True)
    with (folder / "instance.jsonl").open("w") as file:
        for number in range(count):
            line = {"specversion": "1.0", "id": f"id-{number}", "time": now.isoformat(), "correlationid": f"c{number}"}
            file.write(json.dumps({**line, "data": [{"a": number % 17 + 50, "b": number % 5}]}) + "\n")


async def declared(host: LocalHost, folder: Path, monitor: str = MONITOR) -> None:
    """An endpoint, its deployment, the baseline and the monitor."""
    folder.mkdir()
    rows = "\n".join(json.dumps({"a": number % 17, "b": number % 5}) for number in range(1000))
    monitored = {"baseline.jsonl": rows, "baseline.yml": REFERENCE, "monitor.yml": monitor}
    blue = {"blue.yml": deployment("blue", "model: azureml:diabetes@latest\n" + COLLECTOR)}
    for name, content in {**base(), **blue, **monitored}.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    await slipway(host, "apply", "-f", str(folder))


async def begin(http: aiohttp.ClientSession) -> str:
    async with http.post("/api/monitors/watch/run") as answer:
        assert answer.status == 202, await answer.text()
        made: dict[str, Any] = await answer.json()
    return str(made["monitor_run_id"])


async def phase(http: aiohttp.ClientSession, run_id: str) -> str:
    found = await get(http, f"/api/monitor-runs/{run_id}")
    return str(found["run"]["phase"])


@pytest.mark.parametrize("after_s", [pytest.param(0.0, marks=pytest.mark.slow), 0.7])
async def test_a_run_whose_control_plane_is_killed_ends_after_the_restart(after_s: float, tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, stopped(tmp_path / "data" / "endpoints"), host.client() as http:
        await declared(host, tmp_path / "declared")
        collect(tmp_path / "data")
        run_id = await begin(http)
        await asyncio.sleep(after_s)
        assert await phase(http, run_id) in ("Pending", "Running")
        await host.restart()

        async def ended() -> bool:
            return await phase(http, run_id) not in ("Pending", "Running")

        await wait_until(ended, 150, "the run has ended", poll_s=0.5)
        found = await get(http, f"/api/monitor-runs/{run_id}")
        assert (found["run"]["phase"], found["run"]["verdict"]) == ("Succeeded", "Breached"), found["run"]
        assert found["result"]["signals"][0]["counts"]["rows"] == LINES
        events = (await get(http, "/api/events?limit=1000"))["items"]
        assert len([event for event in events if DRIFT in json.dumps(event)]) == 1
        assert not list((tmp_path / "data" / "monitor-runs").glob(f"{run_id}*"))


async def test_a_canceled_run_ends_and_says_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, stopped(tmp_path / "data" / "endpoints"), host.client() as http:
        await declared(host, tmp_path / "declared")
        collect(tmp_path / "data")
        run_id = await begin(http)
        async with http.post(f"/api/monitor-runs/{run_id}/cancel") as answer:
            assert answer.status == 202, await answer.text()

        async def canceled() -> bool:
            return await phase(http, run_id) == "Canceled"

        await wait_until(canceled, 60, "the run is canceled", poll_s=0.2)
        assert not list((tmp_path / "data" / "monitor-runs").glob(f"{run_id}*"))
        assert (await get(http, f"/api/monitor-runs/{run_id}"))["result"] is None


@pytest.mark.slow
async def test_each_minute_has_one_run_whenever_the_control_plane_is_killed(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, stopped(tmp_path / "data" / "endpoints"), host.client() as http:
        await declared(host, tmp_path / "declared", MONITOR.replace("frequency: day", "frequency: minute"))

        async def started() -> list[str]:
            return [one["due_at"] for one in (await get(http, "/api/monitor-runs"))["items"]]

        for count in range(1, 4):

            async def next_one(count: int = count) -> bool:
                return len(await started()) >= count

            await wait_until(next_one, 150, f"run {count} has begun", poll_s=0.05)
            await host.restart()
        times = await started()
        assert len(times) == len(set(times)), times
        assert all(time.endswith(":00Z") for time in times)


async def test_what_is_owed_when_the_control_plane_is_killed_is_told_after_the_restart(tmp_path: Path) -> None:
    ops = {**OPS, "url_secret": "url", "signing_secret": "key"}
    environ = {"SLIPWAY_NOTIFIERS": json.dumps([ops]), "SLIPWAY_NOTIFIER_SECRET_KEY": SIGNING_KEY}
    async with webhook_receiver() as receiver, stopped(tmp_path / "data" / "endpoints"):
        answer, receiver.answer = receiver.answer, busy
        environ["SLIPWAY_NOTIFIER_SECRET_URL"] = receiver.url
        async with running(tmp_path / "data", **environ) as host, host.client() as http:
            await declared(host, tmp_path / "declared", MONITOR + "  alert_notification: {notifiers: [ops]}\n")
            collect(tmp_path / "data", 1000)
            run_id = await begin(http)
            await receiver.until(lambda: len(receiver.deliveries) > 0)
            host.kill()
            receiver.answer = answer
            await host.restart()
            # What the killed one had in its hands is taken up by a timer, after a minute.
            await receiver.until(lambda: len(receiver.accepted_ids) > 0, timeout_s=150)

            async def sent() -> bool:
                found = await get(http, f"/api/monitor-runs/{run_id}")
                return bool(found["run"]["conditions"][0]["status"] == "True")

            await wait_until(sent, 150, "it is known that everybody was told", poll_s=0.2)
        assert len({one.headers["webhook-id"] for one in receiver.deliveries}) == 1


async def busy(received: Received) -> web.Response:
    return web.Response(status=503)
