"""Blob Storage's HTTP on one machine: the requests that signed URLs open. Everything else is refused.

    PUT /blobs/{container}/{path}                       Put Blob
    PUT ...?comp=block&blockid=ID                       Put Block
    PUT ...?comp=blocklist                              Put Block List
    GET, HEAD /blobs/artifacts/{sha256}                 Get Blob, with ranges

Source: Azure Storage's Blob service REST API; unlike there, one request may carry all that fits on the disk. Errors are
problem+json (RFC 9457).
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import shutil
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

from aiohttp import hdrs, web

from shared.adapters.blob_paths import artifact_path, check_container, check_filename, check_path, check_sha256
from shared.adapters.local.announced_blobs import announced_in
from shared.adapters.local.blob_folders import etag_of, info_of, open_blob, receive, remove_stale_received
from shared.adapters.local.partial_file import PartialFile, remove_stale
from shared.adapters.local.signing import UrlSigner
from shared.adapters.local.staged_blocks import (
    assemble,
    discard_blocks,
    parse_block_list,
    remove_stale_blocks,
    stage_block,
)
from shared.adapters.local.threads import run_to_end
from shared.errors import BadRequest, Invalid, SlipwayError, TooLarge, Unauthorized, UnsupportedMediaType
from shared.local_host.blob_events import blob_created
from shared.local_host.body_receiver import is_spent, receive_body
from shared.local_host.request_body import read_body
from shared.ports import BlobInfo, Container
from shared.resources.events import Event

MAX_LIST_BYTES = 8 << 20
RESERVED_DISK_BYTES = 64 << 20  # left free for the databases
_UNSIGNED = frozenset({"comp", "blockid", "timeout"})  # as in a shared access signature
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_log = logging.getLogger(__name__)


def add_blob_routes(
    app: web.Application, *, data_dir: Path, signer: UrlSigner, on_blob_created: Callable[[Event], Awaitable[None]]
) -> None:
    """Serve the blobs of data_dir. `on_blob_created` gets one event for each blob that was written, before the answer;
    when it raises SlipwayError, the answer is still 201, and the watcher announces an upload later. At the app's start
    the remains of broken uploads are removed."""
    endpoint = _BlobEndpoint(data_dir, signer, on_blob_created)
    app.router.add_get("/blobs/artifacts/{sha256}", partial(endpoint.answer, endpoint.get))  # HEAD too
    app.router.add_put("/blobs/{container}/{path:.+}", partial(endpoint.answer, endpoint.put))
    app.on_startup.append(endpoint.remove_remains)
    app.on_cleanup.append(endpoint.close)


def _problem(error: SlipwayError) -> web.Response:
    status = error.http_status
    if isinstance(error, Unauthorized):
        status = 403  # as Blob Storage does: no other credential would help
    elif type(error) is Invalid:
        status = 400
    body = {"type": "about:blank", "title": error.code, "status": status, "detail": str(error), "code": error.code}
    response = web.json_response(body, status=status, content_type="application/problem+json")
    response.headers["x-ms-error-code"] = error.code
    return response


class _BlobEndpoint:
    def __init__(self, data_dir: Path, signer: UrlSigner, on_blob_created: Callable[[Event], Awaitable[None]]) -> None:
        self._data_dir = data_dir
        self._signer = signer
        self._on_blob_created = on_blob_created
        self._announced = announced_in(data_dir)
        self._answering: set[asyncio.Task[object]] = set()

    async def remove_remains(self, app: web.Application) -> None:
        await asyncio.to_thread(self._data_dir.mkdir, parents=True, exist_ok=True)
        for remove in (remove_stale, remove_stale_received, remove_stale_blocks):
            await asyncio.to_thread(remove, self._data_dir)

    async def close(self, app: web.Application) -> None:
        if self._answering:  # cancelled by aiohttp, but not yet done with their files
            await asyncio.wait(self._answering)
        await self._announced.close()

    async def answer(self, handler: _Handler, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            response = await handler(request)
        except SlipwayError as error:
            response = _problem(error)
        finally:
            self._answering.discard(task)
        if is_spent(request):
            response.force_close()
        return response

    # --- writing ---
    async def put(self, request: web.Request) -> web.StreamResponse:
        container, path = request.match_info["container"], request.match_info["path"]
        self._signer.verify("PUT", f"/blobs/{container}/{path}", list(request.query.items()), unsigned=_UNSIGNED)
        checked = check_container(container), check_path(path)
        operations = {None: self._put_blob, "block": self._put_block, "blocklist": self._put_block_list}
        operation = operations.get(request.query.get("comp"))
        if operation is None:
            raise BadRequest(f"comp={request.query['comp'][:40]!r} is not served (allowed: block, blocklist)")
        _check_headers(request)
        return await operation(request, *checked)

    async def _put_blob(self, request: web.Request, container: Container, path: str) -> web.Response:
        if request.headers.get("x-ms-blob-type") != "BlockBlob":
            raise BadRequest("the header x-ms-blob-type is missing or wrong (allowed: BlockBlob)")
        self._check_size(request)
        with PartialFile(self._data_dir) as file:
            await receive_body(request, file, self._check_room)
            return await self._finish(request, container, path, file, "PutBlob")

    async def _put_block(self, request: web.Request, container: Container, path: str) -> web.Response:
        self._check_size(request)
        block_id = request.query.get("blockid", "")
        with PartialFile(self._data_dir) as file:
            await receive_body(request, file, self._check_room)
            sha256 = await run_to_end(partial(stage_block, self._data_dir, container, path, block_id, file))
        return web.Response(status=201, headers={"x-ms-content-sha256": sha256})

    async def _put_block_list(self, request: web.Request, container: Container, path: str) -> web.Response:
        block_ids = parse_block_list(await read_body(request, MAX_LIST_BYTES))
        with PartialFile(self._data_dir) as file:
            await run_to_end(partial(assemble, self._data_dir, container, path, block_ids, file))
            response = await self._finish(request, container, path, file, "PutBlockList")
        await run_to_end(partial(discard_blocks, self._data_dir, container, path))
        return response

    def _check_size(self, request: web.Request) -> None:
        if request.content_length is not None:
            self._check_room(request.content_length)

    def _check_room(self, size_bytes: int) -> None:
        free_bytes = shutil.disk_usage(self._data_dir).free - RESERVED_DISK_BYTES
        if size_bytes > free_bytes:
            raise TooLarge(f"{size_bytes} bytes do not fit on the disk, {free_bytes} do", remedy="free disk space")

    async def _finish(
        self, request: web.Request, container: Container, path: str, file: PartialFile, api: str
    ) -> web.Response:
        sha256, state = await run_to_end(file.seal)
        expected = request.headers.get("x-slipway-sha256")
        if expected is not None and not hmac.compare_digest(check_sha256(expected), sha256):
            raise BadRequest(
                f"the body's SHA-256 is {sha256}, not {expected}: nothing was kept", remedy="send it again"
            )
        blob = info_of(path, state, etag_of(state))
        must_be_new = request.headers.get(hdrs.IF_NONE_MATCH) == "*"
        with self._announced.claim(path, blob.etag):
            store = partial(receive, self._data_dir, container, path, file, sha256, state, must_be_new=must_be_new)
            await run_to_end(store)
            await self._announce(container, blob, api, request.content_type)
        headers = {
            hdrs.ETAG: f'"{blob.etag}"',
            hdrs.LAST_MODIFIED: format_datetime(blob.modified_at, usegmt=True),
            "x-ms-content-sha256": sha256,
        }
        return web.Response(status=201, headers=headers)

    async def _announce(self, container: Container, blob: BlobInfo, api: str, content_type: str) -> None:
        try:
            await self._on_blob_created(blob_created(container, blob, api=api, content_type=content_type))
        except SlipwayError as error:
            _log.warning("the blob %s/%s could not be announced: %s", container, blob.path, error)
            return
        if container == "uploads":
            await self._announced.note({blob.path: blob.etag})

    # --- reading ---
    async def get(self, request: web.Request) -> web.StreamResponse:
        sha256 = request.match_info["sha256"]
        extra = self._signer.verify("GET", f"/blobs/artifacts/{sha256}", list(request.query.items()))
        path = artifact_path(sha256)
        root = self._data_dir / "artifacts"
        await asyncio.to_thread(_check_readable, root, path)
        headers = {
            hdrs.CONTENT_TYPE: "application/octet-stream",
            hdrs.CONTENT_DISPOSITION: content_disposition(extra.get("filename", sha256)),
            hdrs.CACHE_CONTROL: "private",
            "X-Content-Type-Options": "nosniff",
        }
        return web.FileResponse(root / path, chunk_size=1 << 20, headers=headers)


def content_disposition(filename: str) -> str:
    """A header that offers the download under this name (RFC 6266, with RFC 8187 for what is not ASCII)."""
    check_filename(filename)
    plain = filename.encode("ascii", "replace").decode().replace('"', "_").replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _check_readable(root: Path, path: str) -> None:
    with open_blob(root, path):
        pass  # not found, or a link: said as such


def _check_headers(request: web.Request) -> None:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise UnsupportedMediaType("the body is encoded", remedy="send the plain bytes, without Content-Encoding")
    conditions = (hdrs.IF_MATCH, hdrs.IF_MODIFIED_SINCE, hdrs.IF_UNMODIFIED_SINCE)
    refused = [name for name in (*conditions, hdrs.CONTENT_MD5) if name in request.headers]
    if refused or request.headers.get(hdrs.IF_NONE_MATCH, "*") != "*":
        names = ", ".join(refused) or hdrs.IF_NONE_MATCH
        raise BadRequest(f"{names} is not served here (allowed: If-None-Match: *, x-slipway-sha256)")
