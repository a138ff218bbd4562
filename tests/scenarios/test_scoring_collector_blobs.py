"""Collected data in Blob Storage, by Azurite: append blobs, a SAS that nobody sees, and Storage that goes away."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from shared.scoring.collector.blob_http import BlobContainer
from shared.scoring.collector.blob_sink import BlobSink
from tests.azurite import AzuriteServer, azurite, start_azurite
from tests.scenarios.scoring_server import MODEL, ROW, ScoringServer, serving
from tests.scenarios.test_scoring_collector import wait_for

__all__ = ["azurite"]
COLLECTED, FAILED = "slipway_scoring_collected_total", "slipway_scoring_collect_failed_total"


class Place:
    """A container, and what a server needs to write into it."""

    def __init__(self, server: AzuriteServer, name: str) -> None:
        self.client = ContainerClient(server.blob_url, name, credential=server.key)
        self.client.create_container()
        self.url = f"{server.blob_url}/{name}"
        self.sas = self.signed(server, ContainerSasPermissions(read=True, create=True, add=True))

    def signed(self, server: AzuriteServer, permission: ContainerSasPermissions) -> str:
        expires = datetime.now(UTC) + timedelta(hours=1)
        return generate_container_sas(
            server.account, self.client.container_name, account_key=server.key, permission=permission, expiry=expires
        )

    def lines(self, collection: str) -> list[dict[str, Any]]:
        found = []
        for name in sorted(self.client.list_blob_names()):
            if f"/{collection}/" in name:
                content = self.client.download_blob(name).readall()
                found += [json.loads(line) for line in content.splitlines()]
        return found


@pytest.fixture
def place(azurite: AzuriteServer, request: pytest.FixtureRequest) -> Iterator[Place]:
    made = Place(azurite, f"c{zlib.crc32(request.node.name.encode())}")
    yield made
    made.client.close()


def score(server: ScoringServer, count: int) -> None:
    for _ in range(count):
        assert server.client.post("/score", json=[ROW]).status_code == 200


def test_lines_are_appended_to_blobs_of_azures_layout(tmp_path: Path, place: Place) -> None:
    environ = {"SLIPWAY_SCORING_COLLECT_URL": f"{place.url}/monitoring?{place.sas}", "SLIPWAY_SCORING_ENDPOINT": "e"}
    with serving(tmp_path, "--model", str(MODEL), **environ) as server:
        score(server, 3)
        wait_for(lambda: server.metric(COLLECTED) == 3, "nothing is collected")
        server.client.post("/score", json=[ROW, ROW], headers={"x-request-id": "last"})
        assert server.terminate() == 0
        assert "sig=" not in server.log()
    blobs = list(place.client.list_blobs())
    assert [blob.blob_type for blob in blobs] == ["AppendBlob", "AppendBlob"]
    assert all(blob.name.startswith("monitoring/e/default/model_") for blob in blobs)
    inputs, outputs = place.lines("model_inputs"), place.lines("model_outputs")
    assert [line["correlationid"] for line in inputs] == [line["correlationid"] for line in outputs]
    assert len(inputs) == 4
    assert (inputs[-1]["correlationid"], len(inputs[-1]["data"])) == ("last", 2)


def test_the_sas_is_seen_nowhere(tmp_path: Path, azurite: AzuriteServer, place: Place) -> None:
    """A SAS that may not write: refused at once, counted, and shown neither in the log nor to `ps`."""
    file = tmp_path / "sas"
    file.write_text(place.signed(azurite, ContainerSasPermissions(read=True)) + "\n")
    file_environ = {"SLIPWAY_SCORING_COLLECT_SAS_FILE": str(file)}
    with serving(tmp_path / "s", "--model", str(MODEL), "--collect-to", place.url, **file_environ) as server:
        score(server, 2)
        wait_for(lambda: server.metric(FAILED) == 2, "failures are not counted")
        said = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        file.write_text(place.sas)  # it is replaced, as a mounted secret is: no restart is needed
        score(server, 1)
        wait_for(lambda: server.metric(COLLECTED) == 1, "a new SAS is not taken")
        log = server.log()
    assert "AuthorizationPermissionMismatch" in log
    assert "sig=" not in log
    assert "sig=" not in said
    assert len(place.lines("model_inputs")) == 1


def test_a_container_that_is_not_there_is_counted_and_said(tmp_path: Path, place: Place) -> None:
    place.client.delete_container()
    url = f"{place.url}?{place.sas}"
    with serving(tmp_path, "--model", str(MODEL), SLIPWAY_SCORING_COLLECT_URL=url) as server:
        score(server, 1)
        wait_for(lambda: server.metric(FAILED) == 1, "the failure is not counted")
        assert "ContainerNotFound" in server.log()
        assert server.metric("slipway_scoring_collect_waiting_bytes") == 0


@contextmanager
def own_azurite(folder: Path, port: int = 0, key: str = "") -> Iterator[AzuriteServer]:
    folder.mkdir(exist_ok=True)
    server = start_azurite(folder, port, key)
    try:
        yield server
    finally:
        server.stop()


def test_storage_that_goes_away_and_comes_back_loses_nothing(tmp_path: Path) -> None:
    with own_azurite(tmp_path / "azurite") as first:
        place = Place(first, "data")
        port = int(first.blob_url.split(":")[2].split("/")[0])
        url = f"{place.url}?{place.sas}"
        server = ScoringServer(tmp_path / "server", "--model", str(MODEL), SLIPWAY_SCORING_COLLECT_URL=url)
        try:
            server.ready()
            score(server, 5)
            wait_for(lambda: server.metric(COLLECTED) == 5, "nothing is collected")
            collected_s = time.time()
            database = tmp_path / "azurite" / "__azurite_db_blob__.json"
            wait_for(lambda: database.exists() and database.stat().st_mtime > collected_s, "Azurite does not save")
            first.stop()
            score(server, 7)
            wait_for(lambda: "it is tried again" in server.log(), "nothing is said")
            assert server.metric(COLLECTED) == 5
            assert server.metric("slipway_scoring_collect_waiting_bytes") > 0
            with own_azurite(tmp_path / "azurite", port, first.key) as second:
                wait_for(lambda: server.metric(COLLECTED) == 12, "it is not tried again")
                assert server.metric(FAILED) == 0
                assert server.terminate() == 0
                client = ContainerClient(second.blob_url, "data", credential=first.key)
                place.client = client
                assert len(place.lines("model_outputs")) == len(place.lines("model_inputs")) == 12
        finally:
            server.close()


def test_a_full_buffer_while_storage_is_away_drops_and_counts(tmp_path: Path) -> None:
    """Nobody listens on the port: what is held stays bounded, and scoring goes on."""
    environ = {
        "SLIPWAY_SCORING_COLLECT_URL": "http://127.0.0.1:9/account/data?sig=secret",
        "SLIPWAY_SCORING_COLLECT_BUFFER_BYTES": "20000",
    }
    with serving(tmp_path, "--model", str(MODEL), **environ) as server:
        score(server, 60)
        assert server.metric("slipway_scoring_collect_dropped_total") > 0
        assert 0 < server.metric("slipway_scoring_collect_waiting_bytes") <= 20_000
        assert "secret" not in server.log()


def quiet(message: str) -> None:
    raise AssertionError(message)


def test_a_blob_that_is_full_is_followed_by_another(place: Place) -> None:
    """Three blocks for Storage's 50,000, which its own answer counts; a restart goes on where the last one ended."""
    for _ in range(2):
        sink = BlobSink(BlobContainer(place.url, place.sas), quiet, max_blocks=3)
        for index in range(4):
            sink.append("e/d/c/i.jsonl", b"%d\n" % index)
    content = {name: place.client.download_blob(name).readall() for name in place.client.list_blob_names()}
    assert content == {
        "e/d/c/i.jsonl": b"0\n1\n2\n",
        "e/d/c/i.1.jsonl": b"3\n0\n1\n",
        "e/d/c/i.2.jsonl": b"2\n3\n",
    }


