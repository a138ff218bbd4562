"""Where collected data lie: the layout of Azure ML's data collector v2; pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from shared.monitors.windows import Window
from shared.resources.monitor_request import DataFile

_HOUR = timedelta(hours=1)
SUFFIX = ".jsonl"


def collection_folder(endpoint: str, deployment: str, collection: str) -> str:
    """ENDPOINT/DEPLOYMENT/COLLECTION."""
    return f"{endpoint}/{deployment}/{collection}"


def hour_of(path: str) -> datetime | None:
    """The hour of a file by its path below the collection's folder, YYYY/MM/DD/HH/FILE.jsonl, in UTC; of a file that
    is rolled by the day its first, and by the minute its hour. None for what is no file of the layout."""
    *parts, name = path.split("/")
    if not name.endswith(SUFFIX) or not 3 <= len(parts) <= 5 or not all(p.isascii() and p.isdigit() for p in parts):
        return None
    year, month, day, *rest = (int(part) for part in parts)
    try:
        return datetime(year, month, day, rest[0] if rest else 0, tzinfo=UTC)
    except ValueError:
        return None


def is_needed(path: str, window: Window, late: timedelta = _HOUR) -> bool:
    """Whether a file may hold rows of the window. A row is in the file of the time when it was written: those that
    were late are up to `late` after the window; a file by the day holds all of it."""
    begins = hour_of(path)
    if begins is None:
        return False
    by_day = len(path.split("/")) == 4
    ends = begins + (timedelta(days=1) if by_day else _HOUR)
    return ends > window.start and begins < window.end + late


def folders_of(window: Window, late: timedelta = _HOUR) -> Iterator[str]:
    """YYYY/MM/DD of each day whose files may be needed, the oldest first."""
    day = window.start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while day < window.end + late:
        yield day.strftime("%Y/%m/%d")
        day += timedelta(days=1)


def parts_of(path: str) -> tuple[str, str]:
    """The collection, ENDPOINT/DEPLOYMENT/COLLECTION, and what is below it, of a path that begins with one."""
    parts = path.split("/")
    return "/".join(parts[:3]), "/".join(parts[3:])


def place_of(path: str) -> tuple[str, str] | None:
    """The collection (ENDPOINT/DEPLOYMENT/COLLECTION) of a file by its path in the container, and its path below that;
    None for what is no file of the layout."""
    collection, below = parts_of(path)
    return (collection, below) if hour_of(below) is not None else None


def folder_of(path: str) -> str:
    """The folder that a file's window has, by its path below the collection's folder: YYYY/MM/DD/HH, of a file that is
    rolled by the day YYYY/MM/DD."""
    return "/".join(path.split("/")[:-1][:4])


def window_of(folder: str) -> Window:
    """The time when files of such a folder are written."""
    begins = hour_of(f"{folder}/{SUFFIX}")
    assert begins is not None
    return Window(begins, begins + (timedelta(days=1) if folder.count("/") == 2 else _HOUR))


def data_file(path: str, place: str) -> DataFile:
    """A file by its path below the collection's folder, as it is read; `place` is its local path."""
    return DataFile(path=place, format="collected", begins=hour_of(path))
