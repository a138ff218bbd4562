"""Models that are registered from a URL, a bucket, an archive: through the upload, as users do."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.bootstrap import ControlPlane
from shared.resources.base import Resource
from tests.plane import CAUSE, make_plane, stage

MLMODEL = "flavors: {sklearn: {pickled_model: model.pkl}}\nrun_id: abc123\n"


@asynccontextmanager
async def served(files: dict[str, bytes]) -> AsyncIterator[str]:
    """A web server with these files: its host and port."""

    async def answer(request: web.Request) -> web.Response:
        content = files.get(request.path)
        return web.Response(body=content) if content is not None else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def zipped(files: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return target.getvalue()


async def request(plane: ControlPlane, upload_id: str, **model: Any) -> Resource:
    """Register, then do what the work queue asks for."""
    found, _ = await plane.intake.request(
        upload_id,
        CAUSE,
        manifest=None,
        declaration={"name": "m", **model},
        manifest_file="model.yml",
        overrides={},
        files=None,
    )
    for _ in range(100):
        if not found.unfinished:
            break
        await asyncio.sleep(0.02)
        for message in await plane.deps.queue.receive(max_messages=10, visibility_timeout_s=30):
            await plane.loop.work(message.body, message.id)
            await plane.deps.queue.delete(message)
        found = await plane.deps.store.read(found.key) or found
    return found


async def test_a_model_comes_from_a_url_and_says_so_without_the_query(tmp_path: Path) -> None:
    async with served({"/models/m.bin": b"weights"}) as place:
        plane = make_plane(tmp_path, model_source_hosts=f"http://{place}", model_source_allow_loopback=True)
        url = f"http://{place}/models/m.bin"
        done = await request(plane, "u-00000001", path=f"{url}?sig=SECRET")
        assert (done.status["phase"], done.status["model_version"]) == ("Completed", "1")
        version = await plane.deps.registry.get("m")
        assert [(file["path"], file["size_bytes"]) for file in version.spec["files"]] == [("m.bin", 7)]
        assert version.spec["path"] == "m.bin"
        assert version.spec["origin"]["id"].startswith(url)
        assert "SECRET" not in version.model_dump_json()
        gone = await request(plane, "u-00000002", path=f"http://{place}/nothing")
        assert gone.status["phase"] == "Failed"
        assert (await plane.deps.registry.get("m")).version == "1"


@pytest.mark.parametrize("path", ["https://example.com/m.bin", "s3://bucket/m.bin", "http://169.254.169.254/latest"])
async def test_a_place_nobody_allowed_is_refused_with_what_to_set(tmp_path: Path, path: str) -> None:
    refused = await request(make_plane(tmp_path), "u-00000001", path=path)
    assert refused.status["phase"] == "Failed"
    assert any(name in str(refused.status["faults"]) for name in ("HOSTS", "BUCKETS"))


async def test_an_archive_is_unpacked_when_it_is_asked_for_or_the_type_is_a_folder(tmp_path: Path) -> None:
    plane = make_plane(tmp_path)
    archive = zipped({"model/MLmodel": MLMODEL, "model/model.pkl": "x"})
    for number, model in enumerate(
        ({"unpack": True}, {"type": "mlflow_model"}, {}, {"type": "mlflow_model", "unpack": False}), 1
    ):
        stage(plane, f"u-0000000{number}", "m.zip", archive)
        done = await request(plane, f"u-0000000{number}", path="m.zip", **model)
        if model == {"type": "mlflow_model", "unpack": False}:
            assert done.status["phase"] in ("Failed", "WaitingForFiles")
            continue
        version = await plane.deps.registry.get("m", done.status["model_version"])
        files = [file["path"] for file in version.spec["files"]]
        if model:
            assert files == ["model/MLmodel", "model/model.pkl"]
            assert (list(version.spec["flavors"]), version.spec["run_id"]) == (["sklearn"], "abc123")
        else:
            assert files == ["m.zip"]


async def test_a_hostile_archive_is_refused_and_leaves_no_version(tmp_path: Path) -> None:
    plane = make_plane(tmp_path)
    stage(plane, "u-00000001", "m.zip", zipped({"ok": "x", "../../evil": "y", "/abs": "z"}))
    refused = await request(plane, "u-00000001", path="m.zip", unpack=True)
    assert refused.status["phase"] == "Failed"
    assert "evil" in str(refused.status["faults"])
    assert await plane.deps.registry.registered_version("m", "u-00000001") is None


async def test_an_mlmodel_that_is_none_is_refused_at_its_line(tmp_path: Path) -> None:
    plane = make_plane(tmp_path)
    stage(plane, "u-00000001", "model/MLmodel", b"flavors: [a]\n")
    refused = await request(plane, "u-00000001", path="model", type="mlflow_model")
    assert refused.status["phase"] == "Failed"
    assert "model/MLmodel" in str(refused.status["faults"])
