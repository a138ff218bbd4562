"""The contract of ModelSource, for https (a real server on loopback), S3 (a real moto server) and Azure Storage
(Azurite)."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from aiohttp import web
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from shared.adapters.local.artifact_store import LocalArtifactStore
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.signing import UrlSigner
from shared.adapters.sources.https import HttpsSource
from shared.adapters.sources.s3 import S3Source
from shared.adapters.sources.table import open_source
from shared.errors import Conflict, Invalid, NotFound, Permanent, Retryable, TooLarge
from shared.ports import ModelSource, SourceObject
from shared.settings import Settings
from shared.sources.fetch import fetch
from tests.azurite import azurite
from tests.contract.blob_places import blob
from tests.doubles.tls import loopback_tls

__all__ = ["azurite", "blob"]  # fixtures
MIB = 1 << 20


class Place(Protocol):
    """What a test needs beside the port."""

    source: ModelSource  # takes at most 8 MiB

    def put(self, path: str, content: bytes) -> str:
        """Write a file there; its URI."""
        ...

    def remove(self, path: str) -> None:
        """Delete it."""
        ...


@dataclass
class FileServer:
    """Files with ETags and ranges; `cut` breaks every answer off after so many bytes, as often as `cuts` says."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    has_etags: bool = True
    has_lengths: bool = True
    cut: int = 0
    cuts: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lstrip("/")
        self.requests.append((request.path_qs, dict(request.headers)))
        if path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[path]})
        if path not in self.files:
            return web.Response(status=404)
        content, start, status = self.files[path], 0, 200
        etag = f'"{hashlib.sha256(content).hexdigest()}"' if self.has_etags else ""
        if request.headers.get("If-Match", etag) != etag:
            return web.Response(status=412)
        headers = {"ETag": etag} if etag else {}
        if "Range" in request.headers and request.headers.get("If-Range") == etag:
            start, status = int(request.headers["Range"][6:-1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return await self._send(request, content[start:], status, headers)

    async def _send(
        self, request: web.Request, content: bytes, status: int, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=headers)
        if self.has_lengths:
            response.content_length = len(content)
        else:
            response.enable_chunked_encoding()
        await response.prepare(request)
        if self.cuts and len(content) > self.cut:
            self.cuts -= 1
            await response.write(content[: self.cut])
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(content)
        return response


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    files = FileServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", files.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    files.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield files
    await runner.cleanup()


@dataclass
class HttpPlace:
    server: FileServer

    def __post_init__(self) -> None:
        self.source = HttpsSource(self.server.url, max_bytes=8 * MIB, allow_loopback=True)

    def put(self, path: str, content: bytes) -> str:
        self.server.files[path] = content
        return f"{self.server.url}/{path}"

    def remove(self, path: str) -> None:
        del self.server.files[path]


@dataclass
class S3Place:
    url: str
    client: Any

    def __post_init__(self) -> None:
        self.source = S3Source("models, versioned", max_bytes=8 * MIB, endpoint_url=self.url)

    def put(self, path: str, content: bytes) -> str:
        self.client.put_object(Bucket="models", Key=path, Body=content)
        return f"s3://models/{path}"

    def remove(self, path: str) -> None:
        self.client.delete_object(Bucket="models", Key=path)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(moto: str, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3", endpoint_url=moto)
    for bucket in ("models", "versioned"):
        client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    return S3Place(moto, client)


@pytest.fixture(params=["https", "s3", "blob"])
def place(request: pytest.FixtureRequest, server: FileServer) -> Place:
    return HttpPlace(server) if request.param == "https" else request.getfixturevalue(request.param)


async def read_all(source: ModelSource, uri: str, item: SourceObject) -> bytes:
    return b"".join([chunk async for chunk in source.read(uri, item)])


@pytest.mark.parametrize("size", [0, 1, 3 * MIB + 1])
async def test_gives_a_file_as_it_is(place: Place, size: int) -> None:
    content = os.urandom(size)
    uri = place.put("a/model.onnx", content)
    (item,) = await place.source.list(uri)
    assert (item.path, item.size_bytes) == ("model.onnx", size)
    assert item.version
    assert await read_all(place.source, uri, item) == content


async def test_a_file_that_changed_is_a_conflict(place: Place) -> None:
    uri = place.put("model.onnx", b"first")
    (item,) = await place.source.list(uri)
    place.put("model.onnx", b"other")
    with pytest.raises(Conflict):
        await read_all(place.source, uri, item)


async def test_what_is_not_there_is_said_so(place: Place) -> None:
    uri = place.put("gone.onnx", b"x")
    (item,) = await place.source.list(uri)
    place.remove("gone.onnx")
    with pytest.raises(NotFound):
        await place.source.list(uri)
    with pytest.raises(NotFound):
        await read_all(place.source, uri, item)


async def test_more_bytes_than_allowed_are_refused(place: Place) -> None:
    uri = place.put("large.onnx", bytes(8 * MIB + 1))
    with pytest.raises(TooLarge):
        await place.source.list(uri)
    place.put("large.onnx", b"x")
    (item,) = await place.source.list(uri)
    assert item.size_bytes == 1


async def test_fetches_into_the_store(place: Place, tmp_path: Path) -> None:
    uri = place.put("model.onnx", b"m" * 100_000)
    store = LocalArtifactStore(tmp_path, UrlSigner("k" * 32, SystemClock()))
    told: list[int] = []
    found = await fetch(uri, place.source, store, max_files=1, progress=told.append)
    assert [(file.path, file.size_bytes) for file in found.files] == [("model.onnx", 100_000)]
    assert b"".join([chunk async for chunk in store.read(found.files[0].sha256)]) == b"m" * 100_000
    assert found.versions["model.onnx"]
    assert told[-1] == 100_000


# --- https ---------------------------------------------------------------------------------------------------------
async def test_a_broken_connection_is_continued(server: FileServer) -> None:
    content = os.urandom(5 * MIB)
    uri, source = HttpPlace(server).put("m", content), HttpPlace(server).source
    (item,) = await source.list(uri)
    server.cut, server.cuts = 2 * MIB, 2
    assert await read_all(source, uri, item) == content
    assert sum("Range" in headers for _, headers in server.requests) == 2


async def test_without_an_etag_nothing_is_pieced_together(server: FileServer) -> None:
    server.has_etags = False
    uri, source = HttpPlace(server).put("m", os.urandom(MIB)), HttpPlace(server).source
    (item,) = await source.list(uri)
    assert item.version == ""
    server.cut, server.cuts = 1000, 1
    with pytest.raises(Retryable):
        await read_all(source, uri, item)


async def test_bytes_are_counted_where_no_length_is_said(server: FileServer) -> None:
    server.has_lengths = False
    uri, source = HttpPlace(server).put("m", bytes(8 * MIB + 1)), HttpPlace(server).source
    (item,) = await source.list(uri)
    assert item.size_bytes is None
    with pytest.raises(TooLarge):
        await read_all(source, uri, item)


async def test_tries_end(server: FileServer) -> None:
    uri, source = HttpPlace(server).put("m", os.urandom(MIB)), HttpPlace(server).source
    (item,) = await source.list(uri)
    server.cut, server.cuts = 1000, 1000
    with pytest.raises(Retryable):
        await read_all(source, uri, item)
    assert server.cuts == 996


async def test_redirects_are_followed_only_to_allowed_places(server: FileServer) -> None:
    place = HttpPlace(server)
    place.put("m.onnx", b"m")
    server.redirects = {"a": "b", "b": "/m.onnx?sig=secret", "loop": "loop"}
    (item,) = await place.source.list(f"{server.url}/a")
    assert item.size_bytes == 1
    with pytest.raises(Invalid, match="5 times"):
        await place.source.list(f"{server.url}/loop")
    for target in (
        "https://169.254.169.254/metadata/identity?x=secret",
        "https://10.0.0.1/x?x=secret",
        "http://127.0.0.1:1/x",
        "file:///etc/passwd",
        "https://user:secret@127.0.0.1/",
        "//evil.example/x",
    ):
        server.redirects["out"] = target
        with pytest.raises(Invalid) as refused:
            await place.source.list(f"{server.url}/out?sig=secret")
        assert "secret" not in str(refused.value)


class Answers:
    """A name server that gives one answer after another."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.left = list(answers)

    async def resolve(self, host: str) -> tuple[str, ...]:
        return self.left.pop(0)


async def test_a_name_that_is_rebound_is_not_connected_to(server: FileServer) -> None:
    port = server.url.rpartition(":")[2]
    server.files["m"] = b"m"
    uri = f"https://models.example:{port}/m"
    answers = Answers(("198.18.0.1", "1.1.1.1"), ("127.0.0.1",), ("1.1.1.1", "127.0.0.1"), ("10.0.0.1",))
    source = HttpsSource(f"models.example:{port}", max_bytes=9, resolver=answers)
    for _ in range(4):
        with pytest.raises(Invalid, match="has the address"):
            await source.list(uri)
    rebound = HttpsSource(
        f"models.example:{port}",
        max_bytes=9,
        resolver=Answers(("1.1.1.1",), ("127.0.0.1",)),
        connect_timeout_s=0.2,
    )
    with pytest.raises(Retryable):  # the public address: nobody is there
        await rebound.list(uri)
    with pytest.raises(Invalid, match=r"127\.0\.0\.1"):
        await rebound.list(uri)
    assert server.requests == []


async def test_a_rebound_name_is_refused_also_when_a_download_continues(server: FileServer) -> None:
    url = f"http://models.example:{server.url.rpartition(':')[2]}"
    server.files["m"] = bytes(MIB)
    answers = Answers(("127.0.0.1",), ("127.0.0.1",), ("10.0.0.1",))
    source = HttpsSource(url, max_bytes=MIB, allow_loopback=True, resolver=answers)
    (item,) = await source.list(f"{url}/m")
    server.cut, server.cuts = 1000, 1
    with pytest.raises(Invalid, match=r"10\.0\.0\.1"):
        await read_all(source, f"{url}/m", item)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "168.63.129.16", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fc00::1", "fe80::1", "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8", "64:ff9b::a00:1", "2002:a00:1::1", "2001:0:1::1", "fec0::1", "fe80::1%1",
    ],
)  # fmt: skip
async def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    source = HttpsSource("models.example", max_bytes=9, resolver=Answers((address,)))
    with pytest.raises(Invalid, match="has the address"):
        await source.list("https://models.example/m")


@pytest.mark.parametrize("address", ["10.1.2.3", "169.254.169.254", "::ffff:127.0.0.1", "fe80::1"])
async def test_allowing_loopback_allows_nothing_else(address: str) -> None:
    source = HttpsSource("models.example", max_bytes=9, allow_loopback=True, resolver=Answers((address,)))
    with pytest.raises(Invalid, match="has the address"):
        await source.list("https://models.example/m")


@pytest.mark.parametrize(
    "uri",
    [
        "https://other.example/m?sig=secret", "https://models.example:8443/m?sig=secret", "https://models.example",
        "https://u:secret@models.example/m", "https://models.example.evil/m", "https://models.example/a b?sig=secret",
        "https://models.example\\@evil/m", "http://models.example/m", "https://models.example/a%2Fb", "https:///m",
        "https://models.example/m\r\nX-A: y", "https://example/m", "https://models.example:x/?secret",
    ],
)  # fmt: skip
async def test_urls_that_are_not_accepted_are_refused_without_their_secrets(uri: str) -> None:
    with pytest.raises(Invalid) as refused:
        await HttpsSource("models.example,*.example2", max_bytes=9).list(uri)
    assert "secret" not in str(refused.value)


async def test_a_certificate_must_be_good(tls: tuple[ssl.SSLContext, str]) -> None:
    trusted, url = tls
    hosts = url.removeprefix("https://")
    source = HttpsSource(hosts, max_bytes=9, allow_loopback=True, ssl_context=trusted)
    (item,) = await source.list(f"{url}/m")
    assert await read_all(source, f"{url}/m", item) == b"m"
    with pytest.raises(Invalid, match="certificate"):
        await HttpsSource(hosts, max_bytes=9, allow_loopback=True).list(f"{url}/m")


async def test_no_https_to_http(tls: tuple[ssl.SSLContext, str], server: FileServer) -> None:
    trusted, url = tls
    hosts = f"{url.removeprefix('https://')},{server.url}"
    source = HttpsSource(hosts, max_bytes=9, allow_loopback=True, ssl_context=trusted)
    with pytest.raises(Invalid, match="an https URL"):
        await source.list(f"{url}/down?to={server.url}/m")
    assert server.requests == []


@pytest.fixture
async def tls(tmp_path: Path) -> AsyncIterator[tuple[ssl.SSLContext, str]]:

    context, trusted = loopback_tls(tmp_path)
    files = FileServer(files={"m": b"m"})

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/down":
            return web.Response(status=302, headers={"Location": request.query["to"]})
        return await files.handle(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield trusted, f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


# --- S3 ------------------------------------------------------------------------------------------------------------
async def test_a_prefix_is_all_below_it(s3: S3Place, tmp_path: Path) -> None:
    models = next(iter(s3_backends.values()))["aws"]
    for number in range(1100):  # more than one page; by requests it would take a quarter of a minute
        models.put_object("models", f"folder/{number:04}", b"x")
    s3.put("folder/", b"")
    s3.put("folder2/other", b"x")
    s3.put("folder/sub/größe.onnx", b"deep")
    items = await s3.source.list("s3://models/folder/")
    assert [item.path for item in items] == [*(f"{number:04}" for number in range(1100)), "sub/größe.onnx"]
    assert await read_all(s3.source, "s3://models/folder/", items[-1]) == b"deep"
    store = LocalArtifactStore(tmp_path, UrlSigner("k" * 32, SystemClock()))
    with pytest.raises(Invalid, match="at most 1000"):
        await fetch("s3://models/folder/", s3.source, store, max_files=1000)
    with pytest.raises(NotFound):
        await fetch("s3://models/nothing/", s3.source, store, max_files=1000)


async def test_versions_are_pinned(s3: S3Place) -> None:
    put = [s3.client.put_object(Bucket="versioned", Key="m", Body=body)["VersionId"] for body in (b"one", b"two")]
    (newest,) = await s3.source.list("s3://versioned/m")
    (first,) = await s3.source.list(f"s3://versioned/m?versionId={put[0]}")
    assert [first.version, newest.version] == put
    s3.client.put_object(Bucket="versioned", Key="m", Body=b"three")
    assert await read_all(s3.source, "s3://versioned/m", newest) == b"two"
    assert await read_all(s3.source, "s3://versioned/m", first) == b"one"


async def test_an_object_of_several_parts(s3: S3Place) -> None:
    content = os.urandom(6 * MIB)
    upload = s3.client.create_multipart_upload(Bucket="models", Key="parts")["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.client.upload_part(Bucket="models", Key="parts", UploadId=upload, PartNumber=number, Body=body)[
                "ETag"
            ],
        }
        for number, body in ((1, content[: 5 * MIB]), (2, content[5 * MIB :]))
    ]
    s3.client.complete_multipart_upload(Bucket="models", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    (item,) = await s3.source.list("s3://models/parts")
    assert item.version.endswith('-2"')
    assert await read_all(s3.source, "s3://models/parts", item) == content


async def test_a_presigned_url_is_read_over_http(s3: S3Place) -> None:
    s3.put("signed.onnx", b"m" * 1000)
    url = s3.client.generate_presigned_url("get_object", Params={"Bucket": "models", "Key": "signed.onnx"})
    source = HttpsSource(s3.url, max_bytes=MIB, allow_loopback=True)
    (item,) = await source.list(url)
    assert item.path == "signed.onnx"
    assert await read_all(source, url, item) == b"m" * 1000


@pytest.mark.parametrize("uri", ["s3://other/m", "s3://models/m?x=1", "s3:///m", "s3://models/a/?versionId=1"])
async def test_other_s3_uris_are_refused(s3: S3Place, uri: str) -> None:
    with pytest.raises(Invalid):
        await s3.source.list(uri)


# --- the choice ----------------------------------------------------------------------------------------------------
async def test_nothing_is_allowed_until_it_is_set(s3: S3Place) -> None:
    for uri, setting in (
        ("https://models.example/m", "SLIPWAY_MODEL_SOURCE_HOSTS"),
        ("s3://models/m", "SLIPWAY_MODEL_SOURCE_BUCKETS"),
    ):
        with pytest.raises(Invalid, match=setting):
            await open_source(uri, Settings(), MIB).list(uri)
    for uri in ("ftp://models.example/m?sig=secret", "model.onnx", "file:///etc/passwd"):
        with pytest.raises(Permanent, match=r"https://, s3://") as refused:
            open_source(uri, Settings(), MIB)
        assert "secret" not in str(refused.value)
