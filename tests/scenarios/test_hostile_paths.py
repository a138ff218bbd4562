"""Paths that try to leave the folder they are for: in uploads, signed URLs, manifests, downloads and dropped files."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from tests.scenarios.hostile import attacked_host, refused
from tests.scenarios.local_host import LocalHost, running, wait_until
from tests.scenarios.raw_http import exchange
from tests.scenarios.rest import create_upload, download, drop, listed, push, send, versions_of

ESCAPES = [
    "../secrets.json",
    "../../etc/passwd",
    "a/../../secrets.json",
    "/etc/passwd",
    "..\\secrets.json",
    "C:\\windows\\win.ini",
    "a//b",
    "./../x",
    "a/./b",
    ".hidden",
    "a/.ssh/authorized_keys",
    "nul\0byte",
    "line\r\nbreak: yes",
    "..",
    "/",
    "a/",
    "x" * 300,
    "x/" * 600,
]
PUT = {"x-ms-blob-type": "BlockBlob", "Content-Length": "4"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    with attacked_host(tmp_path_factory.mktemp("paths")) as attacked:
        before = sorted(path.name for path in attacked.data_dir.parent.iterdir())
        yield attacked
        assert sorted(path.name for path in attacked.data_dir.parent.iterdir()) == before
        assert not list(attacked.data_dir.rglob("passwd"))


@pytest.mark.parametrize("path", ESCAPES)
async def test_an_upload_of_a_path_that_leads_out_is_refused(host: LocalHost, path: str) -> None:
    async with host.client() as http:
        files = [{"path": "model.onnx"}, {"path": path}]
        async with http.post("/api/uploads", json={"files": files}) as answer:
            problem = await refused(answer, 422)
        assert problem["faults"][0]["pointer"] == "/files/1/path"
        body = {"upload_id": "u-00000000", "model": {"name": "x", "path": "."}, "files": [path]}
        async with http.post("/api/models", json=body) as answer:
            assert (await refused(answer, 422))["faults"][0]["pointer"] == "/files/0"


@pytest.mark.parametrize("path", [path for path in ESCAPES if path not in ("a//b", "a/./b", "a/")])
async def test_a_manifest_that_names_a_path_that_leads_out_is_refused(host: LocalHost, path: str) -> None:
    async with host.client() as http:
        session = await create_upload(http, "model.onnx")
        await send(http, session["files"][0], b"model")
        for declared in ({"model": {"name": "x", "path": path}}, {"manifest": f"name: x\npath: {json.dumps(path)}\n"}):
            async with http.post("/api/models", json={"upload_id": session["upload_id"], **declared}) as answer:
                assert (await refused(answer, 422))["faults"]
        assert await versions_of(http, "x") == []


async def test_names_that_only_look_encoded_are_plain_names(host: LocalHost) -> None:
    async with host.client() as http:
        version = await push(http, "percent", {"%2e%2e%2fsecrets.json": b"harmless"})
        assert version["files"][0]["path"] == "%2e%2e%2fsecrets.json"
        assert await download(http, version, quote("%2e%2e%2fsecrets.json", safe="")) == b"harmless"


OUTSIDE = ["../../secrets.json", "..%2f..%2fsecrets.json", "%2e%2e/%2e%2e/secrets.json", "%252e%252e%252fsecrets.json"]
OUTSIDE += ["..%5c..%5csecrets.json", "model.onnx/../../../secrets.json", "model.onnx%00.txt", "other.onnx", ""]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_a_signed_url_opens_no_other_path(host: LocalHost, path: str) -> None:
    secrets = (host.data_dir / "secrets.json").read_bytes()
    async with host.client() as http:
        session = await create_upload(http, "model.onnx")
    query = urlsplit(session["files"][0]["url"]).query
    for container in ("staging", "uploads", "artifacts", "..", ""):
        target = f"/blobs/{container}/{session['upload_id']}/{path}?{query}"
        answer = await exchange(host.url, "PUT", target, PUT, b"evil")
        assert answer.status in (400, 403, 404), target
    assert (host.data_dir / "secrets.json").read_bytes() == secrets
    assert not [file for file in host.data_dir.rglob("*") if file.is_file() and file.read_bytes() == b"evil"]


async def test_a_signed_url_cannot_be_changed_or_used_otherwise(host: LocalHost) -> None:
    async with host.client(key="") as nobody, host.client() as http:
        session = await create_upload(http, "model.onnx")
        parts = urlsplit(session["files"][0]["url"])
        query = dict(parse_qsl(parts.query))
        later = {**query, "expires": str(int(query["expires"]) + 3600)}
        forged = {**query, "signature": "0" * 64}
        unsigned = {name: value for name, value in query.items() if name != "signature"}
        for changed in (later, forged, unsigned, {**query, "more": "1"}, {**query, "signature": "ü"}, {}):
            async with nobody.put(f"{parts.path}?{urlencode(changed)}", data=b"evil", headers=PUT) as answer:
                assert answer.status == 403
        repeated = f"{parts.path}?{parts.query}&expires=9999999999"
        assert (await exchange(host.url, "PUT", repeated, PUT, b"evil")).status == 403
        for method in ("GET", "HEAD", "DELETE", "POST", "PATCH"):
            assert (await exchange(host.url, method, session["files"][0]["url"], {})).status in (403, 404, 405)
        put = session["files"][0]["url"]
        assert (await exchange(host.url, "PUT", put, {"Content-Length": "4"}, b"evil")).status == 400  # no blob type
        assert not list((host.data_dir / "staging").glob(f"{session['upload_id']}/*"))


@pytest.mark.parametrize(
    "path",
    [
        "../../../../../secrets.json",
        "..%2f..%2f..%2f..%2fsecrets.json",
        "%2e%2e/%2e%2e/secrets.json",
        "%252e%252e%252fsecrets.json",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "..%5csecrets.json",
        "model.onnx%00",
        "model.onnx%0d%0aX-Injected:%20yes",
        "%ff%fe",
        "",
    ],
)
async def test_a_download_gives_only_the_files_of_the_version(host: LocalHost, path: str) -> None:
    async with host.client() as http:
        if not await versions_of(http, "victim"):
            await push(http, "victim", {"model.onnx": b"model"})
    key = {"x-functions-key": host.secrets["host_keys"]["default"]}
    answer = await exchange(host.url, "GET", f"/api/models/victim/versions/1/files/{path}", key)
    assert answer.status in (400, 404)
    assert "x-injected" not in answer.headers
    assert answer.headers.get("content-type") in (None, "application/problem+json")  # None: no route for it
    assert b"master_key" not in answer.body
    for name in ("..%2f..%2f", "victim%2f..", "%00", "a%0d%0ab", "%ed%a0%80", "x" * 5000):
        answer = await exchange(host.url, "GET", f"/api/models/{name}/versions/1", key)
        assert answer.status in (400, 404), name


@pytest.mark.parametrize("sha256", ["../secrets.json", "..%2f..%2fsecrets.json", "0" * 64, "A" * 64, "x" * 64])
async def test_the_artifacts_are_closed_without_a_signature(host: LocalHost, sha256: str) -> None:
    key = {"x-functions-key": host.secrets["master_key"]}
    for query in ("", "?expires=9999999999&signature=" + "0" * 64, "?expires=NaN&signature="):
        answer = await exchange(host.url, "GET", f"/blobs/artifacts/{sha256}{query}", key)
        assert answer.status in (400, 403, 404)
        assert b"master_key" not in answer.body


async def test_block_ids_and_lists_lead_nowhere(host: LocalHost) -> None:
    async with host.client() as http:
        url = (await create_upload(http, "model.onnx"))["files"][0]["url"]
    for block in ("../../../evil", "..%2f..%2fevil", base64.b64encode(b"../../evil").decode(), "", "x" * 1000, "%00"):
        answer = await exchange(host.url, "PUT", f"{url}&comp=block&blockid={quote(block, safe='%')}", PUT, b"evil")
        assert answer.status in (201, 400), block  # 201: base64 of anything is a name like another
    bomb = (
        b'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY c "&a;&a;&a;&a;">]><BlockList><Latest>&c;</Latest></BlockList>'
    )
    files = b'<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]><BlockList><Latest>&a;</Latest></BlockList>'
    for body in (bomb, files, b"<BlockList><Latest>../../evil</Latest></BlockList>", b"<", b"", b"\xff" * 100):
        length = {"Content-Length": str(len(body))}
        answer = await exchange(host.url, "PUT", f"{url}&comp=blocklist", length, body)
        assert answer.status == 400, body
        assert b"root:" not in answer.body
    assert not list(host.data_dir.rglob("*evil*"))


async def test_signed_urls_expire(tmp_path: Path) -> None:
    async with running(tmp_path / "data", SLIPWAY_SIGNED_URL_TTL_S="1") as host, host.client() as http:
        version = await push(http, "short-lived", {"model.onnx": b"model"})
        session = await create_upload(http, "model.onnx")
        url = f"/api/models/{version['name']}/versions/1/files/model.onnx"
        async with http.get(url, allow_redirects=False) as answer:
            assert answer.status == 302
            link = answer.headers["Location"]

        async def expired() -> bool:
            answers = [await exchange(host.url, "GET", link, {})]
            answers.append(await exchange(host.url, "PUT", session["files"][0]["url"], PUT, b"late"))
            assert {answer.status for answer in answers} <= {200, 201, 403}
            return {answer.status for answer in answers} == {403}

        await wait_until(expired, 30, "both URLs expire")


async def test_dropped_files_cannot_reach_out_of_the_upload_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("not yours")
    async with running(tmp_path / "data") as host, host.client() as http:
        manifests = {
            "up": "name: stolen\npath: ../../secrets.json\n",
            "absolute": f"name: stolen\npath: {secret}\n",
            "url": f"name: stolen\npath: file://{secret}\n",
            "linked": "name: stolen\npath: model.onnx\n",
            "linked-folder": "name: stolen\npath: model\n",
        }
        for folder, manifest in manifests.items():
            drop(host.data_dir, folder, {"model.yml": manifest})
        os.symlink(secret, host.data_dir / "uploads" / "linked" / "model.onnx")
        os.symlink(tmp_path, host.data_dir / "uploads" / "linked-folder" / "model")
        os.symlink("/", host.data_dir / "uploads" / "root")

        async def phases() -> dict[str, str]:
            return {upload["directory"]: upload["phase"] for upload in await listed(http, "/api/uploads")}

        async def all_seen() -> bool:
            return len(await phases()) == len(manifests)

        await wait_until(all_seen, 60, "every manifest is seen")
        failed = dict.fromkeys(("up", "absolute", "url"), "Failed")
        assert await phases() == failed | dict.fromkeys(("linked", "linked-folder"), "WaitingForFiles")
        assert await versions_of(http, "stolen") == []
