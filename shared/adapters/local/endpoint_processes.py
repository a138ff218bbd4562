"""The end of the processes of endpoints, when the machine's Slipway ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

POLL_S = 0.1


async def stop_all(folder: Path) -> None:
    """End every process of every endpoint below the folder; what they are for stays, and is started again later."""
    places = [place for place in folder.iterdir() if (place / "processes").is_dir()] if folder.is_dir() else []
    if not places:
        return
    from shared.adapters.local.processes import Supervisor

    for place in places:
        while await Supervisor(place / "processes").ensure(()):  # noqa: ASYNC110 - processes tell nobody that they end
            await asyncio.sleep(POLL_S)
