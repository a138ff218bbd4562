"""Which files of a data asset are read, and how; and what is told of those that are not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.datasets.layout import digest_of, mltable_file, table_of
from shared.datasets.mltable import read_mltable
from shared.errors import Invalid
from shared.resources.declared import DeclaredSpec
from shared.resources.model import ModelFile


def files(*paths: str) -> list[ModelFile]:
    return [ModelFile(path=path, sha256=f"{number:064x}", size_bytes=1) for number, path in enumerate(paths)]


def spec(path: str, *paths: str, type_: str = "uri_folder") -> DeclaredSpec:
    return DeclaredSpec(form="data", declaration={"name": "d", "type": type_, "path": path}, files=files(*paths))


def read(asset: DeclaredSpec, mltable: str | None = None) -> list[tuple[str, str, str]]:
    table = table_of(asset, None if mltable is None else read_mltable(mltable.encode()))
    return [(part.file.path, part.format, part.delimiter) for part in table.parts]


def test_a_file_is_read_by_the_end_of_its_name() -> None:
    assert read(spec("a.CSV", "a.CSV", type_="uri_file")) == [("a.CSV", "csv", ",")]
    assert read(spec("a.tsv", "a.tsv", type_="uri_file")) == [("a.tsv", "csv", "\t")]
    assert read(spec("a.ndjson", "a.ndjson", type_="uri_file")) == [("a.ndjson", "jsonl", ",")]


def test_a_folder_is_read_without_marks_and_notes() -> None:
    found = read(spec("d", "d/README.md", "d/_SUCCESS", "d/_part.parquet", "d/x/1.parquet", "d/2.pq"))
    assert found == [("d/x/1.parquet", "parquet", ","), ("d/2.pq", "parquet", ",")]


@pytest.mark.parametrize(
    ("asset", "words"),
    [
        (spec("https://example.com/a.csv"), "elsewhere: https://example.com/a.csv"),
        (spec("images", "images/1.png"), "none of its files holds rows: images/1.png"),
        (spec("d", "d/a.csv", "d/b.jsonl"), "several formats: csv, jsonl"),
        (spec("d", "d/a.csv", type_="mltable"), "there is no file MLTable in d"),
    ],
)
def test_what_cannot_be_read_is_told(asset: DeclaredSpec, words: str) -> None:
    with pytest.raises(Invalid, match=words) as told:
        table_of(asset, None)
    assert told.value.remedy


MLTABLE = """
$schema: https://azuremlschemas.azureedge.net/latest/MLTable.schema.json
type: mltable
paths:
  - pattern: ./parts/*.txt
  - file: more.dat
transformations:
  - read_delimited: {delimiter: ";", encoding: utf8, header: all_files_same_headers}
  - keep_columns: [a, b]
  - drop_columns: c
"""


def test_an_mltable_says_which_files_and_columns_count() -> None:
    asset = spec("./t", "t/MLTable", "t/parts/1.txt", "t/parts/x/2.txt", "t/more.dat", "t/other.csv", type_="mltable")
    assert mltable_file(asset) == files("t/MLTable")[0]
    table = table_of(asset, read_mltable(MLTABLE.encode()))
    assert [(part.file.path, part.delimiter) for part in table.parts] == [("t/parts/1.txt", ";"), ("t/more.dat", ";")]
    assert (table.only_columns, table.without_columns) == (["a", "b"], ["c"])


def test_an_mltable_beside_its_declaration_is_found() -> None:
    asset = spec(".", "MLTable", "a/b/1.csv", type_="mltable")
    told = "paths: [{pattern: '**/*.csv'}]\ntransformations: [read_delimited]\n"
    assert mltable_file(asset) is not None
    assert read(asset, told) == [("a/b/1.csv", "csv", ",")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"paths": [{"file": "https://example.com/a.csv"}]}, "file: 'https://example.com/a.csv'|example.com"),
        ({"paths": [{"file": "../a.csv"}]}, "a.csv"),
        ({"paths": [{"folder": "azureml://datastores/d/paths/p"}]}, "datastores"),
        ({"transformations": [{"take": 5}]}, "'take' of the MLTable file is not done here"),
        ({"transformations": []}, "says 0 times how files are read"),
        ({"transformations": [{"read_delimited": {"header": "no_header"}}]}, "read_delimited.header: 'no_header'"),
        ({"transformations": [{"read_parquet": {"include_path_column": True}}]}, "include_path_column"),
        ({"paths": None}, "names no paths"),
    ],
)
def test_an_mltable_that_asks_for_more_is_told_what_there_is(changes: dict[str, Any], words: str) -> None:
    said = {"paths": [{"file": "a.csv"}], "transformations": [{"read_delimited": {}}], **changes}
    with pytest.raises(Invalid, match=words) as told:
        read_mltable(json.dumps(said).encode())
    assert told.value.remedy


def test_an_mltable_that_names_nothing_is_told() -> None:
    asset = spec("t", "t/MLTable", "t/a.csv", type_="mltable")
    with pytest.raises(Invalid, match=r"names no file that is there: b\.csv"):
        read(asset, "paths: [{file: b.csv}]\ntransformations: [read_delimited]\n")


def test_the_digest_is_of_content_and_paths() -> None:
    one, two = files("a.csv", "b.csv")
    assert digest_of([one, two]) == digest_of([two, one]) != digest_of([one])
    assert digest_of([one]) != digest_of([one.model_copy(update={"path": "c.csv"})])
    assert digest_of([]) == ""
