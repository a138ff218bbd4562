"""The formats that can be read."""

from __future__ import annotations

import importlib
from pathlib import Path

from shared.errors import Invalid
from shared.monitoring.readers.reader import Reader
from shared.resources.monitor_request import DataFile

# Module and class: what no file needs is not imported.
FORMATS = {
    "parquet": ("parquet", "ParquetReader"),
    "csv": ("csv", "CsvReader"),
    "jsonl": ("jsonl", "JsonLinesReader"),
    "collected": ("collected", "CollectedReader"),
    "collected_csv": ("csv", "CollectedCsvReader"),
}
SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def reader_of(file: DataFile) -> Reader:
    """A reader of the file's format. Raises NotFound, and Invalid for a file that is not of it."""
    module, name = FORMATS[file.format]
    made: Reader = getattr(importlib.import_module(f"shared.monitoring.readers.{module}"), name)(file)
    return made


def file_of(path: str) -> DataFile:
    """The file with the format that its name tells. Raises Invalid for another name."""
    found = SUFFIXES.get(Path(path).suffix.lower())
    if found is None:
        raise Invalid(f"{path}: nothing tells its format", remedy=f"name a file that ends with {', '.join(SUFFIXES)}")
    return DataFile.model_validate({"path": path, "format": found})
