"""The signal of a local queue: who waits for it can be stopped at any moment."""

from __future__ import annotations

import asyncio

import pytest

from shared.adapters.local.signal import Signal


async def test_a_cancellation_that_comes_with_the_notify_is_not_lost() -> None:
    signal = Signal()
    waiting = asyncio.create_task(signal.wait(60))
    await asyncio.sleep(0)
    signal.notify()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_it_returns_at_the_notify_and_after_the_time() -> None:
    signal = Signal()
    waiting = asyncio.create_task(signal.wait(60))
    await asyncio.sleep(0)
    assert not waiting.done()
    signal.notify()
    async with asyncio.timeout(5):
        await waiting
        await signal.wait(0.01)
    assert waiting.done()
