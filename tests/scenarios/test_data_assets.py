"""Data assets on a control plane of this machine: registered, read once by a process, kept with profile and sketch."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.resources.base import ResourceKey
from shared.resources.data_profile import DATA_TERMINAL
from shared.resources.sync import FileOutcome
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE, events_of, make_plane
from tests.scenarios.test_environments import SOURCE
from tests.scenarios.test_images import call

CSV = "age,site\n" + "".join(f"{number % 60 + 20},{'NS'[number % 2]}\n" for number in range(600))
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"


@pytest.fixture
def plane(tmp_path: Path) -> ControlPlane:
    return make_plane(tmp_path / "data")


def declared(path: str, type_: str = "uri_file", name: str = "patients") -> str:
    return f"{SCHEMA}name: {name}\ntype: {type_}\npath: {path}\n"


async def register(plane: ControlPlane, files: dict[str, str | bytes]) -> dict[str, FileOutcome]:
    tree = SourceTree({path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()})
    return {one.path: one for one in await apply_tree(tree, None, SOURCE, plane.deps, CAUSE)}


async def profiled(plane: ControlPlane, name: str = "patients", version: str = "1") -> dict[str, Any]:
    """The version when nothing more happens to it."""
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = await call(plane, "get_data_version", 200, name=name, version=version)
            if found["phase"] in DATA_TERMINAL:
                return found
            await plane.loop.look_at(ResourceKey("data", name, version), CAUSE)


async def test_a_version_has_a_profile_and_a_sketch(plane: ControlPlane) -> None:
    await register(plane, {"data.yml": declared("p.csv"), "p.csv": CSV})
    found = await profiled(plane)
    assert (found["phase"], found["rows"]) == ("Profiled", 600)
    assert found["columns"] == {"age": "integer", "site": "string"}
    assert found["sketch_bytes"] > 0
    assert len(found["digest"]) == 64
    profile = (await call(plane, "get_data_profile", 200, name="patients", version="latest"))["profile"]
    age, site = profile["columns"]
    assert (age["min"], age["max"], age["quantiles"]["p50"]) == (20, 79, 49)
    assert site["valueCounts"] == [{"value": "N", "count": 300}, {"value": "S", "count": 300}]
    assert "Slipway.DataProfiled" in await events_of(plane)
    stored = (await plane.deps.store.read(ResourceKey("data", "patients", "1"))).status  # type: ignore[union-attr]
    assert stored["sketch"]["sha256"]
    await plane.collect_garbage()
    kept = [chunk async for chunk in plane.deps.artifacts.read(stored["sketch"]["sha256"])]
    assert sum(map(len, kept)) == stored["sketch"]["size_bytes"]


async def test_a_version_never_changes_and_the_same_content_is_found_again(plane: ControlPlane) -> None:
    files: dict[str, str | bytes] = {"data.yml": declared("p.csv"), "p.csv": CSV}
    await register(plane, files)
    before = await profiled(plane)
    assert (await register(plane, files))["data.yml"].result == "unchanged"
    await register(plane, {**files, "p.csv": CSV + "30,N\n"})
    second = await profiled(plane, version="2")
    assert second["rows"] == 601
    assert second["digest"] != before["digest"]
    assert (await profiled(plane))["digest"] == before["digest"]
    pinned = (await register(plane, {**files, "data.yml": declared("p.csv") + "version: 2\n"}))["data.yml"]
    assert pinned.result == "refused"
    page = await call(plane, "list_data_versions", 200, name="patients")
    assert [one["version"] for one in page["items"]] == ["2", "1"]


async def test_folders_json_lines_and_mltables_are_read(plane: ControlPlane) -> None:
    lines = "".join(json.dumps({"a": number, "b": str(number % 3)}) + "\n" for number in range(100))
    mltable = (
        "type: mltable\npaths: [{pattern: ./*.txt}]\n"
        "transformations:\n  - read_delimited: {delimiter: '|'}\n  - drop_columns: [site]\n"
    )
    await register(
        plane,
        {
            "lines.yml": declared("lines", "uri_folder", "lines"),
            "lines/1.jsonl": lines,
            "lines/2.jsonl": lines,
            "table.yml": declared("table", "mltable", "table"),
            "table/MLTable": mltable,
            "table/1.txt": CSV.replace(",", "|"),
        },
    )
    assert (await profiled(plane, "lines"))["rows"] == 200
    found = await profiled(plane, "table")
    assert (found["rows"], found["columns"]) == (600, {"age": "integer"})


@pytest.mark.parametrize(
    ("files", "phase", "words"),
    [
        ({"data.yml": declared("p.parquet"), "p.parquet": "no parquet"}, "Failed", "p.parquet is not a Parquet file"),
        ({"data.yml": declared("p.csv"), "p.csv": ""}, "Failed", "p.csv is empty"),
        ({"data.yml": declared("p.csv"), "p.csv": "a,a\n1,2\n"}, "Failed", "p.csv has two columns named 'a'"),
        (
            {"data.yml": declared("p.bin"), "p.bin": "1"},
            "Unprofiled",
            "none of its files holds rows: p.bin; name files",
        ),
        ({"data.yml": declared("https://example.com/p.csv")}, "Failed", "list trusted hosts in SLIPWAY_MODEL_SOURCE"),
        ({"data.yml": declared("s3://bucket/p.csv")}, "Failed", "SLIPWAY_MODEL_SOURCE_BUCKETS"),
        ({"data.yml": declared("azureml://datastores/d/paths/p.csv")}, "Failed", "add it to SLIPWAY_DATASTORES"),
        ({"data.yml": declared("https://example.com/p", "uri_folder")}, "Failed", "cannot be listed; name a file"),
    ],
)
async def test_what_cannot_be_profiled_says_why(
    files: dict[str, str | bytes], phase: str, words: str, plane: ControlPlane
) -> None:
    await register(plane, files)
    found = await profiled(plane)
    assert found["phase"] == phase
    assert words in found["reason"]
    assert str(plane.deps.settings.data_dir) not in found["reason"]
    assert ("Slipway.DataProfileFailed" in await events_of(plane)) is (phase == "Failed")
    refused = await call(plane, "get_data_profile", 404, name="patients", version="1")
    assert words in refused["detail"]


async def test_a_version_is_profiled_again_on_request(plane: ControlPlane) -> None:
    await register(plane, {"data.yml": declared("p.csv"), "p.csv": CSV})
    before = await profiled(plane)
    asked = await call(plane, "profile_data_version", 202, name="patients", version="latest")
    assert asked["version"] == "1"
    assert await profiled(plane) == before | {"log_tail": before["log_tail"]}
    assert (await events_of(plane)).count("Slipway.DataProfiled") == 2


async def test_what_is_not_there_is_told(plane: ControlPlane) -> None:
    for operation in ("get_data_version", "get_data_profile", "profile_data_version"):
        refused = await call(plane, operation, 404, name="none", version="latest")
        assert "slipway data list" in refused["remedy"]
    assert (await call(plane, "list_data", 200))["items"] == []
    await call(plane, "list_data_versions", 404, name="none")