def test_storages_own_limit_of_blocks_rolls(place: Place) -> None:
    """A block blob of the same name stands for what can't be appended to."""
    place.client.upload_blob("e/d/c/i.jsonl", b"x")
    BlobSink(BlobContainer(place.url, place.sas), quiet).append("e/d/c/i.jsonl", b"a\n")
    assert place.client.download_blob("e/d/c/i.1.jsonl").readall() == b"a\n"


def test_a_block_whose_answer_got_lost_is_not_written_twice(place: Place) -> None:
    container = BlobContainer(place.url, place.sas)
    sink = BlobSink(container, quiet)
    sink.append("i.jsonl", b"one\n")
    assert BlobContainer(place.url, place.sas).append("i.jsonl", 4, b"two\n").status == 201
    sink.append("i.jsonl", b"two\n")
    sink.append("i.jsonl", b"three\n")
    assert place.client.download_blob("i.jsonl").readall() == b"one\ntwo\nthree\n"


@pytest.mark.slow
def test_azurites_limit_of_50_000_blocks_rolls(place: Place) -> None:
    container = BlobContainer(place.url, place.sas)
    sink = BlobSink(container, quiet, max_blocks=10**9)  # so that only the service counts
    for _ in range(50_002):
        sink.append("i.jsonl", b"x")
    full = place.client.get_blob_client("i.jsonl").get_blob_properties()  # to read 50,000 pieces Azurite takes too long
    assert (full.size, full.append_blob_committed_block_count) == (50_000, 50_000)
    assert place.client.download_blob("i.1.jsonl").readall() == b"xx"


def test_start_up_and_memory_are_those_without_it() -> None:
    """What writes to Storage is loaded by the writing process, when there is something to write."""
    look = "[name for name in sys.modules if name.startswith(('http.client', 'azure'))]"
    code = f"import sys, shared.scoring.__main__; print({look})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
