"""Which container a URI names, and which are refused."""

from __future__ import annotations

import json

import pytest

from shared.datastore_settings import load_datastores
from shared.errors import Invalid
from shared.sources.blob_places import BlobPlace, blob_place
from shared.sources.uris import without_query

DATASTORES = load_datastores(
    json.dumps(
        [
            {
                "name": "blobs",
                "type": "azure_blob",
                "account_name": "acct",
                "container_name": "data",
                "workspace": "ml",
            },
            {
                "$schema": "https://azuremlschemas.azureedge.net/latest/azureDataLakeGen2.schema.json",
                "name": "lake",
                "type": "azure_data_lake_gen2",
                "account_name": "acct",
                "filesystem": "raw",
            },
            {
                "name": "china",
                "type": "azure_blob",
                "account_name": "acct",
                "container_name": "data",
                "endpoint": "core.chinacloudapi.cn",
            },
        ]
    )
)
LONG = "azureml://subscriptions/s/resourcegroups/g/workspaces"


@pytest.mark.parametrize(
    ("uri", "host", "container", "path"),
    [
        ("azureml://datastores/blobs/paths/a/b.csv", "acct.blob.core.windows.net", "data", "a/b.csv"),
        ("azureml://datastores/lake/paths/", "acct.blob.core.windows.net", "raw", ""),
        ("azureml://datastores/lake", "acct.blob.core.windows.net", "raw", ""),
        (f"{LONG}/ML/datastores/blobs/paths/a", "acct.blob.core.windows.net", "data", "a"),
        ("wasbs://data@acct.blob.core.windows.net/a b/c", "acct.blob.core.windows.net", "data", "a b/c"),
        ("wasbs://data@acct.blob.core.windows.net", "acct.blob.core.windows.net", "data", ""),
        ("abfss://raw@acct.dfs.core.windows.net/a", "acct.blob.core.windows.net", "raw", "a"),
        ("https://acct.blob.core.windows.net/data/a%20b.csv", "acct.blob.core.windows.net", "data", "a b.csv"),
        ("wasbs://data@acct.blob.core.chinacloudapi.cn/a", "acct.blob.core.chinacloudapi.cn", "data", "a"),
    ],
)
def test_a_uri_names_a_place_of_a_datastore(uri: str, host: str, container: str, path: str) -> None:
    assert blob_place(uri, DATASTORES) == BlobPlace(f"https://{host}", container, path)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("azureml://datastores/other/paths/a", "configured: blobs, china, lake"),
        (f"{LONG}/another/datastores/blobs/paths/a", "workspace: another"),
        (f"{LONG}/ml/datastores/lake/paths/a", "workspace: ml"),
        ("wasbs://other@acct.blob.core.windows.net/a", "SLIPWAY_DATASTORES"),
        ("wasbs://data@evil.blob.core.windows.net/a", "SLIPWAY_DATASTORES"),
        ("wasbs://data@acct.blob.core.windows.net.evil.example/a", "SLIPWAY_DATASTORES"),
        ("wasbs://account.blob.core.windows.net/container/a.csv", "wasbs://CONTAINER@ACCOUNT"),
        ("wasbs://data@acct.blob.core.windows.net/a?sig=SECRET", "is not accepted"),
        ("abfss://raw@acct.dfs.core.windows.net@evil.example/a", "is not accepted"),
    ],
)
def test_what_is_no_datastore_is_refused_with_what_to_configure(uri: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        blob_place(uri, DATASTORES)
    assert words in str(refused.value)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/a.csv",
        "https://public.blob.core.windows.net/data/a.csv",
        "https://acct.blob.core.windows.net/data/a.csv?sig=x",  # signed: read as a web address
        "s3://bucket/a.csv",
        "azureml://jobs/run-1/outputs/artifacts/paths/a.csv",
    ],
)
def test_other_places_are_left_to_other_sources(uri: str) -> None:
    assert blob_place(uri, DATASTORES) is None


def test_a_container_is_shown_and_a_password_is_not() -> None:
    shown = "wasbs://data@acct.blob.core.windows.net/a.csv"
    assert without_query(f"{shown}?sig=SECRET") == shown
    assert without_query("https://me@example.com/a.csv") == "https://example.com/a.csv"
    assert without_query("wasbs://me:SECRET@acct.blob.core.windows.net/a") == "wasbs://acct.blob.core.windows.net/a"


@pytest.mark.parametrize(
    "said",
    [
        {"name": "a", "type": "azure_blob", "account_name": "acct.evil", "container_name": "data"},
        {"name": "a", "type": "azure_blob", "account_name": "acct", "container_name": "data/../x"},
        {"name": "a", "type": "azure_blob", "account_name": "acct", "container_name": "data", "endpoint": "a/b"},
        {"name": "a", "type": "azure_file", "account_name": "acct", "file_share_name": "data"},
        {"name": "a", "type": "azure_blob", "account_name": "acct", "container_name": "data", "credentials": {}},
    ],
)
def test_a_datastore_that_is_none_stops_the_settings(said: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="SLIPWAY_DATASTORES"):
        load_datastores(json.dumps([said]))
