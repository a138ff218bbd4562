"""Who may do what with an image layout on this machine at a time, by locks of the operating system: a process that dies
gives them up."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

POLL_S = 0.1


@contextmanager
def index_alone(layout: Path) -> Iterator[None]:
    """Nobody else writes the layout's index while the context lasts: milliseconds."""
    layout.mkdir(parents=True, exist_ok=True)
    with (layout / ".index.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@asynccontextmanager
async def in_use(layout: Path) -> AsyncIterator[None]:
    """Nothing is collected from the layout while the context lasts, as long as a build. Many may use it at once."""
    layout.mkdir(parents=True, exist_ok=True)
    with (layout / ".use.lock").open("w") as held:
        # Another process may be collecting, which sets no event of this one.
        while not _taken(held.fileno(), fcntl.LOCK_SH):  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        yield


@contextmanager
def out_of_use(layout: Path) -> Iterator[bool]:
    """Whether nobody uses the layout, nor begins to while the context lasts."""
    with (layout / ".use.lock").open("w") as held:
        yield _taken(held.fileno(), fcntl.LOCK_EX)


def _taken(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
