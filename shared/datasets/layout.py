"""Which files of a data asset hold rows, and how they are read; pure."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Sequence

from shared.datasets.mltable import FILE, MLTable
from shared.errors import Invalid
from shared.resources.data_profile import DataPart, DataTable
from shared.resources.declared import DeclaredSpec
from shared.resources.model import ModelFile
from shared.resources.monitor_request import FileFormat

# By the end of a file's name: its format, and what separates its values.
FORMATS: dict[str, tuple[FileFormat, str]] = {
    ".parquet": ("parquet", ","),
    ".pq": ("parquet", ","),
    ".csv": ("csv", ","),
    ".tsv": ("csv", "\t"),
    ".jsonl": ("jsonl", ","),
    ".ndjson": ("jsonl", ","),
}
MLTABLE_TYPE = "mltable"


def mltable_file(spec: DeclaredSpec) -> ModelFile | None:
    """The MLTable file of a data asset of that type; None for another type, and where there is none."""
    if data_type(spec) != MLTABLE_TYPE:
        return None
    wanted = posixpath.join(_folder(spec), FILE)
    return next((file for file in spec.files if posixpath.normpath(file.path) == posixpath.normpath(wanted)), None)


def data_type(spec: DeclaredSpec) -> str:
    """uri_file, uri_folder or mltable."""
    return str(spec.declaration.get("type") or "uri_folder").lower()


def table_of(spec: DeclaredSpec, mltable: MLTable | None) -> DataTable:
    """The files that hold rows; `mltable` is what the MLTable file says, for an asset of that type. Raises Invalid,
    with what is right, for an asset without files of its own and for one whose files tell no format or several."""
    if not spec.files:
        where = str(spec.declaration.get("path"))[:200]
        raise Invalid(f"its files are elsewhere: {where}", remedy="name files, or a URI (docs/data.md), and profile it")
    if data_type(spec) == MLTABLE_TYPE:
        return _table(spec, mltable)
    parts = [
        DataPart(file=file, format=found[0], delimiter=found[1]) for file in spec.files if (found := _format(file))
    ]
    if not parts:
        raise Invalid(
            f"none of its files holds rows: {_some(spec.files)}",
            remedy=f"name files that end with {', '.join(FORMATS)}",
        )
    formats = sorted({part.format for part in parts})
    if len(formats) > 1:
        raise Invalid(f"its files are of several formats: {', '.join(formats)}", remedy="keep one format in a folder")
    return DataTable(parts=parts)


def _table(spec: DeclaredSpec, mltable: MLTable | None) -> DataTable:
    if mltable is None:
        raise Invalid(f"there is no file {FILE} in {_folder(spec) or '.'}", remedy="add it, or use type: uri_folder")
    folder = _folder(spec)
    parts = [
        DataPart(file=file, format=mltable.format, delimiter=mltable.delimiter)
        for file in spec.files
        if mltable.holds(posixpath.relpath(file.path, folder or ".")) and posixpath.basename(file.path) != FILE
    ]
    if not parts:
        paths = ", ".join(said for _, said in mltable.paths[:5])
        raise Invalid(f"the MLTable file names no file that is there: {paths}", remedy=f"it has {_some(spec.files)}")
    return DataTable(parts=parts, only_columns=mltable.only_columns, without_columns=mltable.without_columns)


def digest_of(files: Sequence[ModelFile]) -> str:
    """SHA-256 of all files by path and content: equal for the same content, "" for no files."""
    if not files:
        return ""
    lines = "".join(f"{file.sha256} {file.path}\n" for file in sorted(files, key=lambda one: one.path))
    return hashlib.sha256(lines.encode()).hexdigest()


def _format(file: ModelFile) -> tuple[FileFormat, str] | None:
    name = posixpath.basename(file.path)
    if name.startswith(("_", ".")):  # Spark's marks: _SUCCESS, .part.crc
        return None
    return FORMATS.get(posixpath.splitext(name)[1].lower())


def _folder(spec: DeclaredSpec) -> str:
    path = posixpath.normpath(str(spec.declaration.get("path") or "."))
    return "" if path == "." else path


def _some(files: Sequence[ModelFile]) -> str:
    names = [file.path for file in files[:5]]
    return ", ".join(names) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
