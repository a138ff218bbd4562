"""Registries that fail, lie, stall, or send somewhere else: nothing wrong is kept, and no credentials go astray."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.registry import Credentials, DistributionRegistry
from shared.errors import ArtifactCorrupted, Invalid, NotFound, Permanent, Retryable, TooLarge
from shared.packaging.layout import blob_path, read_document
from tests.contract.images import REPOSITORY, client, image
from tests.docker_registry import PASSWORD, USER
from tests.doubles.registry import TOKEN, RegistryDouble, registry_double

ALLOWED = Credentials(USER, PASSWORD)


@pytest.fixture
async def double() -> AsyncIterator[RegistryDouble]:
    async with registry_double() as made:
        yield made


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_registry_is_asked_again_and_then_given_up(
    double: RegistryDouble, tmp_path: Path, status: int
) -> None:
    counts: dict[str, int] = {}

    async def busy(request: web.Request) -> web.Response | None:
        key = f"{request.method} {request.path}"
        counts[key] = counts.get(key, 0) + 1
        return web.Response(status=status, headers={"Retry-After": "0"}) if counts[key] <= failures else None

    named, failures = image(tmp_path), 1
    double.interfere = busy
    assert await client(double).push(tmp_path, named, REPOSITORY, "1") == named.digest
    assert await client(double).pull(REPOSITORY, "1", tmp_path / "pulled") == named
    failures = 10**6
    counts.clear()
    with pytest.raises(Retryable, match=f"status {status}"):
        await client(double).resolve(REPOSITORY, "1")
    assert list(counts.values()) == [4]


async def test_a_truncated_blob_is_fetched_again(double: RegistryDouble, tmp_path: Path) -> None:
    named = image(tmp_path, b"x" * 100)
    await client(double).push(tmp_path, named, REPOSITORY, "1")
    cut = []

    async def truncate(request: web.Request) -> web.StreamResponse | None:
        content = double.blobs.get(request.path.rsplit("/", 1)[-1], b"")
        if not content or len(cut) >= limit:
            return None
        cut.append(request.path)
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: len(content) // 2])
        assert request.transport is not None
        request.transport.close()
        return response

    double.interfere, limit = truncate, 2
    assert await client(double).pull(REPOSITORY, "1", tmp_path / "pulled") == named
    limit = 10**6
    with pytest.raises(Retryable, match="broke off"):
        await client(double).pull(REPOSITORY, "1", tmp_path / "never")
    assert list((tmp_path / "never").rglob("*")) == []


@pytest.mark.parametrize(
    ("damage", "says"),
    [(lambda content: b"y" + content[1:], "came as sha256:"), (lambda content: content + b"y", "more than the")],
)
async def test_other_bytes_are_refused(double: RegistryDouble, tmp_path: Path, damage: Any, says: str) -> None:
    named = image(tmp_path)
    await client(double).push(tmp_path, named, REPOSITORY, "1")
    digest = read_document(tmp_path, named.digest)["layers"][0]["digest"]
    double.blobs[digest] = damage(double.blobs[digest])
    with pytest.raises(ArtifactCorrupted, match=says):
        await client(double).pull(REPOSITORY, "1", tmp_path / "pulled")
    assert not blob_path(tmp_path / "pulled", digest).exists()
    assert not blob_path(tmp_path / "pulled", named.digest).exists()


async def test_another_manifest_than_was_asked_for_is_refused(double: RegistryDouble, tmp_path: Path) -> None:
    named, other = image(tmp_path), image(tmp_path, b"other")
    await client(double).push(tmp_path, named, REPOSITORY)
    await client(double).push(tmp_path, other, REPOSITORY, "1")
    double.manifests[named.digest] = double.manifests["1"]
    with pytest.raises(ArtifactCorrupted, match=other.digest):
        await client(double).pull(REPOSITORY, named.digest, tmp_path / "pulled")


async def test_a_registry_that_changes_what_it_is_sent_is_refused(double: RegistryDouble, tmp_path: Path) -> None:
    async def rewrite(request: web.Request) -> web.Response | None:
        if request.method == "PUT" and "/manifests/" in request.path:
            return web.Response(status=201, headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"})
        return None

    double.interfere = rewrite
    with pytest.raises(Permanent, match="stored models/diabetes:1 as 'sha256:000"):
        await client(double).push(tmp_path, image(tmp_path), REPOSITORY, "1")


async def test_a_damaged_layout_is_not_pushed(double: RegistryDouble, tmp_path: Path) -> None:
    named = image(tmp_path)
    layer = blob_path(tmp_path, read_document(tmp_path, named.digest)["layers"][0]["digest"])
    layer.write_bytes(b"damaged")
    with pytest.raises(ArtifactCorrupted):
        await client(double).push(tmp_path, named, REPOSITORY, "1")
    layer.unlink()
    with pytest.raises(NotFound):
        await client(double).push(tmp_path, named, REPOSITORY, "1")
    assert not double.manifests


async def test_too_large_is_said_before_anything_is_fetched(double: RegistryDouble, tmp_path: Path) -> None:
    await client(double).push(tmp_path, image(tmp_path), REPOSITORY, "1")
    with pytest.raises(TooLarge, match="allowed: 10"):
        await client(double, max_image_bytes=10).pull(REPOSITORY, "1", tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


async def test_credentials_stay_with_the_registry(double: RegistryDouble, tmp_path: Path) -> None:
    """Blobs and uploads may be elsewhere (a storage account); the token does not go there."""
    double.bearer = True
    named = image(tmp_path)
    async with registry_double() as storage:

        async def elsewhere(request: web.Request) -> web.Response | None:
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                return None
            if request.method == "POST":
                location = f"http://{storage.host}/v2/x/blobs/uploads/one?_state=a%2Fb%3D"
                return web.Response(status=202, headers={"Location": location})
            if request.method == "GET" and "/blobs/" in request.path:
                return web.Response(status=307, headers={"Location": f"http://{storage.host}{request.path}"})
            return None

        double.interfere = elsewhere
        await client(double).push(tmp_path, named, REPOSITORY, "1")
        assert await client(double).pull(REPOSITORY, "1", tmp_path / "pulled") == named
        assert {request.split()[0] for request in storage.requests} == {"PUT", "GET"}
        assert set(storage.authorizations) == {""}


@pytest.mark.parametrize(
    "realm", ["http://tokens.example/token", "ftp://127.0.0.1/", "", "https://u:p@tokens.example/"]
)
async def test_credentials_go_to_no_token_service_that_is_not_safe(double: RegistryDouble, realm: str) -> None:
    async def challenge(request: web.Request) -> web.Response:
        return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'})

    double.interfere = challenge
    with pytest.raises(Permanent) as refused:
        await client(double, credentials=ALLOWED).resolve(REPOSITORY, "1")
    assert isinstance(refused.value, Invalid) or realm == ""
    assert set(double.authorizations) == {""}
    assert PASSWORD not in str(refused.value)


async def test_redirects_that_are_not_safe_or_do_not_end_are_refused(double: RegistryDouble) -> None:
    location = "http://storage.example/blob?signature=secret"

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": location})

    double.interfere = redirect
    with pytest.raises(Invalid, match=r"sends to http://storage\.example:80") as refused:
        await client(double).resolve(REPOSITORY, "1")
    assert "signature" not in str(refused.value)
    location = "/v2/round"
    with pytest.raises(Invalid, match="more than 5 times"):
        await client(double).resolve(REPOSITORY, "1")


async def test_nobody_listens(tmp_path: Path, unused_tcp_port: int) -> None:
    with pytest.raises(Retryable, match="broke off"):
        await DistributionRegistry(f"127.0.0.1:{unused_tcp_port}", retry_delay_s=0.01).resolve(REPOSITORY, "1")


@pytest.mark.parametrize("method", ["HEAD", "PUT"])
async def test_a_registry_that_does_not_go_on_is_given_up(double: RegistryDouble, tmp_path: Path, method: str) -> None:
    ended = asyncio.Event()

    async def hang(request: web.Request) -> web.Response | None:
        if request.method == method and (method == "HEAD" or (request.content_length or 0) > 1 << 20):
            await ended.wait()  # without reading what is sent
        return None

    double.interfere = hang
    named = image(tmp_path, random.Random(1).randbytes(24 << 20))  # more than the sockets hold
    with pytest.raises(Retryable, match=r"broke off: .*Timeout"):
        await client(double, progress_timeout_s=0.2).push(tmp_path, named, REPOSITORY, "1")
    ended.set()


@pytest.mark.parametrize(
    ("repository", "tag"), [("Upper", "1"), ("../up", "1"), ("a//b", "1"), ("a", "-"), ("a", "x:y")]
)
async def test_names_are_checked_before_anything_is_asked(
    double: RegistryDouble, tmp_path: Path, repository: str, tag: str
) -> None:
    with pytest.raises(Invalid):
        await client(double).push(tmp_path, image(tmp_path), repository, tag)
    with pytest.raises(Invalid):
        await client(double).pull(repository, tag, tmp_path)
    assert not double.requests
