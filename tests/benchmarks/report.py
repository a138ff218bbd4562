"""What a benchmark gives: tables for people, samples for machines, and their place in docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "benchmarks"  # on the disk of the checkout; not committed
DOCUMENT = ROOT / "docs" / "benchmarks.md"


@dataclass
class Table:
    """A title, columns, rows of text, and a line below."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    note: str = ""

    def text(self) -> str:
        """For a terminal."""
        lines = [self.columns, *self.rows]
        widths = [max(len(row[index]) for row in lines) for index in range(len(self.columns))]
        drawn = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in lines]
        rule = "  ".join("-" * width for width in widths)
        return "\n".join([self.title, drawn[0].rstrip(), rule, *(line.rstrip() for line in drawn[1:]), self.note])

    def markdown(self) -> str:
        """For docs/benchmarks.md."""
        head = [f"| {' | '.join(self.columns)} |", f"|{'---|' * len(self.columns)}"]
        rows = [f"| {' | '.join(row)} |" for row in self.rows]
        note = ["", self.note] if self.note else []
        return "\n".join([f"**{self.title}**", "", *head, *rows, *note])


@dataclass
class Result:
    """What one benchmark measured."""

    name: str  # of the benchmark, and of its markers
    tables: list[Table]
    samples: dict[str, Any] = field(default_factory=dict)
    conditions: str = ""
    document: Path = DOCUMENT  # whose markers it stands between


def spread(values: Sequence[float], form: str = ".0f") -> str:
    """Median and range: "101 (98-120)"."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({low:{form}}-{high:{form}})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -(-len(ordered) * round(share * 1000) // 1000) - 1))]


def machine() -> dict[str, Any]:
    """What it was measured on."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpus": os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def load_average() -> float:
    """Processes that ran or waited, over the last minute."""
    return os.getloadavg()[0]


def conditions(before: float) -> str:
    """One line: when, on what, and how busy the machine was."""
    found = machine()
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {found['cpus']} cores, {found['memory_gib']} GiB, {found['system']}, "
        f"Python {found['python']}, SQLite {found['sqlite']}; load average before {before:.1f}, "
        f"after {load_average():.1f}"
    )


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of Slipway's own, and with .pyc files in use."""
    left_out = ("SLIPWAY_", "PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def save(results: Sequence[Result]) -> Path:
    """Write the samples of these runs to a new file under build/benchmarks; its path."""
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{'-'.join(result.name for result in results)}.json"
    document = {
        "machine": machine(),
        "command": sys.argv,
        "results": {result.name: {"conditions": result.conditions, **result.samples} for result in results},
    }
    path.write_text(json.dumps(document, indent=1, default=str))
    return path


def write_document(results: Sequence[Result]) -> None:
    """Put the tables between their markers in their documents. Raises ValueError when a marker is missing."""
    for result in results:
        text = result.document.read_text()
        begin, end = f"<!-- {result.name}: begin -->", f"<!-- {result.name}: end -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"{result.document} has no markers for {result.name}")
        tables = "\n\n".join(table.markdown() for table in result.tables)
        written = f"{before}{begin}\nMeasured {result.conditions}.\n\n{tables}\n{end}{after}"
        result.document.write_text(written)
