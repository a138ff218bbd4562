"""Loads again when files change, for debugging on one machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from shared.scoring.errors import StartError
from shared.scoring.logs import LOGGER

LOOK_S = 0.3
_IGNORED = ("__pycache__", ".git")

Stamps = dict[str, tuple[int, int]]


def stamps(paths: Iterable[Path]) -> Stamps:
    """Time of change and size in bytes of every file of these files and folders; {} when none is there."""
    found: Stamps = {}
    for path in paths:
        for file in [path] if path.is_file() else path.rglob("*"):
            if not any(part in _IGNORED for part in file.parts):
                try:
                    stat = file.stat()
                except FileNotFoundError:  # gone since it was listed
                    continue
                found[str(file)] = (stat.st_mtime_ns, stat.st_size)
    return found


async def watch(paths: tuple[Path, ...], reload: Callable[[], Awaitable[None]]) -> None:
    """Call reload whenever files have changed and are quiet again, until cancelled. What can't be loaded is logged, and
    what was served goes on."""
    known = await asyncio.to_thread(stamps, paths)
    while True:
        await asyncio.sleep(LOOK_S)
        now = await asyncio.to_thread(stamps, paths)
        if now == known:
            continue
        while (later := await _after_a_moment(paths)) != now:  # files are still being written
            now = later
        known = now
        try:
            await reload()
            LOGGER.info("loaded again")
        except StartError as error:
            LOGGER.error("not loaded again; what was served goes on: %s", error)


async def _after_a_moment(paths: tuple[Path, ...]) -> Stamps:
    await asyncio.sleep(LOOK_S / 3)
    return await asyncio.to_thread(stamps, paths)
