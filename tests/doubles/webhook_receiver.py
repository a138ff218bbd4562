"""A subscriber's webhook on a free loopback port: answers the handshake, keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Handshake = Literal["agrees", "silent", "wrong code", "accepted", "refuses"]


@dataclass
class Received:
    """One delivery."""

    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        document = json.loads(self.body)
        return document if isinstance(document, list) else [document]


async def _accept(received: Received) -> web.Response:
    return web.Response()


@dataclass
class WebhookReceiver:
    """`answer` decides what a delivery is answered with; everything that came is in `deliveries`, accepted or not."""

    url: str
    handshake: Handshake = "agrees"
    answer: Callable[[Received], Awaitable[web.Response]] = _accept
    deliveries: list[Received] = field(default_factory=list)
    accepted_ids: list[str] = field(default_factory=list)
    validation_urls: list[str] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.method == "OPTIONS":
            return self._options(request)
        if request.headers.get("aeg-event-type") == "SubscriptionValidation":
            return self._validation(json.loads(body)[0]["data"])
        received = Received({name.lower(): value for name, value in request.headers.items()}, body)
        await self._note(lambda: self.deliveries.append(received))
        response = await self.answer(received)
        if response.status < 300:
            await self._note(lambda: self.accepted_ids.extend(e["id"] for e in received.events if "id" in e))
        return response

    async def until(self, holds: Callable[[], bool], *, timeout_s: float = 30) -> None:
        """Return once `holds()`; it is asked again after everything that arrives."""
        async with asyncio.timeout(timeout_s), self.changed:
            await self.changed.wait_for(holds)

    async def _note(self, note: Callable[[], None]) -> None:
        async with self.changed:
            note()
            self.changed.notify_all()

    def _validation(self, data: dict[str, str]) -> web.Response:
        self.validation_urls.append(data["validationUrl"])
        if self.handshake == "silent":
            return web.Response()
        code = "another" if self.handshake == "wrong code" else data["validationCode"]
        status = {"accepted": 202, "refuses": 404}.get(self.handshake, 200)
        return web.json_response({"validationResponse": code}, status=status)

    def _options(self, request: web.Request) -> web.Response:
        self.validation_urls.append(request.headers["WebHook-Request-Callback"])
        origin = request.headers["WebHook-Request-Origin"]
        if self.handshake == "refuses":
            return web.Response(status=405)
        allowed = {
            "agrees": {"WebHook-Allowed-Origin": origin},
            "wrong code": {"WebHook-Allowed-Origin": "other.example"},
        }
        return web.Response(headers=allowed.get(self.handshake, {}))


def bound_socket() -> socket.socket:
    """A free port that refuses connections until something listens on it."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    return made


@asynccontextmanager
async def serving(app: web.Application, sock: socket.socket | None = None) -> AsyncIterator[str]:
    """The app on loopback for as long as the context lasts; its base URL."""
    sock = sock or bound_socket()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def webhook_receiver(
    handshake: Handshake = "agrees", sock: socket.socket | None = None
) -> AsyncIterator[WebhookReceiver]:
    """A receiver that listens for as long as the context lasts."""
    app = web.Application(client_max_size=8 * 1024 * 1024)
    receiver = WebhookReceiver("", handshake)
    app.router.add_route("*", "/hook", receiver.handle)
    async with serving(app, sock) as base_url:
        receiver.url = f"{base_url}/hook"
        yield receiver
