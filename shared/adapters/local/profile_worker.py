"""`python -m shared.adapters.local.profile_worker FOLDER [PRICES]`: one profile in a process of its own, so that the
load it makes does not slow the control plane. FOLDER holds request.json; points.jsonl and result.json are written into
it. PRICES is a table of prices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from shared.errors import SlipwayError
from shared.profiling.plan import ProfilePlan
from shared.profiling.prices import read_prices
from shared.profiling.profile import Progress, profile
from shared.resources.profile import LoadPoint, ProfileResult, ProfileState

REQUEST, POINTS, RESULT = "request.json", "points.jsonl", "result.json"
_PATHS = ("model", "sample", "entry_script")


def plan_of(document: dict[str, Any]) -> ProfilePlan:
    """The plan that request.json holds."""
    fields: dict[str, Any] = {k: Path(v) if k in _PATHS and v else v for k, v in document.items()}
    return ProfilePlan(**fields)


def known_points(folder: Path) -> list[LoadPoint]:
    """What an earlier process of this profile measured; [] for none. A line that is not whole ends them."""
    points = []
    try:
        for line in (folder / POINTS).read_text().splitlines():
            points.append(LoadPoint.model_validate_json(line))
    except (FileNotFoundError, ValueError):
        return points
    return points


async def run(folder: Path, prices_file: Path | None = None) -> ProfileResult:
    """The result in a final state, also when the plan is wrong; SIGTERM ends it with what was measured."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    known = known_points(folder)
    with (folder / POINTS).open("a", buffering=1) as points:

        def say(progress: Progress) -> None:
            sys.stdout.write(f"{progress}\n")
            sys.stdout.flush()
            if progress.point is not None:
                points.write(progress.point.model_dump_json() + "\n")

        try:
            prices = read_prices(prices_file) if prices_file else None
            plan = plan_of(json.loads((folder / REQUEST).read_text()))
            return await profile(plan, say, known=known, stop=stop, prices=prices)
        except SlipwayError as error:
            return ProfileResult(state=ProfileState.FAILED, error=str(error))


def main() -> None:
    """Write the result, whole or not at all."""
    folder, *prices = map(Path, sys.argv[1:])
    result = asyncio.run(run(folder, *prices))
    partial = folder / f".{RESULT}-{os.getpid()}"
    partial.write_text(result.model_dump_json())
    partial.rename(folder / RESULT)


if __name__ == "__main__":
    main()
