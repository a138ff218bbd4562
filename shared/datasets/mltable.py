"""MLTable files: which files a table is made of, and how they are read; pure.

Source: Azure ML's MLTable artifact schema (`paths`, `transformations`), of which the reading transformations and the
choice of columns are done here.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.declarations.source import load_source
from shared.errors import Invalid
from shared.resources.monitor_request import FileFormat

FILE = "MLTable"  # the file's name, in the folder of the table
MAX_BYTES = 1_000_000
READERS: dict[str, FileFormat] = {"read_delimited": "csv", "read_parquet": "parquet", "read_json_lines": "jsonl"}
CHOICES = ("keep_columns", "drop_columns")
# Options of the readers that change nothing here, with the values that are accepted.
_ACCEPTED: dict[str, tuple[Any, ...]] = {
    "include_path_column": (False,),
    "encoding": ("utf8", "utf-8", "ascii"),
    "header": ("all_files_same_headers", "all_files_different_headers", "from_first_file"),
    "empty_as_string": (False,),
    "infer_column_types": (True,),
    "support_multi_line": (True, False),
    "invalid_lines": ("drop", "error"),
}
_PATHS = ("file", "folder", "pattern")


@dataclass(slots=True)
class MLTable:
    """What an MLTable file says."""

    paths: list[tuple[str, str]] = field(default_factory=list)  # file, folder or pattern, and the path
    format: FileFormat = "csv"
    delimiter: str = ","
    only_columns: list[str] = field(default_factory=list)
    without_columns: list[str] = field(default_factory=list)

    def holds(self, path: str) -> bool:
        """Whether a file, by its path relative to the table's folder, is part of the table."""
        return any(_is_named(how, said, path) for how, said in self.paths)


def read_mltable(data: bytes) -> MLTable:
    """What the file says. Raises Invalid for what is no MLTable and for what is not done here, with what is."""
    try:
        found = load_source(data.decode(), FILE).value
    except UnicodeDecodeError as error:
        raise Invalid("the MLTable file is not UTF-8", remedy="save it as UTF-8") from error
    if not isinstance(found, dict) or not isinstance(found.get("paths"), list):
        raise Invalid("the MLTable file names no paths", remedy="give paths: [{file: ./data.csv}]")
    table = MLTable([_path(one) for one in found["paths"]])
    steps = [_step(one) for one in found.get("transformations") or []]
    readers = [name for name, _ in steps if name in READERS]
    if len(readers) != 1:
        raise Invalid(
            f"the MLTable file says {len(readers)} times how files are read", remedy=f"give one of {', '.join(READERS)}"
        )
    for name, given in steps:
        _apply(table, name, given)
    return table


def _path(one: Any) -> tuple[str, str]:
    if isinstance(one, dict) and len(one) == 1 and next(iter(one)) in _PATHS:
        how, said = next(iter(one.items()))
        if isinstance(said, str) and "://" not in said and not said.startswith("azureml:"):
            path = posixpath.normpath(said)
            if not path.startswith(("/", "../")) and path != "..":
                return str(how), path
    raise Invalid(
        f"the MLTable file names {str(one)[:100]!r}", remedy="name file, folder or pattern inside of its folder"
    )


def _step(one: Any) -> tuple[str, Any]:
    name, given = next(iter(one.items())) if isinstance(one, dict) and len(one) == 1 else (one, None)
    if name not in READERS and name not in CHOICES:
        raise Invalid(
            f"the transformation {str(name)[:60]!r} of the MLTable file is not done here",
            remedy=f"use {', '.join((*READERS, *CHOICES))}, or register data that are ready",
        )
    return str(name), given


def _apply(table: MLTable, name: str, given: Any) -> None:
    if name in CHOICES:
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise Invalid(f"{name} of the MLTable file is no list of columns", remedy="name columns")
        target = table.only_columns if name == "keep_columns" else table.without_columns
        target += names
        return
    table.format = READERS[name]
    for option, value in (given or {}).items():
        if option == "delimiter" and name == "read_delimited" and isinstance(value, str) and len(value) == 1:
            table.delimiter = value
        elif value not in _ACCEPTED.get(option, ()):
            known = ", ".join(map(str, _ACCEPTED.get(option, ()))) or "leave it out"
            raise Invalid(f"{name}.{option}: {str(value)[:60]!r} of the MLTable file is not done here", remedy=known)


def _is_named(how: str, said: str, path: str) -> bool:
    if how == "file":
        return path == said
    if how == "folder":
        return said == "." or path.startswith(f"{said}/")
    return _matches(said.split("/"), path.split("/"))


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """`*` stays within a folder, `**` goes through any number of them."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(pattern[1:], parts[at:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(pattern[1:], parts[1:])
