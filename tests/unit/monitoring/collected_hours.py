"""Hours of collected data, and what a run makes of them: read as rows, or with sketches in the place of whole hours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.adapters.local.collected_files import LocalCollected
from shared.adapters.local.collected_reading import CollectedReading
from shared.errors import NotFound
from shared.monitoring.rows_needed import RowsNeeded
from shared.monitoring.run import run
from shared.monitoring.window import main
from shared.monitors.collected_layout import data_file, folder_of, window_of
from shared.resources.build import StoredText
from shared.resources.collection_window import SketchedWindow, WindowFacts, WindowFound, WindowReading
from shared.resources.monitor_request import MonitorRequest
from shared.resources.monitor_result import MonitorResult

DAY = datetime(2026, 6, 1, tzinfo=UTC)
COLLECTION = "live/blue/model_inputs"
BASELINE = "b" * 64


def event(number: int | str, at: datetime, *rows: Mapping[str, Any]) -> str:
    """A line of the collector."""
    said = {"specversion": "1.0", "id": f"id-{number}", "time": at.isoformat(), "correlationid": f"c-{number}"}
    return json.dumps({**said, "data": list(rows)})


@dataclass
class Hours:
    """A collection in a folder, and the sketches of its hours."""

    folder: Path
    baseline: Path  # a stored sketch
    windows: dict[str, SketchedWindow] = field(default_factory=dict)  # by folder

    def write(self, hour: int, lines: Iterable[str], name: str = "instance.jsonl") -> None:
        """Append to a file of the hour, counted from DAY."""
        path = self.folder / "collected" / COLLECTION / f"{DAY + timedelta(hours=hour):%Y/%m/%d/%H}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def sketch(self, hour: int) -> WindowFacts:
        """Have the hour sketched, as a worker does."""
        folder = f"{DAY + timedelta(hours=hour):%Y/%m/%d/%H}"
        source, window = LocalCollected(self.folder / "collected"), window_of(folder)
        files = asyncio.run(source.files(COLLECTION, window.start, window.end))
        files = [one for one in files if folder_of(one.path) == folder]
        named = [data_file(one.path, str(self.folder / "collected" / COLLECTION / one.path)) for one in files]
        reading, out = self.folder / "reading.json", self.folder / f"out-{hour}"
        reading.write_text(WindowReading(files=named, baselines={BASELINE: str(self.baseline)}).model_dump_json())
        assert main([str(reading), str(out)]) == 0
        found = WindowFound.model_validate_json((out / "found.json").read_bytes())
        facts = WindowFacts(found=found, files=files, listed_at=DAY)
        (out / "facts").write_text(facts.model_dump_json())
        kept = {name: StoredText(sha256=f"{hour}-{name}", size_bytes=1) for name in ("facts", "ids", BASELINE)}
        stored = {"facts": kept["facts"], "ids": kept["ids"], "sketch": kept[BASELINE]}
        self.windows[folder] = SketchedWindow(folder=folder, **stored)
        return facts

    async def read_file(self, sha256: str) -> AsyncIterator[bytes]:
        """What the artifact store would give."""
        hour, _, name = sha256.partition("-")
        path = self.folder / f"out-{hour}" / name
        if not path.exists():
            raise NotFound(sha256)
        yield path.read_bytes()

    def run(
        self, signals: Sequence[Mapping[str, Any]], start: float, end: float, *, sketched: bool = True
    ) -> MonitorResult:
        """What a run finds whose window is from one hour to another."""
        return asyncio.run(self._run(signals, start, end, sketched))

    async def _run(
        self, signals: Sequence[Mapping[str, Any]], start: float, end: float, sketched: bool
    ) -> MonitorResult:
        window = {"window_start": DAY + timedelta(hours=start), "window_end": DAY + timedelta(hours=end)}
        asked = [
            {"name": f"s{place}", "production": dict(window), "reference": {"sketches": [str(self.baseline)]}, **one}
            for place, one in enumerate(signals)
        ]
        said = {"monitor": "m", "run_id": "r", "created_at": DAY, "signals": asked}
        as_rows: Collection[str] = ()
        while True:
            request = MonitorRequest.model_validate(said)
            source, work = LocalCollected(self.folder / "collected"), self.folder / "work"
            work.mkdir(exist_ok=True)
            reading = CollectedReading(source, self.read_file, work, as_rows)
            for signal in request.signals:
                await reading.give(signal.production, COLLECTION, list(self.windows.values()) if sketched else [])
            try:
                return run(request)
            except RowsNeeded as needed:
                as_rows = _more(as_rows, needed.windows)


def _more(known: Collection[str], asked: Collection[str]) -> set[str]:
    assert not set(asked) <= set(known), "the statistics asked twice"
    return {*known, *asked}
