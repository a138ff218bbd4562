"""64 clients register the same name at once: every version number is given once, and each is announced."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.scenarios.local_host import running, wait_until
from tests.scenarios.receiver import MODEL_REGISTERED, receiving
from tests.scenarios.rest import create_upload, listed, numbers, push, register, send, subscribe, versions_of

COUNT = 64


async def test_concurrent_registrations_of_one_name_get_every_version_once(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, receiving() as receiver, host.client() as http:
        await subscribe(http, "watcher", receiver.url, included_event_types=[MODEL_REGISTERED])
        contents = [f"model {number}".encode() for number in range(COUNT)]
        pushed = await asyncio.gather(*(push(http, "shared", {"model.onnx": content}) for content in contents))

        assert numbers(pushed) == list(range(1, COUNT + 1))
        assert numbers(await versions_of(http, "shared")) == list(range(1, COUNT + 1))
        assert len({version["upload_id"] for version in pushed}) == COUNT

        expected = [("shared", number) for number in range(1, COUNT + 1)]
        await wait_until(lambda: receiver.registered == expected, 60, "64 ModelRegistered arrive")
        assert len({event["id"] for event in receiver.accepted}) == COUNT
        assert {event["subject"] for event in receiver.accepted} == {f"models/shared:{v}" for _, v in expected}
        logged = await listed(http, "/api/events", type=MODEL_REGISTERED)
        assert sorted(event["id"] for event in logged) == sorted({event["id"] for event in receiver.accepted})
        await host.stop()


async def test_concurrent_requests_for_one_upload_register_it_once(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        session = await create_upload(http, "model.onnx")
        await send(http, session["files"][0], b"model")
        body = {"upload_id": session["upload_id"], "model": {"name": "once", "path": "model.onnx"}}
        answers = await asyncio.gather(*(register(http, body) for _ in range(32)))
        assert {(status, version["id"]) for status, version in answers} <= {(200, "once:1"), (201, "once:1")}
        assert numbers(await versions_of(http, "once")) == [1]
