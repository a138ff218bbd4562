"""Starting, batching, limits under load, and ending: what a load balancer and an orchestrator see."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.scenarios.scoring_server import MODEL, ROW, ScoringServer, serving, serving_script
from tests.unit.scoring.onnx_models import slow, sums, total

SLOW_START = "import time\ndef init(): time.sleep(1.5)\ndef run(data): return data\n"
SLEEPS = "import time\ndef init(): pass\ndef run(data):\n  time.sleep(float(data))\n  return data\n"


def test_it_is_alive_but_not_ready_before_init_has_ended(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(SLOW_START)
    server = ScoringServer(tmp_path / "log", AML_APP_ROOT=str(tmp_path), AZUREML_ENTRY_SCRIPT="score.py")
    try:
        server.listening()
        assert server.client.get("/v2/health/live").status_code == 200
        for path in ("/", "/v2/health/ready", "/score"):
            response = server.client.get(path)
            assert (response.status_code, response.headers["retry-after"]) == (503, "1"), path
        assert server.metric("slipway_scoring_ready") == 0
        server.ready()
        assert server.client.post("/score", content=b"a").json() == "a"
        assert server.metric("slipway_scoring_ready") == 1
    finally:
        server.close()


def test_sigterm_while_loading_ends_it(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("import time\ndef init(): time.sleep(60)\ndef run(data): pass\n")
    server = ScoringServer(tmp_path / "log", AML_APP_ROOT=str(tmp_path), AZUREML_ENTRY_SCRIPT="score.py")
    try:
        server.listening()
        assert server.terminate() == 0
    finally:
        server.close()


async def _client(port: int, index: int, began: asyncio.Event, results: list[str]) -> None:
    """Sends requests until the server is gone; every request that was sent on an accepted connection has its answer."""
    sent = 0
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        while True:
            body = json.dumps({"data": [ROW]}).encode()
            head = f"POST /score HTTP/1.1\r\nHost: a\r\nx-request-id: {index}-{sent}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            sent += 1
            try:
                answer = await reader.readuntil(b"\r\n\r\n")
                length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                results.append(f"lost {index}-{sent}: {error!r}")
                return
            good = answer.startswith(b"HTTP/1.1 200") and f"x-request-id: {index}-{sent - 1}\r\n".encode() in answer
            results.append("" if good else f"wrong: {answer!r}")
            began.set()
            if b"Connection: close" in answer:
                writer.close()
                break


async def test_sigterm_under_load_loses_no_accepted_request(tmp_path: Path) -> None:
    with serving(tmp_path, "--model", str(MODEL)) as server:
        began, results = asyncio.Event(), list[str]()
        clients = [asyncio.create_task(_client(server.port, index, began, results)) for index in range(16)]
        await began.wait()
        await asyncio.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*clients), 30)
        assert await asyncio.to_thread(server.process.wait, 30) == 0
        assert len(results) > 100
        assert [each for each in results if each] == []


def test_what_is_under_way_is_finished_after_sigterm(tmp_path: Path) -> None:
    with serving_script(tmp_path, SLEEPS) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
            slow.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n1.5")
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as half:
                half.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
                time.sleep(0.3)
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.3)
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", server.port))
                half.sendall(b"0")
                for connection in (slow, half):
                    answer = b"".join(iter(lambda each=connection: each.recv(65536), b""))
                    assert answer.startswith(b"HTTP/1.1 200")
                    assert b"Connection: close" in answer
        assert server.process.wait(20) == 0


def test_drain_ends_after_its_timeout_and_says_so(tmp_path: Path) -> None:
    with serving_script(tmp_path, SLEEPS, SLIPWAY_SCORING_DRAIN_TIMEOUT_S="0.5") as server:
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n60")
            time.sleep(0.2)
            assert server.terminate() == 0
        assert "1 connections were still busy after 0.5 s" in server.log()


@pytest.mark.skipif(sys.platform != "linux", reason="PID namespaces are Linux's")
def test_sigterm_ends_it_as_pid_1(tmp_path: Path) -> None:
    """The kernel gives PID 1 no default action for signals: it must handle them."""
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-m", "shared.scoring"]
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", "0", "--model", str(MODEL)], stdout=log, stderr=log
    )
    try:
        deadline = time.monotonic() + 20
        while '"ready"' not in (text := (tmp_path / "log").read_text()):
            if process.poll() is not None:
                pytest.skip(f"no PID namespaces here: {text[-200:]}")
            assert time.monotonic() < deadline, text
            time.sleep(0.02)
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        assert process.wait(20) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
        log.close()


# --- batching and limits ---
async def _all(port: int, bodies: list[bytes], path: str = "/score") -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=len(bodies))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=30) as client:
        return await asyncio.gather(*(client.post(path, content=body) for body in bodies))


async def test_batches_give_each_request_its_own_rows(tmp_path: Path) -> None:
    model = sums(tmp_path)
    rows = np.random.default_rng(3).integers(0, 1000, (60, 3))
    bodies = [json.dumps(rows[index : index + 1 + index % 3].tolist()).encode() for index in range(50)]
    bodies[7] = b'[[1, 2, "x"]]'
    environ = {"SLIPWAY_SCORING_MAX_DELAY_MS": "200", "SLIPWAY_SCORING_MAX_BATCH_ROWS": "16"}
    with serving(tmp_path / "log", "--model", str(model.path), **environ) as server:
        answers = await _all(server.port, bodies)
        assert answers[7].status_code == 422
        for index, answer in enumerate(answers):
            if index != 7:
                expected = rows[index : index + 1 + index % 3].sum(axis=1).tolist()
                assert answer.json() == expected, index
        calls = server.metric("slipway_scoring_batch_rows_count")
        assert calls < 30, "requests were not batched"
        assert server.metric('slipway_scoring_batch_rows_bucket{le="16"}') == calls, "a batch is larger than allowed"


async def test_a_slow_model_holds_up_nobody_and_what_waits_is_one_batch(tmp_path: Path) -> None:
    model = slow(tmp_path)
    with serving(tmp_path / "log", "--model", str(model.path)) as server:
        scoring = asyncio.create_task(_all(server.port, [f"[[{index}, 0, 0]]".encode() for index in range(8)]))
        while not server.metric("slipway_scoring_in_flight"):
            await asyncio.sleep(0.005)
        assert server.client.get("/").text == "Healthy"
        assert not scoring.done()
        assert [answer.json() for answer in await scoring] == [[index] for index in range(8)]
        assert server.metric("slipway_scoring_batch_rows_count") < 8


async def test_a_model_that_takes_too_long_is_answered_for(tmp_path: Path) -> None:
    model = slow(tmp_path)
    with serving(tmp_path / "log", "--model", str(model.path), SCORING_TIMEOUT_MS="20") as server:
        answers = await _all(server.port, [b"[[1, 0, 0]]"] * 3)
        assert {answer.status_code for answer in answers} == {500}
        assert {answer.json()["message"] for answer in answers} == {"Scoring timeout after 20 ms"}
        assert server.metric("slipway_scoring_in_flight") == 0


async def test_a_model_that_mixes_rows_is_not_batched(tmp_path: Path) -> None:
    model = total(tmp_path)
    with serving(tmp_path / "log", "--model", str(model.path), SLIPWAY_SCORING_MAX_DELAY_MS="50") as server:
        answers = await _all(server.port, [json.dumps([[index, 0, 0]]).encode() for index in range(20)])
        assert [answer.json() for answer in answers] == list(range(20))


async def test_more_requests_than_allowed_are_told_to_come_again(tmp_path: Path) -> None:
    with serving_script(tmp_path, SLEEPS, SLIPWAY_SCORING_MAX_CONCURRENT="3") as server:
        answers = await _all(server.port, [b"0.3"] * 8)
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] * 3 + [429] * 5
        assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 429} == {"1"}
        assert (await _all(server.port, [b"0"]))[0].status_code == 200


async def test_workers_run_a_script_in_parallel(tmp_path: Path) -> None:
    source = (
        "import threading\n"
        "def init():\n  global barrier\n  barrier = threading.Barrier(3, timeout=10)\n"
        "def run(data):\n  barrier.wait()\n  return data\n"
    )
    with serving_script(tmp_path, source, WORKER_COUNT="3") as server:
        assert [answer.status_code for answer in await _all(server.port, [b"a"] * 3)] == [200] * 3


def test_logs_are_json_with_request_ids(tmp_path: Path) -> None:
    with serving(tmp_path, "--model", str(MODEL), SLIPWAY_SCORING_ACCESS_LOG="true") as server:
        server.client.post("/score", json={"data": [ROW]}, headers={"x-request-id": "good"})
        server.client.post("/score", content=b"{", headers={"x-request-id": "bad"})
        assert server.terminate() == 0
        records = {each["request_id"]: each for each in server.records() if "request_id" in each}
        assert (records["good"]["level"], records["good"]["status"], records["good"]["route"]) == (
            "INFO",
            200,
            "/score",
        )
        assert (records["bad"]["level"], records["bad"]["status"]) == ("WARNING", 400)
        assert records["good"]["duration_ms"] > 0


def test_metrics_count_every_answer(tmp_path: Path) -> None:
    with serving(tmp_path, "--model", str(MODEL)) as server:
        for content in (b"{", b"[]", json.dumps([ROW]).encode(), json.dumps([ROW, ROW]).encode()):
            server.client.post("/score", content=content)
        server.exchange(b"nonsense\r\n\r\n")
        counted = {
            name: server.metric(f'slipway_scoring_requests_total{{route="{name}",status="{status}"}}')
            for name, status in (("/score", 200), ("refused", 400))
        }
        assert counted == {"/score": 2, "refused": 1}
        assert server.metric('slipway_scoring_requests_total{route="/score",status="422"}') == 1
        assert server.metric("slipway_scoring_batch_rows_sum") == 3
        assert server.metric("slipway_scoring_run_seconds_count") == 2
