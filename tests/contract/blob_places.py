"""A container of Azurite as a place that files are brought from."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from shared.adapters.azure.blob_service import open_blob_service
from shared.adapters.azure.blob_source import BlobSource
from shared.datastore_settings import load_datastores
from tests.azurite import AzuriteServer

MIB = 1 << 20


@dataclass
class BlobPlace:
    """A container of Azurite, written by the SDK's blocking client."""

    server: AzuriteServer
    container: Any
    service: Any

    def __post_init__(self) -> None:
        said = {"name": "lake", "type": "azure_blob", "account_name": "slipway", "container_name": "models"}
        self.datastores = load_datastores(json.dumps([said]))
        self.source = BlobSource(self.datastores, lambda account_url: self.service, max_bytes=8 * MIB)

    def put(self, path: str, content: bytes, **options: Any) -> str:
        self.container.upload_blob(path, content, overwrite=True, **options)
        return f"azureml://datastores/lake/paths/{path}"

    def remove(self, path: str) -> None:
        self.container.delete_blob(path)


@pytest.fixture
async def blob(azurite: AzuriteServer) -> AsyncIterator[BlobPlace]:
    from azure.storage.blob import ContainerClient

    client = ContainerClient.from_connection_string(azurite.connection_string, "models")
    async with open_blob_service(azurite.blob_url, azurite.connection_string) as service:
        with client as container:
            container.create_container()
            yield BlobPlace(azurite, container, service)
            container.delete_container()
