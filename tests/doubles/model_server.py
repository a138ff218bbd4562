"""`python -m tests.doubles.model_server NAME PORT`: a real HTTP server whose answers say who gave them, for tests.

It answers with the request as it came: method, path, headers and body. In the path: /slow/MS waits, /fail answers 500,
/die ends the process by SIGKILL, /stream/CHUNKS is chunked, /close has no length, /large/BYTES is large.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import cast

import uvloop


class ModelServer(asyncio.Protocol):
    """One connection. Requests are read as the router sends them: a head, and a body of Content-Length."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        size_bytes = int(headers.get("content-length", 0))
        if len(rest) < size_bytes:
            return
        body, self._data = rest[:size_bytes], rest[size_bytes:]
        method, path, _ = lines[0].split(" ")
        self._answer(method, path, headers, body)

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        _, what, *more = path.split("/")
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        said = {"by": self._name, "method": method, "path": path, "headers": headers, "body": body.decode("latin-1")}
        answer = json.dumps(said).encode()
        if what == "slow":
            asyncio.get_running_loop().call_later(int(more[0]) / 1000, self._write, 200, answer)
        elif what == "stream":
            chunks = b"".join(b"5\r\nchunk\r\n" for _ in range(int(more[0])))
            self._raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        elif what == "close":
            self._raw(b"HTTP/1.1 200 OK\r\nX-Odd: yes\r\n\r\n" + self._name.encode())
            assert self._transport is not None
            self._transport.close()
        elif what == "large":
            self._write(200, b"x" * int(more[0]))
        else:
            said = {
                "by": self._name,
                "method": method,
                "path": path,
                "headers": headers,
                "body": body.decode("latin-1"),
            }
            answer = json.dumps(said).encode()
            self._write(500 if what == "fail" else 200, b"" if method == "HEAD" else answer, len(answer))

    def _write(self, status: int, body: bytes, size_bytes: int | None = None) -> None:
        size_bytes = len(body) if size_bytes is None else size_bytes
        head = f"HTTP/1.1 {status} Fine\r\nContent-Type: application/json\r\nContent-Length: {size_bytes}\r\n\r\n"
        self._raw(head.encode() + body)

    def _raw(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


async def main() -> None:
    """Serve until SIGTERM."""
    name, port = sys.argv[1], int(sys.argv[2])
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: ModelServer(name), "127.0.0.1", port, reuse_address=True)
    print(f"listening on port {server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(main())
