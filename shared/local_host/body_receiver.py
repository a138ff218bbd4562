"""Receives the body of a request into a file, hashing it on the way.

A large body on a plain socket is taken over from aiohttp: one thread reads the socket into a few fixed buffers and
writes them, another hashes them. That is about 1.6 times as fast as aiohttp's reader and needs the same few MiB for any
size (tests/benchmarks/upload_2gb.py). All other bodies, and more than MAX_TAKEN_OVER at a time, go through aiohttp.
"""

from __future__ import annotations

import asyncio
import queue
import select
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from aiohttp import ClientPayloadError, web

from shared.adapters.local.partial_file import PartialFile
from shared.adapters.local.threads import run_to_end
from shared.errors import BadRequest

BUFFER_BYTES = 1 << 20
BUFFERS = 4
LOW_WATER_BYTES = 256 << 10  # the kernel wakes us when so much is there: fewer, larger reads
TAKE_OVER_BYTES = 4 << 20  # smaller bodies are not worth a connection
MAX_TAKEN_OVER = 4
STALL_TIMEOUT_S = 120.0  # nothing arrives for so long: the body is broken
_readers = ThreadPoolExecutor(MAX_TAKEN_OVER, thread_name_prefix="body reader")
_hashers = ThreadPoolExecutor(MAX_TAKEN_OVER, thread_name_prefix="body hasher")
_taken_over: set[int] = set()
_TAKEN_OVER = web.RequestKey("taken_over", bool)


async def receive_body(request: web.Request, file: PartialFile, check_room: Callable[[int], None]) -> None:
    """Append the whole body to `file`. Afterwards the connection may be of no more use: see `is_spent`. Raises
    BadRequest when the body breaks off, and what `check_room` raises: it is asked for the size of each piece of a body
    whose length was not announced."""
    if _may_take_over(request):
        await _take_over(request, file)
    else:
        await _stream(request, file, check_room)


def is_spent(request: web.Request) -> bool:
    """Whether the connection must be closed after the answer: its body was taken over, or never read to its end."""
    return _TAKEN_OVER in request or request.transport is None or not request.transport.is_reading()


def _may_take_over(request: web.Request) -> bool:
    transport = request.transport
    return (
        (request.content_length or 0) >= TAKE_OVER_BYTES
        and len(_taken_over) < MAX_TAKEN_OVER
        and transport is not None
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
    )


async def _stream(request: web.Request, file: PartialFile, check_room: Callable[[int], None]) -> None:
    batch: list[bytes] = []
    size_bytes = 0
    try:
        async for chunk in request.content.iter_any():
            batch.append(chunk)
            size_bytes += len(chunk)
            if size_bytes >= BUFFER_BYTES:
                if request.content_length is None:
                    check_room(size_bytes)
                await run_to_end(partial(_write_all, file, batch))
                batch, size_bytes = [], 0
    except (ClientPayloadError, ConnectionError, web.RequestPayloadError) as error:
        raise _broken(request, file.size_bytes) from error
    await run_to_end(partial(_write_all, file, batch))


def _write_all(file: PartialFile, batch: list[bytes]) -> None:
    for chunk in batch:
        file.write(chunk)


async def _take_over(request: web.Request, file: PartialFile) -> None:
    assert request.transport is not None
    assert request.content_length is not None
    _taken_over.add(id(request))
    request[_TAKEN_OVER] = True  # aiohttp's parser still waits for the body: it would swallow the next request
    try:
        batch = _pause_and_drain(request, request.transport)
        rest_bytes = request.content_length - sum(map(len, batch))
        with _duplicate(request.transport) as connection:
            work = partial(_receive, connection, batch, rest_bytes, file)
            reading = asyncio.ensure_future(run_to_end(work, _readers))
            try:
                whole = await asyncio.shield(reading)
            except asyncio.CancelledError:
                connection.shutdown(socket.SHUT_RD)  # wakes the thread: it reads the end of the stream
                await asyncio.wait([reading])
                raise
    finally:
        _taken_over.discard(id(request))
        request.content.feed_eof()  # aiohttp must not wait for the rest
    if not whole:
        raise _broken(request, file.size_bytes)


def _pause_and_drain(request: web.Request, transport: asyncio.Transport | asyncio.ReadTransport) -> list[bytes]:
    transport.pause_reading()
    batch = []
    while chunk := request.content.read_nowait():
        batch.append(chunk)
        transport.pause_reading()  # taking a chunk may have resumed it
    return batch


@contextmanager
def _duplicate(transport: asyncio.BaseTransport) -> Iterator[socket.socket]:
    connection = transport.get_extra_info("socket").dup()  # ours: the thread's reads can't hit a reused descriptor
    try:
        yield connection
    finally:
        connection.close()


def _receive(connection: socket.socket, batch: list[bytes], rest_bytes: int, file: PartialFile) -> bool:
    _write_all(file, batch)
    free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
    full: queue.SimpleQueue[tuple[memoryview, int] | None] = queue.SimpleQueue()
    for _ in range(BUFFERS):
        free.put(memoryview(bytearray(BUFFER_BYTES)))
    hashing = _hashers.submit(_hash, file, free, full)
    try:
        while rest_bytes:
            buffer = free.get()
            count = _fill(connection, buffer[: min(BUFFER_BYTES, rest_bytes)])
            if not count:
                return False
            file.append(buffer[:count])
            full.put((buffer, count))
            rest_bytes -= count
        return True
    finally:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)  # the duplicate shares it with the original
        full.put(None)
        hashing.result()


def _hash(
    file: PartialFile, free: queue.SimpleQueue[memoryview], full: queue.SimpleQueue[tuple[memoryview, int] | None]
) -> None:
    while (filled := full.get()) is not None:
        buffer, count = filled
        file.hash(buffer[:count])
        free.put(buffer)


def _fill(connection: socket.socket, buffer: memoryview) -> int:
    """How many bytes were put into the buffer: all of it, or 0 when the stream ended or stalled before."""
    filled = 0
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    while filled < len(buffer):
        low_water = min(LOW_WATER_BYTES, len(buffer) - filled)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low_water)
        ready = poll.poll(STALL_TIMEOUT_S * 1000)
        try:
            count = connection.recv_into(buffer[filled:])
        except BlockingIOError:
            if ready:
                continue
            return 0
        except ConnectionError:
            return 0
        if not count:
            return 0
        filled += count
    return filled


def _broken(request: web.Request, size_bytes: int) -> BadRequest:
    announced = "" if request.content_length is None else f" of {request.content_length}"
    return BadRequest(f"the body broke off after {size_bytes}{announced} bytes", remedy="send it again")
