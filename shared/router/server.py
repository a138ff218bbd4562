"""The process: listens, follows its file, looks after time limits, and on SIGTERM ends without losing a request."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from pathlib import Path

from shared.router.caller import Caller, Callers
from shared.router.config import ConfigError, read_config
from shared.router.routing import Router

LOGGER = logging.getLogger("slipway.router")
LISTEN_VARIABLE = "SLIPWAY_LISTEN_FD"
BACKLOG = 2_048
SWEEP_S = 0.05
POLL_S = 0.1  # how often the file is looked at
IDLE_GRACE_S = 1.0  # that idle connections stay open while draining: a request may be on its way
DRAIN_TIMEOUT_S = 60.0


class StartError(Exception):
    """It can't be started; the text says why."""


class Server:
    """One router process. `port` is the one it got."""

    def __init__(self, path: Path, host: str, port: int) -> None:
        """Raises StartError when the file can't be used."""
        self._path = path
        self._host = host
        self.port = port
        self._seen = _mark(path)
        try:
            self._router = Router(read_config(path))
        except ConfigError as error:
            raise StartError(str(error)) from error
        self._callers = Callers(self._router)
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._listener: asyncio.Server | None = None
        self._kept: socket.socket | None = None

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises StartError when it can't listen, and whatever ends its own tasks."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        await self._listen()
        LOGGER.info("listening on port %d", self.port)
        stopping = loop.create_task(self._stop.wait())
        tasks = [loop.create_task(self._sweep()), loop.create_task(self._follow())]
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()  # raises: a router that no longer looks after time limits must not go on
        await self._drain()
        for task in tasks:
            task.cancel()

    async def _listen(self) -> None:
        listener = _listener(self._host, self.port)
        listener.setblocking(False)
        self.port = int(listener.getsockname()[1])
        self._kept = listener.dup()  # keeps the kernel's queue of connections when the loop has closed its own
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Caller(self._callers), sock=listener, backlog=BACKLOG)

    # --- the file ---
    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL_S):  # wait_for may lose a cancellation (bpo-37658)
                    await self._reload.wait()
            except TimeoutError:
                if _mark(self._path) == self._seen:
                    continue
            self._reload.clear()
            self._seen = _mark(self._path)
            self._read()

    def _read(self) -> None:
        """Take over the file; one that is wrong changes nothing."""
        try:
            config = read_config(self._path)
        except ConfigError as error:
            self._router.failed_reloads += 1
            LOGGER.error("the former file stays in force: %s", error)
            return
        self._router.apply(config)
        self._router.reloads += 1
        LOGGER.info("the file with revision %r is in force", config.revision)

    # --- time ---
    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        rounds = 0
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = loop.time()
            self._router.sweep(now_s)
            rounds += 1
            if rounds % 10 == 0:
                for caller in tuple(self._callers.open):
                    caller.sweep(now_s)

    async def _drain(self) -> None:
        """Accept nothing new, answer everything accepted, close."""
        LOGGER.info("draining")
        self._router.draining = True
        await self._close_listener()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while self._callers.open and loop.time() < began_s + DRAIN_TIMEOUT_S:
            if loop.time() >= began_s + IDLE_GRACE_S:
                for caller in tuple(self._callers.open):
                    caller.end_when_idle()
            await asyncio.sleep(0.02)
        if self._callers.open:
            LOGGER.error("%d connections were still open after %g s", len(self._callers.open), DRAIN_TIMEOUT_S)
        LOGGER.info("ended")

    async def _close_listener(self) -> None:
        if self._listener is None or self._kept is None:
            return
        self._listener.close()
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = self._kept.accept()  # connections that are complete for the caller
            except BlockingIOError:
                break
            accepted.setblocking(False)
            await loop.connect_accepted_socket(lambda: Caller(self._callers), accepted)
        self._kept.close()


def _listener(host: str, port: int) -> socket.socket:
    """The socket that whoever started this process has made and keeps: while no router runs, callers wait in its
    queue. Its own one, when it was given none. Raises StartError."""
    given = os.environ.get(LISTEN_VARIABLE)
    try:
        if given:
            return socket.socket(fileno=int(given))
    except (ValueError, OSError) as error:
        raise StartError(f"{LISTEN_VARIABLE} is {given!r}, which is no socket: {error}") from error
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"can't listen on {host} port {port}: {error}") from error
    return listener


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What tells two states of a file apart; None when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
