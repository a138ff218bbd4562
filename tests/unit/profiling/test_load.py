"""The load generator against real sockets: no coordinated omission, honest counts."""

from __future__ import annotations

import asyncio
import time
from math import sqrt
from typing import Any

import pytest

from shared.errors import Permanent
from shared.profiling.load import Load, LoadResult, run, run_apart
from shared.profiling.statistics import percentile
from tests.unit.profiling.http_server import OK, http_server


def load(port: int, **changed: Any) -> Load:
    given: dict[str, Any] = {"port": port, "path": "/score", "content_type": "application/json", "bodies": ("{}",)}
    return Load(**{**given, "duration_s": 1.0, **changed})


async def test_the_rate_is_the_one_asked_for_and_every_request_is_counted_once() -> None:
    async with http_server() as server:
        result = await run(load(server.port, rate_rps=600.0, duration_s=0.5, bodies=('{"a": 1}', '{"b": 2}')))
    assert abs(result.sent - 300) < 5 * sqrt(300)  # a Poisson count
    assert result.sent == result.succeeded == len(result.latencies_ms) == len(result.lateness_ms)
    assert result.statuses == {"200": result.sent}
    assert len(server.bodies) == result.sent
    assert set(server.bodies) == {b'{"a": 1}', b'{"b": 2}'}
    assert server.connections < 100  # kept alive


async def test_the_same_seed_sends_as_many_requests() -> None:
    async with http_server() as server:
        first = await run(load(server.port, rate_rps=200.0, duration_s=0.3, seed=4))
        second = await run(load(server.port, rate_rps=200.0, duration_s=0.3, seed=4))
    assert first.sent == second.sent > 0


def stalling(number: int) -> bytes:
    if number == 50:
        time.sleep(0.5)  # the whole server, as a pause for throttling or garbage does
    return OK


async def test_a_stall_delays_every_request_that_was_due_meanwhile() -> None:
    async with http_server(stalling) as server:
        opened = await run_apart(load(server.port, rate_rps=200.0, duration_s=1.2))
    async with http_server(stalling) as server:
        closed = await run_apart(load(server.port, concurrency=1, duration_s=1.2))
    delayed = sum(latency >= 50 for latency in opened.latencies_ms)
    assert delayed >= 50  # of the 100 that were due in half a second
    assert max(opened.latencies_ms) >= 450
    assert sum(latency >= 450 for latency in closed.latencies_ms) == 1  # the closed loop waits with the server
    assert percentile(closed.latencies_ms, 99) < 450 <= max(closed.latencies_ms)


async def test_a_late_generator_says_so_and_counts_it_as_latency() -> None:
    async with http_server(stalling) as server:
        result = await run(load(server.port, rate_rps=200.0))  # in this loop: the stall holds up the generator
    assert max(result.lateness_ms) >= 400
    late = [number for number, lateness in enumerate(result.lateness_ms) if lateness >= 50]
    assert len(late) >= 50
    assert sum(latency >= 50 for latency in result.latencies_ms) >= len(late)


async def test_warm_up_is_sent_and_not_counted() -> None:
    async with http_server() as server:
        result = await run(load(server.port, rate_rps=200.0, warm_up_s=0.5, duration_s=0.5))
    assert len(server.bodies) > result.sent + 50
    assert result.duration_s == pytest.approx(0.5, abs=0.05)


async def test_an_overload_is_given_up_and_its_queue_counts() -> None:
    async with http_server(lambda number: time.sleep(0.004) or OK) as server:  # type: ignore[func-returns-value]
        result = await run_apart(load(server.port, rate_rps=1_000.0, duration_s=30.0, timeout_s=0.5))
    assert result.overloaded
    assert result.duration_s < 25
    assert result.unanswered > 200  # of about 500 that were sent, 250 a second are answered
    assert len(result.latencies_ms) == result.sent
    assert percentile(result.latencies_ms, 99) > 400


async def test_errors_and_broken_connections_are_no_success() -> None:
    answers = [OK, b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\n\r\n"]
    async with http_server(lambda number: answers[number % 4]) as server:
        result = await run(load(server.port, rate_rps=200.0, duration_s=0.5))
    assert result.statuses["200"] == result.succeeded
    assert abs(result.statuses["500"] - result.sent / 4) <= 1
    assert abs(result.statuses["0"] - result.sent / 2) <= 1
    assert sum(result.statuses.values()) == result.sent


async def test_a_server_that_goes_away_ends_the_closed_loop() -> None:
    async with http_server(lambda number: b"" if number > 5 else OK) as server:
        result = await asyncio.wait_for(run(load(server.port, concurrency=2, duration_s=60.0)), 20)
    assert result.succeeded == 6
    assert result.statuses["0"] == 2


async def test_answers_that_say_close_open_a_new_connection() -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with http_server(lambda number: answer) as server:
        result = await run(load(server.port, rate_rps=100.0, duration_s=0.5))
    assert result.succeeded == result.sent
    assert server.connections >= result.sent


async def test_a_request_without_an_answer_has_at_least_its_wait() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        result = await run(load(port, concurrency=1, most=1, duration_s=30.0, timeout_s=0.3))
    assert (result.sent, result.succeeded, result.unanswered) == (1, 0, 1)
    assert result.latencies_ms[0] >= 300


async def test_windows_tell_when_it_is_steady() -> None:
    async with http_server(lambda number: time.sleep(0.01) or OK) as server:  # type: ignore[func-returns-value]
        result = await run_apart(load(server.port, concurrency=1, duration_s=20.0, until_steady=True))
    assert result.steady
    assert 3 <= result.duration_s < 20
    assert result.sent == sum(result.windows)


async def test_nobody_who_listens_is_said() -> None:
    async with http_server() as server:
        port = server.port
    with pytest.raises(Permanent, match=r"load generator failed: ConnectionRefusedError"):
        await run_apart(load(port, rate_rps=10.0))
    assert LoadResult().latencies_ms == []
