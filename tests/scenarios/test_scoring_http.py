"""HTTP as the scoring server speaks it: order, limits, and clients that mean no good. Raw bytes on real sockets."""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.scenarios.scoring_server import MODEL, ROW, ScoringServer, serving

BODY = json.dumps({"data": [ROW]}).encode()
LIMITS = {
    "SLIPWAY_SCORING_MAX_BODY_BYTES": "100000",
    "SLIPWAY_SCORING_MAX_HEADER_BYTES": "4096",
    "SLIPWAY_SCORING_HEADER_TIMEOUT_S": "0.5",
    "SLIPWAY_SCORING_BODY_TIMEOUT_S": "0.5",
    "SLIPWAY_SCORING_KEEP_ALIVE_S": "1.5",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    with serving(tmp_path_factory.mktemp("http"), "--model", str(MODEL), **LIMITS) as running:
        yield running
        assert running.process.poll() is None, running.log()
        assert "Traceback" not in running.log()


def post(body: bytes = BODY, *headers: str, target: str = "/score", version: str = "1.1") -> bytes:
    lines = [f"POST {target} HTTP/{version}", "Host: a", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def statuses(received: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def test_pipelined_requests_are_answered_in_order(server: ScoringServer) -> None:
    many = b"".join(post(BODY, f"x-request-id: {index}") for index in range(200))
    received = server.exchange(many + b"GET /nothing HTTP/1.1\r\nHost: a\r\nx-request-id: last\r\n\r\n")
    assert re.findall(rb"\r\nx-request-id: (\w+)\r\n", received) == [b"%d" % index for index in range(200)] + [b"last"]
    assert statuses(received) == [200] * 200 + [404]


def test_many_small_requests_at_once_are_not_taken_for_large_headers(server: ScoringServer) -> None:
    """More bytes than headers may have, cut anywhere."""
    request = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    for cut in (0, 7, 30):
        received = server.exchange(request * 3_000 + request[:cut])
        assert statuses(received) == [200] * 3_000


def test_an_answer_that_comes_early_waits_for_its_turn(server: ScoringServer) -> None:
    """Health is answered at once, a score in the next turn of the loop; the order is that of the requests."""
    received = server.exchange(post() + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + post())
    assert [b"Healthy" in part for part in received.split(b"HTTP/1.1 ")[1:]] == [False, True, False]


def test_requests_may_come_byte_by_byte(server: ScoringServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post():
            connection.send(bytes([byte]))
        assert statuses(connection.recv(65536)) == [200]


def test_chunked_bodies(server: ScoringServer) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:10], BODY[10:]))
    head = b"POST /score HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert statuses(server.exchange(head + chunks + b"0\r\n\r\n")) == [200]
    large = b"%x\r\n%s\r\n" % (60_000, b" " * 60_000)
    assert statuses(server.exchange(head + large * 3 + b"0\r\n\r\n")) == [413]


def test_expect_continue(server: ScoringServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(post(BODY, "Expect: 100-continue")[: -len(BODY)])
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert statuses(connection.recv(65536)) == [200]
    assert statuses(server.exchange(post(BODY, "Expect: something"))) == [417]
    refused = server.exchange(
        b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n"
    )
    assert statuses(refused) == [413]


def test_keep_alive_and_close(server: ScoringServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for _ in range(3):
            connection.sendall(post())
            assert b"Connection" not in connection.recv(65536)
        connection.sendall(post(BODY, "Connection: close"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
        assert b"Connection: close" in received
    old = server.exchange(post(version="1.0"), end=False)
    assert statuses(old) == [200]
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(post(BODY, "Connection: keep-alive", version="1.0"))
        assert b"Connection: keep-alive" in connection.recv(65536)
        connection.sendall(post(BODY, "Connection: keep-alive", version="1.0"))
        assert statuses(connection.recv(65536)) == [200]


def test_head_has_no_body(server: ScoringServer) -> None:
    received = server.exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert statuses(received) == [200]
    assert b"Content-Length: 7" in received
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS handshake
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /score HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_bad_request_and_ends_the_connection(server: ScoringServer, sent: bytes) -> None:
    received = server.exchange(sent + post())
    assert statuses(received) == [400], received
    assert b"Connection: close" in received


def test_size_limits(server: ScoringServer) -> None:
    assert statuses(server.exchange(post(b" " * 100_000))) == [400]
    assert statuses(server.exchange(post(b" " * 100_001))) == [413]
    assert statuses(server.exchange(post(BODY, f"X: {'x' * 5000}"))) == [431]
    assert statuses(server.exchange(post(BODY, target="/" + "x" * 5000))) == [431]
    assert statuses(server.exchange(post(BODY, *[f"X{index}: 1" for index in range(201)]))) == [431]
    assert statuses(server.exchange(b"GET /" + b"x" * 50_000)) == [431]
    packed = gzip.compress(b" " * 200_000)
    assert statuses(server.exchange(post(packed, "Content-Encoding: gzip"))) == [413]


def test_a_client_that_sends_on_after_a_refusal_sees_the_answer(server: ScoringServer) -> None:
    """Closing at once would reset the connection, and the client would lose the answer."""
    head = b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n"
    assert statuses(server.exchange(head + b" " * 5_000_000)) == [413]


@pytest.mark.parametrize("sent", [b"POST /score HTTP/1.1\r\nHost: ", post()[:-10]])
def test_requests_that_stop_midway_time_out(server: ScoringServer, sent: bytes) -> None:
    began = time.monotonic()
    assert statuses(server.exchange(sent, end=False)) == [408]
    assert time.monotonic() - began < 8


def test_idle_connections_are_closed_without_an_answer(server: ScoringServer) -> None:
    assert server.exchange(b"", end=False) == b""
    assert statuses(server.exchange(post(), end=False)) == [200]


def test_upgrades_are_not_taken(server: ScoringServer) -> None:
    asked = (
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n"
    )
    assert statuses(server.exchange(asked + b"PRI * HTTP/2.0\r\n\r\n", end=False)) == [200]


def test_clients_that_go_away_leave_nothing(server: ScoringServer) -> None:
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(post())
    deadline = time.monotonic() + 10
    while server.metric("slipway_scoring_connections") > 1 or server.metric("slipway_scoring_in_flight"):
        assert time.monotonic() < deadline, server.client.get("/metrics").text
        time.sleep(0.05)


def test_large_answers_are_packed_when_asked(server: ScoringServer) -> None:
    rows = {"data": [ROW] * 400}
    plain = server.client.post("/score", json=rows, headers={"Accept-Encoding": "identity"})
    packed = server.client.post("/score", json=rows, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content)
    assert packed.json() == plain.json()


def test_a_client_that_does_not_read_holds_no_memory(server: ScoringServer) -> None:
    """Its requests wait in its own connection instead of being answered into memory."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.settimeout(1.0)
        with pytest.raises(TimeoutError):
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 1_000_000)
        assert httpx.get(f"http://127.0.0.1:{server.port}/", timeout=30).text == "Healthy"  # in a new connection
