"""A subscriber's webhook that can be taken down, made to fail or to hang, and that keeps the events it accepted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from aiohttp import web

from tests.doubles.webhook_receiver import Received, WebhookReceiver

Mode = Literal["accepting", "failing", "refusing", "hanging"]

MODEL_REGISTERED = "Microsoft.MachineLearningServices.ModelRegistered"


class Receiver:
    """A receiver on one port of loopback. `up` and `down` open and close its socket; while it is down, connections
    are refused. `mode`: failing answers 500, refusing 400, hanging never answers."""

    def __init__(self) -> None:
        self.mode: Mode = "accepting"
        self.accepted: list[dict[str, Any]] = []  # every accepted event, in order, repeated when it came twice
        self.attempts = 0  # deliveries that came, however they were answered
        self._webhook = WebhookReceiver("", answer=self._answer)
        self._released = asyncio.Event()
        self._sock = _bound_socket()
        self._port = int(self._sock.getsockname()[1])
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens when it is up."""
        return f"http://127.0.0.1:{self._port}/hook"

    @property
    def registered(self) -> list[tuple[str, int]]:
        """Name and version of every ModelRegistered it accepted, sorted, each once."""
        found = {
            (each["data"]["modelName"], each["data"]["modelVersion"])
            for each in self.accepted
            if each["eventType"] == MODEL_REGISTERED
        }
        return sorted(found)

    async def up(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/hook", self._webhook.handle)
        self._released.clear()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, self._sock, backlog=256).start()

    async def down(self) -> None:
        """Close the socket, and keep the port so that nobody else gets it."""
        self._released.set()
        assert self._runner is not None
        await self._runner.cleanup()
        self._runner = None
        self._sock = _bound_socket(self._port)

    async def close(self) -> None:
        """Down for good."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
        self._sock.close()

    async def _answer(self, received: Received) -> web.Response:
        self.attempts += 1
        if self.mode == "hanging":
            await self._released.wait()
        if self.mode != "accepting":
            return web.Response(status=400 if self.mode == "refusing" else 500)
        self.accepted.extend(received.events)
        return web.Response()


def _bound_socket(port: int = 0) -> socket.socket:
    """It holds the port; connections are refused until something listens on it."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made


@asynccontextmanager
async def receiving(*, up: bool = True) -> AsyncIterator[Receiver]:
    """A receiver for as long as the context lasts."""
    receiver = Receiver()
    try:
        if up:
            await receiver.up()
        yield receiver
    finally:
        await receiver.close()
