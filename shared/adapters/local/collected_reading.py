"""What a run of a monitor reads of a collection: sketches of the windows that have some, and files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.adapters.local.statistics import fetch
from shared.monitors.collected_layout import data_file
from shared.monitors.window_choice import choose
from shared.monitors.windows import Window
from shared.ports import CollectedSource, ReadFile
from shared.resources.collection_window import SketchedWindow, WindowFacts
from shared.resources.monitor_request import DataSet, SketchedHour


@dataclass(frozen=True, slots=True)
class CollectedReading:
    """The reading of one run."""

    source: CollectedSource
    read_file: ReadFile
    work: Path  # for copies
    as_rows: Collection[str] = ()  # windows that are read whatever there is of them: COLLECTION/FOLDER

    async def give(self, data: DataSet, collection: str, windows: Sequence[SketchedWindow]) -> list[str]:
        """Give the data set its files and its sketched hours; the windows whose sketches are of other files than are
        there, as COLLECTION/FOLDER, come out."""
        assert data.window_start is not None
        assert data.window_end is not None
        window = Window(data.window_start, data.window_end)
        files = await self.source.files(collection, window.start, window.end)
        stored = {one.folder: one for one in windows}
        facts = {folder: await self._facts(one) for folder, one in stored.items()}
        as_rows = {one.removeprefix(f"{collection}/") for one in self.as_rows}
        chosen = choose(files, facts, window, as_rows)
        places = await self.source.fetch(collection, chosen.files, self.work / "collected")
        data.files = [data_file(name, str(path)) for name, path in places.items()]
        data.hours = [
            await self._hour(f"{collection}/{folder}", stored[folder], facts[folder], is_outside)
            for folder, is_outside in chosen.sketched.items()
        ]
        return [f"{collection}/{folder}" for folder in chosen.outdated]

    async def _facts(self, window: SketchedWindow) -> WindowFacts:
        return WindowFacts.model_validate_json(b"".join([chunk async for chunk in self.read_file(window.facts.sha256)]))

    async def _hour(self, name: str, window: SketchedWindow, facts: WindowFacts, is_outside: bool) -> SketchedHour:
        sketch, ids = await self._fetched(window.sketch.sha256), await self._fetched(window.ids.sha256)
        found = facts.found
        return SketchedHour(
            window=name, sketch=sketch, ids=ids, columns=found.columns, counts=found.counts, is_outside=is_outside
        )

    async def _fetched(self, sha256: str) -> str:
        path = self.work / sha256
        if not path.exists():
            await fetch(sha256, self.read_file, path)
        return str(path)
