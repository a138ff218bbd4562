"""The process: listens, loads, serves, and on SIGTERM ends without losing a request that it has accepted."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from shared.scoring.backend import Backend
from shared.scoring.errors import StartError
from shared.scoring.http.connections import Connections
from shared.scoring.http.limits import Limits
from shared.scoring.http.protocol import HttpProtocol
from shared.scoring.logs import LOGGER
from shared.scoring.reloading import watch
from shared.scoring.service import Service
from shared.scoring.settings import Settings

if TYPE_CHECKING:
    from shared.scoring.models.routes import OnnxRoutes
    from shared.scoring.models.store import ModelStore
    from shared.scoring.oip.grpc_server import GrpcServer

BACKLOG = 2_048
IDLE_GRACE_S = 1.0  # that idle connections stay open while draining: a request may be on its way

Load = Callable[[], Awaitable[Backend]]


class Server:
    """Listens on one or two ports. `port` is the one it got."""

    def __init__(self, settings: Settings, service: Service, load: Load, watched: tuple[Path, ...] = ()) -> None:
        """With `watched` it loads again when these files or folders change."""
        self._settings = settings
        self._service = service
        self._load = load
        self._watched = watched
        self._watching: asyncio.Task[None] | None = None
        self._listeners: list[tuple[asyncio.Server, socket.socket]] = []
        self._stop = asyncio.Event()
        self._connections = Connections(
            Limits(
                max_header_bytes=settings.max_header_bytes,
                max_body_bytes=settings.max_body_bytes,
                max_buffered_bytes=max(512 * 2**20, 2 * settings.max_body_bytes),
                max_connections=settings.max_connections,
                header_timeout_s=settings.header_timeout_s,
                body_timeout_s=settings.body_timeout_s,
                keep_alive_s=settings.keep_alive_s,
            )
        )
        self._backend: Backend | None = None
        self._grpc: GrpcServer | None = None
        self.port = 0
        service.metrics.read(
            "slipway_scoring_connections", "gauge", "Open connections.", lambda: len(self._connections.open)
        )

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or `stop`. Raises StartError when it can't listen or load."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread: `stop` ends it
                loop.add_signal_handler(number, self.stop)
        starting = loop.create_task(self.start())
        stopping = loop.create_task(self._stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
            else:
                starting.cancel()
        finally:
            stopping.cancel()
            await self.drain()

    def stop(self) -> None:
        """Begin to end."""
        self._stop.set()

    async def start(self) -> None:
        """Listen, then load: until that is done, everything but /v2/health/live is answered with 503. Raises
        StartError."""
        self.port = await self._listen(self._settings.port)
        if self._settings.health_port not in (None, self._settings.port):
            await self._listen(self._settings.health_port or 0)
        self._connections.start()
        if self._settings.grpc_port is not None:
            self._grpc = self._listen_for_grpc(self._settings.grpc_port)
        LOGGER.info("listening on port %d", self.port)
        try:
            await self.reload()
        except StartError:
            await self._close_listeners()
            raise
        if self._watched:
            self._watching = asyncio.get_running_loop().create_task(watch(self._watched, self.reload))
        LOGGER.info("ready")

    def _listen_for_grpc(self, port: int) -> GrpcServer:
        try:
            from shared.scoring.oip.grpc_server import GrpcServer
        except ImportError as error:
            raise StartError(f"gRPC needs the extra scoring-grpc: {error}") from error
        settings = self._settings
        return GrpcServer(settings.host, port, self._service, self._models, settings.max_body_bytes)

    def _models(self) -> tuple[ModelStore, OnnxRoutes] | None:
        return self._backend.models if self._backend is not None else None

    async def reload(self) -> None:
        """Load again and serve that from now on; what was served goes on when it fails. Raises StartError."""
        backend = await self._load()
        previous, self._backend = self._backend, backend
        self._service.open(backend.routes, backend.families)
        if previous is not None:
            previous.close()

    async def _listen(self, port: int) -> int:
        host = self._settings.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise StartError(f"can't listen on {host} port {port}: {error}") from error
        listener.setblocking(False)
        kept = listener.dup()  # keeps the kernel's queue of connections when the loop has closed its own
        server = await asyncio.get_running_loop().create_server(self._protocol, sock=listener, backlog=BACKLOG)
        self._listeners.append((server, kept))
        return int(kept.getsockname()[1])

    def _protocol(self) -> HttpProtocol:
        return HttpProtocol(self._service, self._connections)

    async def _close_listeners(self) -> None:
        loop = asyncio.get_running_loop()
        for server, kept in self._listeners:
            server.close()
            while True:
                try:
                    accepted, _ = kept.accept()  # connections that are complete for the client
                except BlockingIOError:
                    break
                accepted.setblocking(False)
                await loop.connect_accepted_socket(self._protocol, accepted)
            kept.close()
        self._listeners.clear()

    async def drain(self) -> None:
        """Accept nothing new, answer everything accepted, close."""
        LOGGER.info("draining")
        if self._watching is not None:
            self._watching.cancel()
        self._service.draining = True
        self._connections.draining = True
        await self._close_listeners()
        if self._grpc is not None:
            await self._grpc.stop(self._settings.drain_timeout_s)
        left = await self._connections.drain(IDLE_GRACE_S, self._settings.drain_timeout_s)
        if left:
            LOGGER.error("%d connections were still busy after %g s", left, self._settings.drain_timeout_s)
        self._connections.stop()
        if self._backend is not None:
            self._backend.close()
        LOGGER.info("ended")
