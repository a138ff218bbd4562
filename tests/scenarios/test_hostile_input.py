"""Documents that are wrong on purpose: each gets its 4xx as a problem with its faults, none a 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.scenarios.hostile import attacked_host, ensure_victim, refused
from tests.scenarios.local_host import LocalHost
from tests.scenarios.rest import create_upload, get, send, versions_of

JSON = {"Content-Type": "application/json"}
WRITES = [
    ("POST", "/api/models"),
    ("POST", "/api/uploads"),
    ("PUT", "/api/subscriptions/victim"),
    ("PATCH", "/api/models/victim/versions/1"),
]
NOT_JSON = {
    "nothing": b"",
    "NaN": b'{"description": NaN}',
    "Infinity": b'{"description": -Infinity}',
    "cut off": b'{"name": "x',
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "lone surrogate": b'{"name": "\\ud800"}',
    "reversed surrogates": b'{"name": "\\udc00\\ud800"}',
    "deep arrays": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "single quotes": b"{'name': 'x'}",
    "comment": b'{"name": "x"} // and more',
    "two documents": b"{}{}",
    "raw control character": b'{"name": "a\nb"}',
}
WRONG_SHAPE = {
    "null": b"null",
    "text": b'"x"',
    "number": b"1" * 4000,
    "list": b"[]",
    "empty": b'{"unknown": 1}',
    "huge integer": b'{"tags": {"a": ' + b"9" * 4000 + b'}, "files": ' + b"9" * 4000 + b"}",
    "huge integer in a declaration": b'{"upload_id": "u-00000000", "model": {"flavors": ' + b"9" * 4000 + b"}}",
    "huge float": b'{"tags": 1e999}',
    "wrong types": b'{"upload_id": {}, "model": [], "files": {"a": 1}, "tags": [1], "endpoint_url": 7}',
    "many unknown keys": json.dumps({f"key-{number}": number for number in range(20_000)}).encode(),
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    with attacked_host(tmp_path_factory.mktemp("input")) as attacked:
        yield attacked


@pytest.fixture(autouse=True)
async def victim(host: LocalHost) -> None:
    await ensure_victim(host)


async def send_json(http: aiohttp.ClientSession, method: str, path: str, body: bytes) -> dict[str, Any]:
    async with http.request(method, path, data=body, headers={**JSON, "If-Match": "*"}) as answer:
        return await refused(answer, 400, 413, 422)


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_what_is_no_json_is_a_bad_request(host: LocalHost, method: str, path: str) -> None:
    async with host.client() as http:
        for name, body in NOT_JSON.items():
            problem = await send_json(http, method, path, body)
            assert problem["status"] == 400, name


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_json_of_another_shape_is_refused_with_its_faults(host: LocalHost, method: str, path: str) -> None:
    async with host.client() as http:
        for name, body in WRONG_SHAPE.items():
            problem = await send_json(http, method, path, body)
            assert problem["status"] == 400 or problem["faults"], name


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_more_than_2_mib_and_other_media_types_are_refused(host: LocalHost, method: str, path: str) -> None:
    async with host.client() as http:
        assert (await send_json(http, method, path, b'{"a": "' + b"x" * (2 << 20) + b'"}'))["status"] == 413
        for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", "", "a" * 500):
            headers = {"Content-Type": media_type, "If-Match": "*"}
            async with http.request(method, path, data=b"{}", headers=headers) as answer:
                await refused(answer, 415)


TEXTS = [
    "\0",
    "a\0b",
    "\r\nX-Injected: yes",
    "\x1b[31m",
    "x" * 70_000,
    "",
    " ",
    "../x",
    "a/b",
    "%00",
    "é",
    "\U0001f4a9",
]


@pytest.mark.parametrize("text", TEXTS, ids=[f"text{number}" for number in range(len(TEXTS))])
async def test_names_that_are_none_are_refused_everywhere(host: LocalHost, text: str) -> None:
    async with host.client() as http:
        session = await create_upload(http, "model.onnx")
        await send(http, session["files"][0], b"model")
        upload = {"upload_id": session["upload_id"]}
        model = {"name": "fine", "path": "model.onnx"}
        for body in (
            {**upload, "model": {**model, "name": text}},
            {**upload, "model": model, "name": text},
            {**upload, "manifest": f"name: {json.dumps(text)}\npath: model.onnx\n"},
            {"upload_id": text, "model": model},
            {**upload, "manifest": "name: x\npath: y\n", "manifest_file": text},
        ):
            async with http.post("/api/models", json=body) as answer:
                await refused(answer, 422)
                assert "X-Injected" not in answer.headers
        assert await versions_of(http, "fine") == []


async def test_texts_that_are_allowed_come_back_as_they_were_sent(host: LocalHost) -> None:
    """Or are refused; but they are never changed, and never break an answer, an event or a later listing."""
    for number, text in enumerate([*TEXTS, "\ufffe", "a" * 300]):
        async with host.client() as http:
            session = await create_upload(http, "model.onnx")
            await send(http, session["files"][0], f"model {number}".encode())
            model = {"name": "texts", "path": "model.onnx", "description": text, "tags": {"k": text}}
            async with http.post("/api/models", json={"upload_id": session["upload_id"], "model": model}) as answer:
                if answer.status != 201:
                    await refused(answer, 422)
                    continue
                made = await answer.json()
            assert (made["description"], made["tags"]) == (text, {"k": text})
            assert await get(http, f"/api/models/texts/versions/{made['version']}") == made
            events = await get(http, "/api/events", subject_prefix=f"models/{made['id']}")
            assert events["items"][0]["data"]["modelTags"] == {"k": text}


MANIFESTS = {
    "over 1 MiB": "name: x\npath: y\ndescription: " + "a" * (1 << 20),
    "a bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "deep": "[" * 50_000,
    "an object": "!!python/object/apply:os.system ['true']",
    "an object in a field": "name: !!python/name:os.system x\npath: y\n",
    "infinity": "name: x\npath: y\ntags: {a: .inf}\n",
    "a lone surrogate": 'name: x\npath: y\ndescription: "\\ud800"\n',
    "two documents": "name: x\n---\nname: y\n",
    "an endless number": "name: x\npath: y\nversion: " + "9" * 10_000 + "\n",
    "a sexagesimal number": "name: x\npath: y\nversion: " + "1:" * 20_000 + "1\n",
    "a sexagesimal fraction": "name: x\npath: y\nversion: " + "1:" * 20_000 + "1.5\n",
    "a hexadecimal number": "name: x\npath: y\nversion: 0x" + "f" * 20_000 + "\n",
    "an unknown anchor": "name: *who\n",
    "a control character": "name: x\npath: \x07\n",
    "nothing": "",
}


@pytest.mark.parametrize("kind", MANIFESTS)
async def test_hostile_manifests_are_refused_with_their_faults(host: LocalHost, kind: str) -> None:
    async with host.client() as http:
        session = await create_upload(http, "y")
        await send(http, session["files"][0], b"model")
        body = {"upload_id": session["upload_id"], "manifest": MANIFESTS[kind]}
        async with http.post("/api/models", json=body) as answer:
            assert (await refused(answer, 422))["faults"]
        assert await versions_of(http, "x") == []
