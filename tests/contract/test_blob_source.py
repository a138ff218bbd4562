"""What the source of Azure Storage has beside the contract: folders, other spellings, refusals (Azurite)."""

from __future__ import annotations

import json

import pytest

from shared.adapters.azure.blob_service import open_blob_service
from shared.adapters.azure.blob_source import BlobSource
from shared.datastore_settings import load_datastores
from shared.errors import NotFound, Permanent, TooLarge
from shared.ports import ModelSource, SourceObject
from tests.azurite import azurite
from tests.contract.blob_places import MIB, BlobPlace, blob

__all__ = ["azurite", "blob"]  # fixtures


async def read_all(source: ModelSource, uri: str, item: SourceObject) -> bytes:
    return b"".join([chunk async for chunk in source.read(uri, item)])


async def test_a_folder_is_listed_without_what_marks_folders(blob: BlobPlace) -> None:
    blob.put("train/b/2.csv", b"22")
    blob.put("train/1.csv", b"1")
    blob.put("train", b"", metadata={"hdi_isfolder": "true"})  # as a hierarchical namespace shows its folders
    blob.put("train/b", b"", metadata={"hdi_isfolder": "true"})
    blob.put("training.csv", b"no part of it")
    items = await blob.source.list("azureml://datastores/lake/paths/train")
    assert [(item.path, item.size_bytes) for item in items] == [("1.csv", 1), ("b/2.csv", 2)]
    for uri in (
        "wasbs://models@slipway.blob.core.windows.net/train/",
        "abfss://models@slipway.dfs.core.windows.net/train",
        "https://slipway.blob.core.windows.net/models/train",
    ):
        assert await blob.source.list(uri) == items
        assert await read_all(blob.source, uri, items[1]) == b"22"
    assert [item.path for item in await blob.source.list("azureml://datastores/lake/paths/")][-1] == "training.csv"


async def test_a_folder_may_hold_a_file_of_its_name(blob: BlobPlace) -> None:
    uri = "azureml://datastores/lake/paths/a.csv"
    blob.put("a.csv/a.csv", b"inside")
    (item,) = await blob.source.list(uri)
    assert await read_all(blob.source, uri, item) == b"inside"


async def test_a_folder_that_is_too_large_together_is_refused(blob: BlobPlace) -> None:
    for name in ("1", "2"):
        blob.put(f"train/{name}", bytes(5 * MIB))
    with pytest.raises(TooLarge):
        await blob.source.list("azureml://datastores/lake/paths/train")


async def test_a_container_that_is_gone_is_not_waited_for(blob: BlobPlace) -> None:
    said = {"name": "gone", "type": "azure_data_lake_gen2", "account_name": "slipway", "filesystem": "gone"}
    source = BlobSource(load_datastores(json.dumps([said])), lambda account_url: blob.service, max_bytes=MIB)
    with pytest.raises(NotFound, match="no such container"):
        await source.list("azureml://datastores/gone/paths/a.csv")


async def test_an_identity_that_may_not_read_is_told_what_it_lacks(blob: BlobPlace) -> None:
    key = blob.server.key
    wrong = blob.server.connection_string.replace(key, f"{key[1:-2]}A==")
    async with open_blob_service(blob.server.blob_url, wrong) as service:
        source = BlobSource(blob.datastores, lambda account_url: service, max_bytes=MIB)
        with pytest.raises(Permanent, match="Storage Blob Data Reader") as refused:
            await source.list("azureml://datastores/lake/paths/a.csv")
    assert key not in str(refused.value)
