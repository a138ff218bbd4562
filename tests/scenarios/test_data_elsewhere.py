"""Data assets whose files lie in Azure Storage (Azurite) or on a web server: copied once, and never other bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.azure.blob_service import open_blob_service
from shared.adapters.azure.blob_source import BlobSource
from shared.bootstrap import ControlPlane
from shared.datastore_settings import load_datastores
from shared.errors import Retryable
from shared.ports import ModelSource
from shared.resources.base import ResourceKey
from shared.resources.monitor_run import KIND
from tests.azurite import AzuriteServer, azurite
from tests.doubles.webhook_receiver import bound_socket
from tests.plane import CAUSE, events_of, make_plane
from tests.scenarios.test_data_assets import CSV, declared, profiled, register
from tests.scenarios.test_images import call
from tests.scenarios.test_model_sources import served
from tests.unit.test_runs import registered_run

__all__ = ["azurite"]
LAKE = {"name": "lake", "type": "azure_blob", "account_name": "slipway", "container_name": "elsewhere"}
MLTABLE = "paths: [{pattern: ./*.txt}]\ntransformations:\n  - read_delimited: {delimiter: '|'}\n"
RUN = "azureml://jobs/r1/outputs/artifacts/paths"
FOLDER = "azureml://datastores/lake/paths/visits"


class Lake:
    """A control plane that reads a container of Azurite."""

    def __init__(self, plane: ControlPlane, service: Any) -> None:
        self.plane = plane
        self.container = service.get_container_client("elsewhere")

    async def put(self, path: str, content: str) -> None:
        await self.container.upload_blob(path, content.encode(), overwrite=True)


@pytest.fixture
async def lake(tmp_path: Path, azurite: AzuriteServer) -> AsyncIterator[Lake]:
    settings = {"datastores": json.dumps([LAKE]), "data_source_max_bytes": 20_000}
    plane = make_plane(tmp_path / "data", **settings)
    datastores = load_datastores(plane.deps.settings.datastores)
    async with open_blob_service(azurite.blob_url, azurite.connection_string) as service:

        def open_source(uri: str, max_bytes: int) -> ModelSource:
            return BlobSource(datastores, lambda account_url: service, max_bytes=max_bytes)

        there = Lake(ControlPlane(replace(plane.deps, open_source=open_source)), service)
        await there.container.create_container()
        yield there
        await there.container.delete_container()


async def test_a_folder_of_a_datastore_is_copied_once_and_read(lake: Lake) -> None:
    files = {"visits/MLTable": MLTABLE, "visits/1.txt": CSV.replace(",", "|"), "visits/.2.txt.crc": "x"}
    for path, text in files.items():
        await lake.put(path, text)
    await register(lake.plane, {"data.yml": declared(FOLDER, "mltable")})
    found = await profiled(lake.plane)
    assert (found["phase"], found["rows"], found["columns"]) == ("Profiled", 600, {"age": "integer", "site": "string"})
    assert [file["path"] for file in found["files"]] == ["1.txt", "MLTable"]
    assert found["size_bytes"] == len(MLTABLE) + len(CSV)
    assert found["fetched_at"]
    await lake.put("visits/1.txt", "age|site\n1|N\n")
    again = await call(lake.plane, "profile_data_version", 202, name="patients", version="1")
    assert again["files"] == found["files"]
    assert (await profiled(lake.plane))["rows"] == 600  # the version is what it was
    await lake.plane.collect_garbage()
    for file in found["files"]:
        assert [chunk async for chunk in lake.plane.deps.artifacts.read(file["sha256"])]
    numbered = declared(FOLDER, "mltable") + "version: 2\n"
    assert (await register(lake.plane, {"data.yml": numbered}))["data.yml"].result == "created"
    second = await profiled(lake.plane, version="2")
    assert second["rows"] == 1
    assert second["digest"] != found["digest"]


@pytest.mark.parametrize(
    ("path", "type_", "words"),
    [
        ("azureml://datastores/lake/paths/none.csv", "uri_file", "none.csv was not found"),
        ("azureml://datastores/lake/paths/large", "uri_folder", "has more than 20000 bytes; register a part"),
        ("azureml://datastores/lake/paths/two", "uri_file", "has 2 files; say type: uri_folder"),
        ("wasbs://other@slipway.blob.core.windows.net/a.csv", "uri_file", "it is no datastore; add it to the setting"),
    ],
)
async def test_what_cannot_be_copied_says_why_and_what_to_do(lake: Lake, path: str, type_: str, words: str) -> None:
    for name in ("1", "2"):
        await lake.put(f"two/{name}.csv", CSV)
        await lake.put(f"large/{name}.csv", "x" * 10_001)
    await register(lake.plane, {"data.yml": declared(path, type_)})
    found = await profiled(lake.plane)
    assert found["phase"] == "Failed"
    assert words in found["reason"]
    assert "Slipway.DataProfileFailed" in await events_of(lake.plane)


async def test_what_failed_is_copied_when_it_is_asked_for_again(lake: Lake) -> None:
    await register(lake.plane, {"data.yml": declared("azureml://datastores/lake/paths/late.csv")})
    assert (await profiled(lake.plane))["phase"] == "Failed"
    await lake.put("late.csv", CSV)
    await call(lake.plane, "profile_data_version", 202, name="patients", version="1")
    assert (await profiled(lake.plane))["rows"] == 600


class Changing:
    """A source one of whose files is replaced after it was listed."""

    def __init__(self, source: ModelSource, change: Callable[[], Any]) -> None:
        self._source = source
        self._change = change
        self.read = source.read

    async def list(self, uri: str) -> Any:
        found = await self._source.list(uri)
        await self._change()
        return found


async def test_a_file_that_changes_while_it_is_read_makes_no_version(lake: Lake) -> None:
    await lake.put("a.csv", CSV)
    before = lake.plane.deps.open_source

    def open_source(uri: str, max_bytes: int) -> ModelSource:
        return Changing(before(uri, max_bytes), lambda: lake.put("a.csv", CSV + "30,N\n"))

    plane = ControlPlane(replace(lake.plane.deps, open_source=open_source))
    await register(plane, {"data.yml": declared("azureml://datastores/lake/paths/a.csv")})
    found = await profiled(plane)
    assert (found["phase"], found["files"]) == ("Failed", [])
    assert "changed while it was read" in found["reason"]


async def test_a_file_of_a_web_server_is_copied_and_read(tmp_path: Path) -> None:
    async with served({"/p.csv": CSV.encode()}) as place:
        plane = make_plane(tmp_path, model_source_hosts=f"http://{place}", model_source_allow_loopback=True)
        await register(plane, {"data.yml": declared(f"http://{place}/p.csv?raw=true")})
        found = await profiled(plane)
        assert (found["phase"], found["rows"]) == ("Profiled", 600)
        stored = await plane.deps.store.read(ResourceKey("data", "patients", "1"))
        assert stored is not None
        assert stored.status["fetched"]["origin"] == f"http://{place}/p.csv"
        signed = (await register(plane, {"data.yml": declared(f"http://{place}/p.csv?sig=SECRET")}))["data.yml"]
        assert signed.result == "refused"
        assert "SECRET" not in signed.model_dump_json()


async def test_a_place_that_does_not_answer_is_tried_again_and_at_last_said(tmp_path: Path) -> None:
    with bound_socket() as sock:  # refuses connections
        place = f"http://127.0.0.1:{sock.getsockname()[1]}"
        plane = make_plane(tmp_path, model_source_hosts=place, model_source_allow_loopback=True)
        await register(plane, {"data.yml": declared(f"{place}/p.csv")})
        key = ResourceKey("data", "patients", "1")
        with pytest.raises(Retryable) as failed:
            await plane.loop.look_at(key, CAUSE)
        assert (await call(plane, "get_data_version", 200, name="patients", version="1"))["phase"] == "Fetching"
        await plane.loop.stall(key, str(failed.value), CAUSE)  # as the queue does after the last try
    found = await call(plane, "get_data_version", 200, name="patients", version="1")
    assert found["phase"] == "Failed"
    assert f"{place}/p.csv could not be read" in found["reason"]


async def test_the_files_of_a_run_are_data_as_they_are(tmp_path: Path) -> None:
    plane = make_plane(tmp_path)
    await registered_run(plane)
    await register(plane, {"data.yml": declared(f"{RUN}/outputs/model/", "uri_folder")})
    found = await profiled(plane)
    assert [file["path"] for file in found["files"]] == ["MLmodel", "m.pkl"]
    assert (found["phase"], found["reason"][:26]) == ("Unprofiled", "none of its files holds ro")
    await register(plane, {"other.yml": declared(f"{RUN}/none", name="other")})
    assert (await profiled(plane, "other"))["phase"] == "Failed"


async def test_a_monitor_may_be_declared_with_data_that_are_still_copied(lake: Lake) -> None:
    await lake.put("a.csv", CSV)
    reference = {"input_data": {"type": "uri_file", "path": "azureml:patients:1"}}
    signal = {"type": "data_drift", "production_data": reference, "reference_data": reference}
    monitor = {
        "$schema": "https://azuremlschemas.azureedge.net/latest/monitorSchedule.schema.json",
        "name": "watch",
        "trigger": {"type": "recurrence", "frequency": "day", "interval": 1},
        "create_monitor": {
            "compute": {"instance_type": "standard_e4s_v3"},
            "monitoring_signals": {"drift": signal},
        },
    }
    path = "azureml://datastores/lake/paths/a.csv"
    outcomes = await register(lake.plane, {"data.yml": declared(path), "monitor.yml": json.dumps(monitor)})
    assert [one.result for one in outcomes.values()] == ["created", "created"], outcomes
    begun = (await call(lake.plane, "run_monitor", 202, name="watch"))["monitor_run_id"]
    for _ in range(3):
        assert (await looked_at(lake.plane, begun))["phase"] in ("Pending", "Running")
    await profiled(lake.plane)
    async with asyncio.timeout(60):
        while (found := await looked_at(lake.plane, begun))["phase"] == "Running":
            pass
    assert (found["phase"], found["verdict"]) == ("Succeeded", "Healthy")


async def looked_at(plane: ControlPlane, run: str) -> Any:
    await plane.loop.look_at(ResourceKey(KIND, run), CAUSE)
    return (await call(plane, "get_monitor_run", 200, monitor_run_id=run))["run"]
