"""`python -m shared.monitoring.window READING.json FOLDER`: files of collected data in, once; a sketch at the edges of
each baseline out, with what it is of (WindowReading, WindowFound).

Exits with 0 when all was written; with 1 and the reason on standard error otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from shared.errors import SlipwayError
from shared.resources.collection_window import WindowFound, WindowReading

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) != 2:
        sys.stderr.write("usage: python -m shared.monitoring.window READING.json FOLDER\n")
        return 1
    try:
        _write(WindowReading.model_validate_json(Path(given[0]).read_bytes()), Path(given[1]))
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is not installed\nTo do: pip install 'slipway[monitoring]'\n")
        return 1
    except (SlipwayError, ValidationError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _write(reading: WindowReading, folder: Path) -> None:
    from shared.monitoring.hours import hashes_of
    from shared.monitoring.rows import Rows
    from shared.monitoring.sketches import storage
    from shared.monitoring.window_sketches import WindowSketches
    from shared.resources.monitor_request import DataSet

    rows = Rows(DataSet(files=reading.files))
    sketches = WindowSketches({name: storage.read(path) for name, path in reading.baselines.items()})
    sketches.read(rows)
    folder.mkdir(parents=True, exist_ok=True)
    for name, sketch in sketches.finish().items():
        storage.write(sketch, str(folder / name))
    (folder / "ids").write_bytes(hashes_of(rows.seen).tobytes())
    columns = {name: kind.value for name, kind in rows.schema.items()}
    first, last = (_time(one) for one in sketches.span)
    found = WindowFound(columns=columns, counts=sketches.counts, first=first, last=last)
    (folder / "found.json").write_text(found.model_dump_json())


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


if __name__ == "__main__":
    sys.exit(main())
