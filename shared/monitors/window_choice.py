"""Which windows of collected data are taken from their sketches in a run, and which files are read; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from shared.monitors.collected_layout import folder_of
from shared.monitors.windows import Window
from shared.resources.collection_window import CollectedFile, WindowFacts, WindowFound


@dataclass(slots=True)
class WindowChoice:
    """What is read of a collection."""

    sketched: dict[str, bool] = field(default_factory=dict)  # folder -> whether its rows all lie outside the window
    files: list[CollectedFile] = field(default_factory=list)  # that are read
    outdated: list[str] = field(default_factory=list)  # folders whose sketches are of other files than are there


def choose(
    files: Sequence[CollectedFile], known: Mapping[str, WindowFacts], window: Window, as_rows: Collection[str] = ()
) -> WindowChoice:
    """`files` are those that may hold rows of the window, in their order; `known` by folder; `as_rows` are folders that
    are to be read. A sketch stands for its folder when it is of exactly the files that are there, and all of its rows
    lie on one side of the window's edges."""
    chosen = WindowChoice()
    there: dict[str, list[CollectedFile]] = {}
    for file in files:
        there.setdefault(folder_of(file.path), []).append(file)
    for folder, present in there.items():
        facts = known.get(folder)
        if facts is not None and facts.files != present:
            chosen.outdated.append(folder)
            facts = None
        side = None if facts is None or folder in as_rows else _is_outside(facts.found, window)
        if side is not None:
            chosen.sketched[folder] = side
    chosen.files = [file for file in files if folder_of(file.path) not in chosen.sketched]
    return chosen


def _is_outside(found: WindowFound, window: Window) -> bool | None:
    """None when some rows lie within the window, and some do not."""
    if found.first is None or found.last is None:
        return False
    if window.start <= found.first and found.last < window.end:
        return False
    return True if found.last < window.start or found.first >= window.end else None
