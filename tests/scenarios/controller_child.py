"""`python -m tests.scenarios.controller_child FOLDER`: looks at everything unfinished for ever, until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.plane import make_plane
from tests.scenarios.test_endpoints import look


async def _run(folder: Path) -> None:
    plane = make_plane(folder)
    print("looking", flush=True)
    while True:
        await look(plane)
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
