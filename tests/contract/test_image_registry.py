"""Pushing and pulling images: against Debian's docker-registry and skopeo, which are not ours, and against a double
that asks for tokens."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from shared.adapters.registry import Credentials, DistributionRegistry
from shared.adapters.registry.referrers import referrers_tag
from shared.errors import Invalid, NotFound, Permanent, SlipwayError
from shared.packaging.base import base_of_layout, base_of_manifest
from shared.packaging.descriptor import INDEX
from shared.packaging.extract import unpack
from shared.packaging.image import ImageConfig, assemble, write_index
from shared.packaging.layer import Entry, write_layer
from shared.packaging.layout import blob_path, read_document
from tests.contract.images import REPOSITORY, artifact, client, image
from tests.docker_registry import PASSWORD, USER, DockerRegistry, docker_registry
from tests.doubles.registry import RegistryDouble, registry_double
from tests.doubles.tls import loopback_tls
from tests.unit.packaging.made import files_of

ALLOWED = Credentials(USER, PASSWORD)


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path_factory.mktemp("docker-registry")) as registry:
        yield registry


@pytest.fixture
async def double() -> AsyncIterator[RegistryDouble]:
    async with registry_double() as made:
        yield made


def skopeo_copy(debian: DockerRegistry, source: str, folder: Path, *options: str) -> list[dict[str, Any]]:
    """The entries of index.json that skopeo writes for the image."""
    command = [
        "skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false",
        f"--src-creds={USER}:{PASSWORD}", *options, f"docker://{debian.host}/{source}", f"oci:{folder}:pulled",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    entries: list[dict[str, Any]] = json.loads((folder / "index.json").read_bytes())["manifests"]
    return entries


class TestDockerRegistry:
    async def test_what_is_pushed_is_pulled_by_skopeo_with_the_same_digest(
        self, debian: DockerRegistry, tmp_path: Path
    ) -> None:
        named = image(tmp_path / "ours", b"x" * 3_000_000)
        registry = DistributionRegistry(debian.host, credentials=ALLOWED)
        assert await registry.push(tmp_path / "ours", named, REPOSITORY, "3") == named.digest
        assert await registry.resolve(REPOSITORY, "3") == named.digest
        for number, source in enumerate((f"{REPOSITORY}:3", f"{REPOSITORY}@{named.digest}")):
            (entry,) = await asyncio.to_thread(skopeo_copy, debian, source, tmp_path / f"theirs-{number}")
            assert entry["digest"] == named.digest
        base = base_of_layout(tmp_path / "theirs-0", "pulled")
        await asyncio.to_thread(unpack, tmp_path / "theirs-0", base.digest or "", tmp_path / "out")
        assert files_of(tmp_path / "out") == {"app/model.bin": b"x" * 3_000_000}

    async def test_several_platforms(self, debian: DockerRegistry, tmp_path: Path) -> None:
        ours = [image(tmp_path / "ours", name.encode(), f"linux/{name}") for name in ("amd64", "arm64")]
        index = write_index(tmp_path / "ours", ours, "multi")
        registry = DistributionRegistry(debian.host, credentials=ALLOWED)
        assert await registry.push(tmp_path / "ours", index, REPOSITORY, "multi") == index.digest
        assert await registry.resolve(REPOSITORY, "multi") == index.digest
        for named in ours:
            platform = named.platform or ""
            pulled = await registry.pull(REPOSITORY, "multi", tmp_path / "pulled", platform)
            assert pulled == named
            write_index(tmp_path / "pulled", [pulled], platform.replace("/", "-"))
            assert base_of_layout(tmp_path / "pulled", platform.replace("/", "-"), platform).digest == named.digest
        with pytest.raises(NotFound, match=r"no image for linux/s390x; it has linux/amd64, linux/arm64"):
            await registry.pull(REPOSITORY, "multi", tmp_path / "pulled", "linux/s390x")
        (entry,) = await asyncio.to_thread(
            skopeo_copy, debian, f"{REPOSITORY}:multi", tmp_path / "theirs", "--override-arch=arm64"
        )
        assert entry["digest"] == ours[1].digest

    async def test_artifacts_are_listed_under_the_tag_of_their_subject(
        self, debian: DockerRegistry, tmp_path: Path
    ) -> None:
        named = image(tmp_path, b"with artifacts")
        registry = DistributionRegistry(debian.host, credentials=ALLOWED)
        await registry.push(tmp_path, named, REPOSITORY, "subject")
        ours = [artifact(tmp_path, named, content) for content in (b"one", b"two")]
        for each in (*ours, ours[0]):  # the first one twice
            await registry.push(tmp_path, each, REPOSITORY)
        url = f"http://{debian.host}/v2/{REPOSITORY}/manifests/{referrers_tag(named.digest)}"
        headers = {"Accept": INDEX, "Authorization": ALLOWED.basic}
        async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
            index = json.loads(await response.read())
        assert [entry["digest"] for entry in index["manifests"]] == [each.digest for each in ours]
        assert {entry["artifactType"] for entry in index["manifests"]} == {"text/plain"}
        assert index["manifests"][0]["annotations"] == {"a": "1"}
        pulled = await registry.pull(REPOSITORY, ours[1].digest, tmp_path / "pulled")
        (layer,) = read_document(tmp_path / "pulled", pulled.digest)["layers"]
        assert blob_path(tmp_path / "pulled", layer["digest"]).read_bytes() == b"two"

    async def test_what_is_not_there_and_who_is_not_known(self, debian: DockerRegistry, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match=r"models/missing:1.*MANIFEST_UNKNOWN"):
            await DistributionRegistry(debian.host, credentials=ALLOWED).pull("models/missing", "1", tmp_path)
        for credentials in (None, Credentials(USER, "wrong-and-secret")):
            with pytest.raises(Permanent) as refused:
                await DistributionRegistry(debian.host, credentials=credentials).resolve(REPOSITORY, "1")
            assert "wrong-and-secret" not in repr(credentials) + str(refused.value)
            assert refused.value.remedy


async def test_a_token_is_asked_for_with_the_credentials_and_for_no_more_than_is_needed(
    double: RegistryDouble, tmp_path: Path
) -> None:
    double.bearer, double.basic = True, f"{USER}:{PASSWORD}"
    named = image(tmp_path)
    await client(double, credentials=ALLOWED).push(tmp_path, named, REPOSITORY, "1")
    assert await client(double, credentials=ALLOWED).pull(REPOSITORY, "1", tmp_path / "pulled") == named
    assert double.scopes == [f"repository:{REPOSITORY}:pull,push", f"repository:{REPOSITORY}:pull"]
    basic = [request for request, sent in zip(double.requests, double.authorizations, strict=True) if "Basic" in sent]
    assert basic == ["GET /token", "GET /token"]
    for credentials in (None, Credentials(USER, "wrong-and-secret")):
        with pytest.raises(Permanent, match="gives no token: status 401") as refused:
            await client(double, credentials=credentials).resolve(REPOSITORY, "1")
        assert "secret" not in str(refused.value)


async def test_what_is_public_needs_no_credentials(double: RegistryDouble, tmp_path: Path) -> None:
    named = image(tmp_path)
    await client(double).push(tmp_path, named, REPOSITORY, "1")
    double.bearer = True
    assert await client(double).pull(REPOSITORY, "1", tmp_path / "pulled") == named


async def test_a_token_that_expires_is_asked_for_again(double: RegistryDouble, tmp_path: Path) -> None:
    double.bearer = True
    expired = []

    async def once(request: web.Request) -> web.Response | None:
        if request.method == "PUT" and request.headers.get("Authorization") and not expired:
            expired.append(request.path)
            return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="http://{double.host}/token"'})
        return None

    double.interfere = once
    named = image(tmp_path)
    assert await client(double).push(tmp_path, named, REPOSITORY, "1") == named.digest
    assert len(double.scopes) == 2


async def test_blobs_that_are_there_are_not_sent_again(double: RegistryDouble, tmp_path: Path) -> None:
    named = image(tmp_path)
    await client(double).push(tmp_path, named, REPOSITORY, "1")
    double.requests.clear()
    await client(double).push(tmp_path, named, REPOSITORY, "2")
    assert {request.split()[0] for request in double.requests} == {"HEAD", "PUT"}
    assert sum(request.startswith("PUT") for request in double.requests) == 1


async def test_a_registry_that_lists_artifacts_needs_no_tag(double: RegistryDouble, tmp_path: Path) -> None:
    double.understands_subjects = True
    named = image(tmp_path)
    await client(double).push(tmp_path, named, REPOSITORY, "1")
    await client(double).push(tmp_path, artifact(tmp_path, named, b"one"), REPOSITORY)
    assert referrers_tag(named.digest) not in double.manifests


async def test_a_pulled_image_is_a_base(double: RegistryDouble, tmp_path: Path) -> None:
    await client(double).push(tmp_path / "theirs", image(tmp_path / "theirs"), REPOSITORY, "1")
    pulled = await client(double).pull(REPOSITORY, "1", tmp_path / "pulled")
    base = base_of_manifest(tmp_path / "pulled", pulled.digest)
    layer = write_layer([Entry("app/score.py", b"")], tmp_path / "ours")
    named = assemble(tmp_path / "ours", [layer], ImageConfig(), base=base)
    await asyncio.to_thread(unpack, tmp_path / "ours", named.digest, tmp_path / "out")
    assert files_of(tmp_path / "out") == {"app/model.bin": b"model", "app/score.py": b""}


async def test_https_is_needed_and_its_certificate_checked(tmp_path: Path) -> None:
    server, trusting = loopback_tls(tmp_path)
    async with registry_double(server) as double:
        named = image(tmp_path / "ours")
        double.bearer, double.basic = True, f"{USER}:{PASSWORD}"
        pushing = client(double, ssl_context=trusting, credentials=ALLOWED)
        assert await pushing.push(tmp_path / "ours", named, REPOSITORY, "1") == named.digest
        requests = len(double.requests)
        with pytest.raises(Invalid, match="certificate"):
            await client(double, ssl_context=ssl.create_default_context()).resolve(REPOSITORY, "1")
        with pytest.raises(SlipwayError):  # http to a port that speaks https
            await client(double).resolve(REPOSITORY, "1")
        assert len(double.requests) == requests
