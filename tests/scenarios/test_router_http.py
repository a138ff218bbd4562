"""HTTP/1.1 through the router, as well-meaning and other callers speak it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.router_machine import RouterMachine, wait_for


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterMachine]:
    found = RouterMachine(tmp_path_factory.mktemp("router"), {})
    try:
        blue = found.server("blue").listening()
        found.write({"blue": {"weight": 100, "processes": [blue.address], "request_timeout_ms": 60_000}})
        yield found
        assert found.router.process.poll() is None
        assert "Traceback" not in found.router.log()
    finally:
        found.close()


def test_bodies_of_every_framing_pass(machine: RouterMachine) -> None:
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
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400", b"the Host header is missing"),
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
def test_http_as_it_comes(machine: RouterMachine, sent: bytes, begins: bytes, holds: bytes) -> None:
    received = machine.exchange(sent)
    assert received.startswith(begins)
    assert holds in received
    assert b"x-mine" not in received


def test_a_caller_that_does_not_read_holds_little_memory(machine: RouterMachine) -> None:
    size_bytes = 300_000_000
    request = f"GET /large/{size_bytes} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", machine.router.port), timeout=30) as connection:
        connection.sendall(request * 2)
        wait_for("it is under way", lambda: machine.metric('slipway_router_in_flight{deployment="blue"}') == 1)
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            assert _resident_bytes(machine.router.process.pid) < 150_000_000
            time.sleep(0.02)
        received = 0
        while received < 2 * size_bytes:
            received += len(connection.recv(1_000_000))


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024
