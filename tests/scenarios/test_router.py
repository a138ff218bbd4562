"""The router in front of real processes: nothing is lost while deployments come, go and die."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.scenarios.router_load import Load, Sent
from tests.scenarios.router_machine import RouterMachine, Started, wait_for

RATE = 200.0


def within_binomial_99(hits: int, trials: int, chance: float) -> bool:
    """Whether so many hits are within the 99 % interval of the binomial distribution (normal approximation, with its
    correction for continuity)."""
    return abs(hits - trials * chance) <= 2.576 * math.sqrt(trials * chance * (1 - chance)) + 0.5


async def _in_force(machine: RouterMachine, blue: list[str], green: list[str], percent: int) -> None:
    deployments = {}
    if blue:
        deployments["blue"] = {"weight": 100 - percent, "processes": blue}
    if green:
        deployments["green"] = {"weight": percent, "processes": green}
    await asyncio.to_thread(machine.write, deployments)


@pytest.mark.parametrize("step_s", [2.0, pytest.param(45.0, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def test_blue_is_replaced_by_green_under_load_and_a_process_is_killed(tmp_path: Path, step_s: float) -> None:
    machine = RouterMachine(tmp_path, {})
    try:
        blue, green, second = (machine.server(name).listening() for name in ("blue", "green", "green"))
        await _in_force(machine, [blue.address], [], 0)
        load, loop = Load(machine.router.port, RATE), asyncio.get_running_loop()
        running = loop.create_task(load.run())
        splits: list[tuple[int, float, float]] = []
        both = [green.address, second.address]
        for percent in (0, 10, 50, 90, 100):
            await _in_force(machine, [blue.address], both, percent)
            began_s = loop.time()
            await asyncio.sleep(step_s)
            splits.append((percent, began_s, loop.time()))
        await _in_force(machine, [], both, 100)
        await asyncio.to_thread(_drained, machine, blue)
        assert await asyncio.to_thread(blue.terminate) == 0
        killed_s = loop.time()
        second.kill()
        await asyncio.sleep(0.5)
        machine.server("green", second.port).listening()
        await asyncio.sleep(step_s)
        load.stop()
        await running
    finally:
        machine.close()
    _check(load, splits, killed_s)
    revived = [one for one in load.sent if one.sent_s > killed_s + 0.5]
    assert len(revived) > RATE * step_s / 2


def _drained(machine: RouterMachine, server: Started) -> None:
    sample = f'slipway_router_process_in_flight{{deployment="blue",process="{server.address}"}}'
    wait_for("blue has nothing under way", lambda: machine.metric(sample) == 0)


def _check(load: Load, splits: list[tuple[int, float, float]], killed_s: float) -> None:
    failed = [one for one in load.sent if one.status != 200]
    assert [one for one in load.sent if one.status == 200 and not one.right] == []

    def was_in_flight(one: Sent) -> bool:
        return one.sent_s <= killed_s + 0.005 and one.done_s >= killed_s

    assert [one for one in failed if one.method == "GET" or not was_in_flight(one)] == []
    for percent, began_s, ended_s in splits:
        answered = load.between(began_s, ended_s)
        hits = sum(one.by == "green" for one in answered)
        assert within_binomial_99(hits, len(answered), percent / 100), (percent, hits, len(answered))
        assert len(answered) > RATE * (ended_s - began_s) * 0.8


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RouterMachine, str, str]]:
    machine = RouterMachine(tmp_path_factory.mktemp("router"), {})
    try:
        blue, green = machine.server("blue"), machine.server("green")
        yield machine, blue.listening().address, green.listening().address
        assert machine.router.process.poll() is None
        assert "Traceback" not in machine.router.log()
    finally:
        machine.close()


World = tuple[RouterMachine, str, str]


def test_a_header_names_the_deployment(world: World) -> None:
    machine, blue, green = world
    machine.write({"blue": {"weight": 100, "processes": [blue]}, "green": {"weight": 0, "processes": [green]}})
    answer = machine.client.post("/score", headers={"azureml-model-deployment": "green", "x-request-id": "mine"})
    assert (answer.json()["by"], answer.headers["azureml-model-deployment"]) == ("green", "green")
    assert answer.json()["headers"]["x-request-id"] == answer.headers["x-request-id"] == "mine"
    made = machine.client.post("/score")
    assert made.json()["headers"]["x-request-id"] == made.headers["x-request-id"]
    unknown = machine.client.post("/score", headers={"azureml-model-deployment": "red"})
    assert unknown.status_code == 404
    assert "blue, green" in unknown.json()["detail"]


def test_an_endpoint_without_traffic_answers_404_as_azure_does(world: World) -> None:
    machine, blue, _ = world
    machine.write({"blue": {"weight": 0, "processes": [blue]}})
    assert machine.client.post("/score").status_code == 404


def test_callers_stay_with_their_deployment_while_a_share_grows(world: World) -> None:
    machine, blue, green = world

    def given(percent: int) -> dict[int, str]:
        both = {
            "blue": {"weight": 100 - percent, "processes": [blue]},
            "green": {"weight": percent, "processes": [green]},
        }
        machine.write(both, sticky={"by": "header", "name": "X-User"})
        ask = machine.client.get
        found = {user: ask("/score", headers={"x-user": str(user)}).json()["by"] for user in range(200)}
        assert found == {user: ask("/score", headers={"X-USER": str(user)}).json()["by"] for user in range(200)}
        return found

    few, more = given(20), given(50)
    assert within_binomial_99(list(few.values()).count("green"), 200, 0.2)
    assert within_binomial_99(list(more.values()).count("green"), 200, 0.5)
    assert all(more[user] == "green" for user in few if few[user] == "green")


def test_copies_reach_the_mirror_and_its_answers_reach_nobody(world: World) -> None:
    machine, blue, green = world
    machine.write(
        {
            "blue": {"weight": 100, "processes": [blue]},
            "green": {"weight": 0, "mirror_percent": 20, "processes": [green]},
        }
    )
    sample = 'slipway_router_requests_total{deployment="green",traffic="mirror",code="200"}'
    before = machine.metric(sample)
    assert {machine.client.post("/score", content=b"x" * 100).json()["by"] for _ in range(100)} == {"blue"}
    wait_for("20 copies were answered", lambda: machine.metric(sample) == before + 20, 10)


def test_a_mirror_that_hangs_slows_nobody(world: World) -> None:
    machine, blue, _ = world
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = f"127.0.0.1:{silent.getsockname()[1]}"
        machine.write(
            {
                "blue": {"weight": 100, "processes": [blue]},
                "hung": {"weight": 0, "mirror_percent": 50, "processes": [hung], "request_timeout_ms": 60_000},
            },
            max_mirrors_in_flight=5,
        )
        answers = [machine.client.post("/score") for _ in range(40)]
        assert {answer.status_code for answer in answers} == {200}
        assert machine.metric('slipway_router_mirror_dropped_total{deployment="hung"}') == 15
        assert machine.metric(f'slipway_router_process_in_flight{{deployment="hung",process="{hung}"}}') == 5
        machine.write({"blue": {"weight": 100, "processes": [blue]}})


def test_what_may_be_sent_again_is_and_what_may_not_is_answered_502(world: World) -> None:
    machine, blue, _ = world
    doomed = [machine.server("twin").listening() for _ in range(2)]
    twins = {"twin": {"weight": 100, "processes": [one.address for one in doomed]}}
    machine.write(twins)
    assert machine.client.post("/die").status_code == 502
    assert [machine.client.post("/score").status_code for _ in range(20)] == [200] * 20
    (left,) = [one for one in doomed if one.process.poll() is None]
    machine.write({"twin": {"weight": 100, "processes": [left.address]}})
    found: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: found.append(httpx.get(f"http://{machine.router.address}/slow/700", timeout=30))
    )
    asking.start()
    wait_for("it is under way", lambda: machine.metric('slipway_router_in_flight{deployment="twin"}') == 1)
    left.kill()
    machine.server("twin", left.port).listening()
    asking.join()
    assert found[0].json()["by"] == "twin"
    assert machine.metric('slipway_router_retries_total{deployment="twin"}') > 0
    machine.write({"blue": {"weight": 100, "processes": [blue]}})


def test_the_first_request_waits_for_a_process_that_is_being_started(world: World) -> None:
    machine, _, _ = world
    asleep = {"asleep": {"weight": 100, "processes": []}}
    machine.write(asleep, max_held=1)
    found: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: found.append(httpx.post(f"http://{machine.router.address}/score", timeout=30))
    )
    asking.start()
    wait_for("it is held", lambda: machine.metric('slipway_router_held{deployment="asleep"}') == 1)
    assert machine.metric('slipway_router_last_request_timestamp_seconds{deployment="asleep"}') > time.time() - 60
    too_many = machine.client.post("/score")
    assert (too_many.status_code, too_many.headers["retry-after"]) == (503, "1")
    server = machine.server("asleep").listening()
    machine.write({"asleep": {"weight": 100, "processes": [server.address]}})
    asking.join()
    assert found[0].json()["by"] == "asleep"
    machine.write(asleep, hold_timeout_s=0.2)
    assert machine.client.post("/score").status_code == 503
    assert machine.metric('slipway_router_held{deployment="asleep"}') == 0


def test_a_deployment_that_is_down_is_passed_over(world: World) -> None:
    machine, blue, _ = world
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
    machine.write({"blue": {"weight": 50, "processes": [blue]}, "lost": {"weight": 50, "processes": [nobody]}})
    assert {machine.client.post("/score").json()["by"] for _ in range(30)} == {"blue"}


def test_limits(world: World) -> None:
    machine, blue, _ = world
    one = {"blue": {"weight": 100, "processes": [blue], "request_timeout_ms": 100, "max_in_flight": 1}}
    machine.write(one, max_body_bytes=1000)
    errors = 'slipway_router_errors_total{deployment="blue",traffic="live"}'
    before = machine.metric(errors)
    assert machine.client.post("/slow/5000").status_code == 408
    assert machine.metric(errors) == before + 1
    assert machine.client.post("/score", content=b"x" * 1000).status_code == 200
    assert machine.client.post("/score", content=b"x" * 1001).status_code == 413
    machine.write({"blue": {**one["blue"], "request_timeout_ms": 5000}})
    asking = threading.Thread(target=lambda: httpx.post(f"http://{machine.router.address}/slow/400", timeout=30))
    asking.start()
    wait_for("it is under way", lambda: machine.metric('slipway_router_in_flight{deployment="blue"}') == 1)
    assert machine.client.post("/score").status_code == 429
    asking.join()


def test_a_wrong_file_changes_nothing(world: World) -> None:
    machine, blue, _ = world
    machine.write({"blue": {"weight": 100, "processes": [blue]}})
    refused = 'slipway_router_config_reloads_total{result="refused"}'
    before = machine.metric(refused)
    machine.config_path.write_text('{"deployments": {"blue": {"weight": 30, "processes": [7], "color": 1}}}')
    wait_for("it was refused", lambda: machine.metric(refused) > before)
    assert machine.client.post("/score").json()["by"] == "blue"
    assert "/deployments/blue/color is not known" in machine.router.log()
    assert "the weights sum up to 30" in machine.router.log()


def test_bodies_of_every_framing_pass(world: World) -> None:
    machine, blue, _ = world
    machine.write({"blue": {"weight": 100, "processes": [blue]}})
    client = machine.client
    assert client.get("/stream/1000").content == b"chunk" * 1000
    assert client.get("/close").content == b"blue"
    head = client.head("/score")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert client.post("/score", content=iter([b"ab", b"cd"])).json()["body"] == "abcd"
    large = b"y" * 3_000_000
    assert client.post("/score", content=large).json()["body"] == large.decode()
    with client.stream("GET", "/large/30000000") as slowly:
        total = 0
        for part in slowly.iter_bytes(1_000_000):
            total += len(part)
            time.sleep(0.005)
    assert total == 30_000_000
    assert client.get("/fail").status_code == 500


@pytest.mark.parametrize(
    ("sent", "begins", "holds"),
    [
        (b"GET /a HTTP/1.0\r\n\r\n", b"HTTP/1.1 200", b"connection: close"),
        (b"GET /stream/2 HTTP/1.0\r\n\r\n", b"HTTP/1.1 200", b"\r\n\r\nchunkchunk"),
        (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * 3 + b"nonsense\r\n\r\n", b"HTTP/1.1 200", b"HTTP/1.1 400"),
        (b"NO SENSE\r\n\r\n", b"HTTP/1.1 400", b"this is not HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"x" * 70_000, b"HTTP/1.1 431", b"65536 bytes"),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 400",
            b"problem+json",
        ),
        (
            b"POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200",
            b'"body": "ab"',
        ),
        (
            b"GET /e HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nX-Other: 2\r\n\r\n",
            b"HTTP/1.1 200",
            b'"x-other": "2", "x-request-id"',
        ),
    ],
)
def test_http_as_it_comes(world: World, sent: bytes, begins: bytes, holds: bytes) -> None:
    machine, blue, _ = world
    machine.write({"blue": {"weight": 100, "processes": [blue]}})
    received = machine.exchange(sent)
    assert received.startswith(begins)
    assert holds in received
    assert b"x-mine" not in received


def test_sigterm_ends_it_after_the_last_answer(tmp_path: Path) -> None:
    machine = RouterMachine(tmp_path, {})
    try:
        server = machine.server("blue").listening()
        machine.write({"blue": {"weight": 100, "processes": [server.address]}})
        found: list[httpx.Response] = []
        url = f"http://{machine.router.address}/slow/500"
        asking = threading.Thread(target=lambda: found.append(httpx.post(url, timeout=30)))
        asking.start()
        wait_for("it is under way", lambda: machine.metric('slipway_router_in_flight{deployment="blue"}') == 1)
        assert machine.router.terminate() == 0
        asking.join()
        assert found[0].json()["by"] == "blue"
        assert found[0].headers["connection"] == "close"
    finally:
        machine.close()


def test_a_file_that_is_wrong_at_the_start_ends_it_with_3(tmp_path: Path) -> None:
    (tmp_path / "router.json").write_text("[]")
    started = Started(tmp_path / "log", "-m", "shared.router", "--config", str(tmp_path / "router.json"), "--port", "0")
    assert started.process.wait(30) == 3
    assert "/deployments is no mapping" in started.log()
