"""How uploads come in: from blobs that appear in the upload container, and from requests. Blobs of other containers are
handed on."""

from __future__ import annotations

import hashlib
import logging
import posixpath
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Literal

from shared.collection_intake import COLLECTED, CollectionIntake
from shared.commit import Draft
from shared.config_intake import ConfigIntake
from shared.controllers.loop import Loop
from shared.controllers.outcome import Deps
from shared.declarations.manifest import MANIFEST_NAMES
from shared.declarations.source import MAX_BYTES
from shared.errors import NotFound, SlipwayError, TooLarge
from shared.paths import is_valid_path
from shared.ports import BlobInfo
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.events import Event
from shared.resources.model import Origin
from shared.resources.upload import KIND, UploadPhase, UploadSpec
from shared.syncing.blob_tree import CONFIG

log = logging.getLogger(__name__)

UPLOADS: Literal["uploads"] = "uploads"
_SUBJECT = re.compile(r"^/blobServices/default/containers/(?P<container>[^/]+)/blobs/(?P<path>.+)$", re.DOTALL)


class Intake:
    """Turns arrivals into upload resources and has each looked at at once."""

    def __init__(self, deps: Deps, loop: Loop, config: ConfigIntake, collected: CollectionIntake) -> None:
        self._deps = deps
        self._loop = loop
        self._config = config
        self._collected = collected

    async def blob_created(self, event: Event) -> None:
        """A blob arrived: of an upload every manifest that it may belong to (in its folder or above) is looked at, of
        the container `config` the whole, of collected data the hour. Blobs in other containers, and those no manifest
        speaks of, change nothing."""
        match = _SUBJECT.match(event.subject)
        if match is None or not is_valid_path(path := match["path"]):
            return
        cause = Cause(actor="storage_event", type="event", id=event.id)
        if match["container"] == CONFIG:
            await self._config.blob_created(cause)
        if match["container"] == COLLECTED:
            await self._collected.blob_created(path, event.time, cause)
        if match["container"] != UPLOADS:
            return
        for manifest in manifests_for(path):
            await self._manifest(manifest, cause)

    async def _manifest(self, path: str, cause: Cause) -> None:
        text, unreadable = "", None
        try:
            blob, content = await self._deps.uploads.read_blob(UPLOADS, path, max_bytes=MAX_BYTES)
            text = content.decode()
        except NotFound:
            return
        except TooLarge:
            blob, unreadable = await self._stat(path), f"is larger than {MAX_BYTES} bytes"
        except UnicodeDecodeError:
            unreadable = "is not UTF-8"
        spec = UploadSpec(
            container=UPLOADS,
            directory=posixpath.dirname(path),
            manifest_file=posixpath.basename(path),
            manifest_etag=blob.etag,
            manifest=None if unreadable else text,
            unreadable=unreadable,
            deadline=blob.modified_at + timedelta(seconds=self._deps.settings.manifest_deadline_s),
        )
        await self._receive(blob_upload_id(path, blob.etag), spec, cause)

    async def take_up(self, cause: Cause) -> int:
        """Look at every manifest in the upload container of which no event was heard; how many there were."""
        found = await self._deps.uploads.list_blobs(UPLOADS, "")
        count = 0
        for blob in found:
            key = ResourceKey(KIND, blob_upload_id(blob.path, blob.etag))
            if posixpath.basename(blob.path) in MANIFEST_NAMES and await self._deps.store.read(key) is None:
                try:
                    await self._manifest(blob.path, cause)
                    count += 1
                except SlipwayError as error:  # it must not keep the others back
                    log.warning("the manifest %s could not be looked at: %s", blob.path, error.message)
        return count

    async def expire_staged(self) -> int:
        """Delete staged files that are old and of which nothing is being made; how many."""
        oldest = self._deps.clock.now() - timedelta(seconds=self._deps.settings.staging_retention_s)
        count = 0
        for blob in await self._deps.uploads.list_blobs("staging", ""):
            if blob.modified_at >= oldest:
                continue
            upload = await self._deps.store.read(ResourceKey(KIND, blob.path.partition("/")[0]))
            if upload is None or not upload.unfinished:
                await self._deps.uploads.delete_blob("staging", blob.path, etag=blob.etag)
                count += 1
        return count

    async def _stat(self, path: str) -> BlobInfo:
        found = await self._deps.uploads.list_blobs(UPLOADS, path)
        blob = next((b for b in found if b.path == path), None)
        if blob is None:
            raise NotFound(f"{path} is gone")
        return blob

    async def request(
        self,
        upload_id: str,
        cause: Cause,
        *,
        manifest: str | None,
        declaration: dict[str, Any] | None,
        manifest_file: str,
        overrides: dict[str, Any],
        files: Sequence[str] | None,
        origin: Origin | None = None,
    ) -> tuple[Resource, bool]:
        """The upload after a first look, and whether it had been registered before this request."""
        spec = UploadSpec(
            container="staging",
            directory=upload_id,
            manifest_file=manifest_file,
            manifest=manifest,
            declaration=declaration,
            overrides=overrides,
            files=list(files) if files is not None else None,
            origin=origin,
            deadline=self._deps.clock.now() + timedelta(seconds=self._deps.settings.manifest_deadline_s),
        )
        before = await self._deps.store.read(ResourceKey(KIND, upload_id))
        known = before is not None and before.status.get("phase") == UploadPhase.COMPLETED
        return await self._receive(upload_id, spec, cause), known

    async def _receive(self, upload_id: str, spec: UploadSpec, cause: Cause) -> Resource:
        key = ResourceKey(KIND, upload_id)
        new = Draft(key, spec.model_dump(mode="json"), {"phase": UploadPhase.PENDING})
        found = await self._loop.look_at(key, cause, new=new)
        if found is None:
            raise NotFound(f"there is no {key}")
        return found


def manifests_for(path: str) -> Iterator[str]:
    """Where a manifest that speaks of the blob `path` may be: its own folder first, then each folder above."""
    folder = posixpath.dirname(path)
    while True:
        for name in MANIFEST_NAMES:
            yield f"{folder}/{name}" if folder else name
        if not folder:
            return
        folder = posixpath.dirname(folder)


def blob_upload_id(path: str, etag: str) -> str:
    """The id of the upload that a manifest's blob in this state is: the same for every event about it."""
    return "b-" + hashlib.sha256(f"{UPLOADS}/{path}@{etag}".encode()).hexdigest()[:24]
