"""Wakes the readers of a local queue in this process at once; readers in other processes poll."""

from __future__ import annotations

import asyncio
from pathlib import Path


class Signal:
    """Something new may be there. Any number of tasks of one event loop may wait."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Wake all who wait now."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def wait(self, timeout_s: float) -> None:
        """Return at the next notify, or after timeout_s."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(
                timeout_s
            ):  # wait_for loses a cancellation that comes with the notify (bpo-37658)
                await future
        except TimeoutError:
            return
        finally:
            self._waiting.discard(future)


_signals: dict[str, Signal] = {}


def signal_for(path: Path, topic: str = "") -> Signal:
    """The signal of what is kept at `path`; the same object for the same path and topic within this process."""
    return _signals.setdefault(f"{path.absolute()}#{topic}", Signal())
