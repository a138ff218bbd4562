"""Blocking work in a thread that is never abandoned half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


async def run_to_end(work: Callable[[], T], executor: Executor | None = None) -> T:
    """What `work()` returns, run in a thread. When this is cancelled, the cancellation waits until the thread is done:
    it must not go on writing to a descriptor that is closed, and perhaps used for another file, meanwhile."""
    future = asyncio.get_running_loop().run_in_executor(executor, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # taken, so that it is not reported as never retrieved
        raise
