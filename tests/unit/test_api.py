"""REST without a host: who asks, and what is answered and recorded."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import Any

import pytest

from shared.adapters.local.blob_folders import etag_of, note_received
from shared.api import dispatch
from shared.api.message import ApiRequest, ApiResponse
from shared.bootstrap import ControlPlane
from tests.doubles.webhook_receiver import webhook_receiver
from tests.plane import MANIFEST, plane, stage

__all__ = ["plane"]


def ask(body: Any = None, **fields: Any) -> ApiRequest:
    given: dict[str, Any] = {"method": "GET", "url": "http://x", "query": {}, "route": {}, "request_id": "r-1"}
    headers = {"content-type": "application/json", **fields.pop("headers", {})}
    return ApiRequest(**{**given, "headers": headers, "body": json.dumps(body).encode(), **fields})


async def call(plane: ControlPlane, operation: str, body: Any = None, **fields: Any) -> ApiResponse:
    return await dispatch.answer(operation, ask(body, **fields), plane)


PRINCIPAL = {"x-ms-client-principal-name": "alice@contoso.com"}


@pytest.mark.parametrize(
    ("fields", "actor"),
    [
        ({"headers": PRINCIPAL, "easy_auth": True}, "alice@contoso.com"),
        ({"headers": {"x-ms-client-principal-id": "app-1"}, "easy_auth": True}, "app-1"),
        ({"headers": {**PRINCIPAL, "x-functions-key": "secret"}}, "key:2bb80d53"),
        ({"query": {"code": "secret"}}, "key:2bb80d53"),
        ({}, "anonymous"),
    ],
)
def test_who_asks(fields: dict[str, Any], actor: str) -> None:
    """A header nobody vouches for names nobody; a key is named by its fingerprint, never by itself."""
    assert ask(**fields).actor == actor


async def test_with_easy_auth_nobody_unknown_is_answered_but_health_is(plane: ControlPlane) -> None:
    assert (await call(plane, "list_models", easy_auth=True)).status == 401
    assert (await call(plane, "list_models", easy_auth=True, headers=PRINCIPAL)).status == 200
    assert (await call(plane, "health", easy_auth=True)).status == 200


@pytest.mark.parametrize("version", ["²", "9" * 5000, "-1", "01", "latest", "a b", 0, 1.5])
async def test_a_strange_version_is_refused_with_its_reason(plane: ControlPlane, version: Any) -> None:
    stage(plane, "u-12345678", "model.onnx", b"onnx")
    body = {"upload_id": "u-12345678", "model": {"name": "d", "path": "model.onnx", "version": version}}
    answered = await call(plane, "register_model", body)
    assert answered.status == 422
    assert answered.document["faults"]


async def test_faults_of_a_model_in_json_point_into_the_body(plane: ControlPlane) -> None:
    body = {"upload_id": "u-12345678", "model": {"name": "bad name", "path": "../x"}}
    answered = await call(plane, "register_model", body)
    assert answered.status == 422
    assert [(fault["pointer"], "line" in fault) for fault in answered.document["faults"]] == [("/model/name", False)]


async def test_properties_do_not_grow_for_ever(plane: ControlPlane) -> None:
    stage(plane, "u-12345678", "model.onnx", b"onnx")
    await call(plane, "register_model", {"upload_id": "u-12345678", "manifest": MANIFEST})
    statuses = []
    for start in (0, 60):
        patch = {"properties": {f"p{number}": "1" for number in range(start, start + 60)}}
        route = {"name": "diabetes", "version": "1"}
        answered = await call(plane, "update_model_version", patch, route=route, headers={"if-match": "*"})
        statuses.append(answered.status)
    assert statuses == [200, 422]


async def test_staged_files_that_nobody_registers_are_deleted_when_they_are_old(plane: ControlPlane) -> None:
    file = stage(plane, "u-12345678", "model.onnx", b"onnx")
    assert await plane.expire_staged() == 0
    assert file.exists()
    month_ago = time.time() - 30 * 86400
    os.utime(file, (month_ago, month_ago))
    note_received(plane.deps.settings.data_dir, etag_of(file.stat()), hashlib.sha256(b"onnx").hexdigest())
    assert await plane.expire_staged() == 1
    assert not file.exists()


async def test_a_subscription_shows_no_secret_keeps_it_and_has_a_history(plane: ControlPlane) -> None:
    async with webhook_receiver() as receiver:
        body = {
            "endpoint_url": f"{receiver.url}?code=SECRET",
            "signing_secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
        }
        route = {"name": "hook"}
        made = await call(plane, "put_subscription", body, route=route)
        assert made.status == 201, made.document
        del body["signing_secret"]
        assert (await call(plane, "put_subscription", {**body, "subject_begins_with": "m"}, route=route)).status == 200
        listed = await call(plane, "list_subscriptions")
        assert "SECRET" not in json.dumps(listed.document)
    history = await call(plane, "list_resource_history", route={"kind": "subscription", "name": "hook"})
    assert [record["action"] for record in history.document["items"]] == ["created", "updated"]
    assert {record["cause"]["id"] for record in history.document["items"]} == {"r-1"}
    assert "SECRET" not in json.dumps(history.document)
    assert "whsec" not in json.dumps(history.document)
    assert (await call(plane, "delete_subscription", route=route)).status == 204


async def test_history_of_unknown_kinds_and_names(plane: ControlPlane) -> None:
    for kind, status in (("nonsense", 422), ("model", 404)):
        answered = await call(plane, "list_resource_history", route={"kind": kind, "name": "x"})
        assert answered.status == status
