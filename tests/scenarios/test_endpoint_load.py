"""An endpoint of a real `slipway up` under steady load, while everything that may happen to it happens.

SLIPWAY_LOAD_S and SLIPWAY_LOAD_RPS set how long and how much: 300 s at 200 requests/s unless they say otherwise.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.local_host import ROOT, LocalHost, environment, running, wait_until
from tests.scenarios.rest import document, get
from tests.scenarios.router_load import Load, Sent, within_binomial_99
from tests.scenarios.test_endpoints import ENDPOINT, deployment

DURATION_S = float(os.environ.get("SLIPWAY_LOAD_S", "300"))
RATE = float(os.environ.get("SLIPWAY_LOAD_RPS", "200"))
STEPS = (0, 10, 25, 50, 75, 90, 100)
EDGE_S = 0.05  # between a kill and the moment its callers hear of it
SCRIPT = "import json\ndef init(): ...\ndef run(data): return {'by': %r, 'n': json.loads(data)['n']}\n"
CODE = "code_configuration: {{code: {0}, scoring_script: score.py}}\n"


@dataclass
class ScoringLoad(Load):
    """POST to /score; every second one says that it may be sent again."""

    key: str = ""

    def message(self, one: Sent) -> bytes:
        again = f"Idempotency-Key: {one.number}\r\n" if may_be_sent_again(one) else ""
        body = json.dumps({"n": one.number})
        head = f"POST /score HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.key}\r\n{again}"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    def is_answer(self, one: Sent, answer: dict[str, Any]) -> bool:
        return answer.get("n") == one.number


def may_be_sent_again(one: Sent) -> bool:
    return one.number % 2 == 0


class Machine:
    """`slipway up` with declared files."""

    def __init__(self, host: LocalHost, folder: Path) -> None:
        self.host = host
        self.folder = folder
        folder.mkdir()
        self.place = host.data_dir / "endpoints" / "live"

    def slipway(self, *arguments: str) -> str:
        """What the command prints."""
        words = [sys.executable, "-m", "shared.cli.main", "--data-dir", str(self.host.data_dir), *arguments]
        done = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async def apply(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            (self.folder / path).parent.mkdir(exist_ok=True)
            (self.folder / path).write_text(text)
        await asyncio.to_thread(self.slipway, "apply", "-f", str(self.folder))
        await asyncio.to_thread(self.slipway, "endpoint", "show", "live", "--wait", "--timeout-s", "120")

    async def shift(self, green: int) -> None:
        """Returns when the router has read it."""
        shares = (f"blue={100 - green}", f"green={green}")
        await asyncio.to_thread(self.slipway, "endpoint", "traffic", "live", *shares)
        await wait_until(lambda: self.weights().get("green", 0) == green, 30, f"green has {green} %")
        await asyncio.sleep(0.5)  # the router looks at its file ten times a second

    def weights(self) -> dict[str, int]:
        said = json.loads((self.place / "router.json").read_text())["deployments"]
        return {name: one["weight"] for name, one in said.items()}

    def kill(self, prefix: str) -> float:
        """kill -9 of one process; the loop's time."""
        record = sorted(self.place.glob(f"processes/{prefix}*/process.json"))[0]
        os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)
        return asyncio.get_running_loop().time()


def files_of(name: str, instances: int) -> dict[str, str]:
    said = deployment(name, CODE.format(name)).replace("instance_count: 1", f"instance_count: {instances}")
    return {f"{name}.yml": said, f"{name}/score.py": SCRIPT % name}


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_nothing_is_lost_while_blue_becomes_green_and_processes_are_killed(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host:
        machine, loop = Machine(host, tmp_path / "declared"), asyncio.get_running_loop()
        await machine.apply({"endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n", **files_of("blue", 1)})
        async with host.client() as http:
            uri = (await get(http, "/api/endpoints/live"))["scoring_uri"]
            async with http.post("/api/endpoints/live/credentials") as answer:
                key = (await document(answer, 200))["primary_key"]
            load = ScoringLoad(int(uri.split(":")[2].split("/")[0]), RATE, key=key)
            running_load = loop.create_task(load.run())
            await machine.apply(files_of("green", 2))
            splits, kills = [], {}
            for percent in STEPS:
                await machine.shift(percent)
                began_s = loop.time()
                await asyncio.sleep(DURATION_S / (len(STEPS) + 1) / 2)
                if percent in (50, 90):
                    kills[{50: "router", 90: "green"}[percent]] = machine.kill({50: "router", 90: "green-"}[percent])
                await asyncio.sleep(DURATION_S / (len(STEPS) + 1) / 2)
                splits.append((percent, began_s, loop.time()))
            async with http.delete("/api/resources/online-deployment/live.blue") as answer:
                assert answer.status == 204, await answer.text()
            await wait_until(lambda: "blue" not in machine.weights(), 30, "blue is gone")
            await asyncio.sleep(DURATION_S / (len(STEPS) + 1))
            load.stop()
            await running_load
        _report(load, splits, kills)
        _check(load, splits, kills)
        await host.stop()


def _in_flight(one: Sent, killed_s: float) -> bool:
    return one.sent_s <= killed_s + EDGE_S and one.done_s >= killed_s


def _check(load: Load, splits: list[tuple[int, float, float]], kills: dict[str, float]) -> None:
    assert [one for one in load.sent if one.status == 200 and not one.right] == []
    failed = [one for one in load.sent if one.status != 200]
    lost = [
        one
        for one in failed
        if not (one.status == 0 and _in_flight(one, kills["router"]))
        and not (one.status == 502 and _in_flight(one, kills["green"]) and not may_be_sent_again(one))
    ]
    assert lost == []
    for percent, began_s, ended_s in splits:
        answered = [one for one in load.between(began_s, ended_s) if one.status == 200]
        hits = sum(one.by == "green" for one in answered)
        assert within_binomial_99(hits, len(answered), percent / 100), (percent, hits, len(answered))
    assert {one.by for one in load.sent[-100:]} == {"green"}


def _report(load: Load, splits: list[tuple[int, float, float]], kills: dict[str, float]) -> None:
    """Seen with -s."""
    failed = [one for one in load.sent if one.status != 200]
    took_s = sorted(one.done_s - one.sent_s for one in load.sent)
    after = [one.done_s - one.sent_s for one in load.sent if kills["router"] < one.sent_s < kills["router"] + 10]
    print(f"\n{len(load.sent)} requests at {load.rate:g}/s, {len(failed)} failed: {[one.status for one in failed]}")
    print(f"p50 {took_s[len(took_s) // 2] * 1000:.1f} ms, p99 {took_s[len(took_s) * 99 // 100] * 1000:.1f} ms")
    print(f"longest wait of a caller after the router was killed: {max(after, default=0):.2f} s")
    for percent, began_s, ended_s in splits:
        answered = [one for one in load.between(began_s, ended_s) if one.status == 200]
        print(f"{percent} % asked for: {sum(one.by == 'green' for one in answered)} of {len(answered)}")
