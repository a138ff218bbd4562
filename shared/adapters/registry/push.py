"""An image of a layout to a registry: what it needs first, then its manifest, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from yarl import URL

from shared.adapters.registry.manifests import DIGEST_HEADER, put_manifest, resolve
from shared.adapters.registry.referrers import tag_referrer
from shared.adapters.registry.session import Session
from shared.errors import Permanent
from shared.packaging.descriptor import Descriptor
from shared.packaging.layout import READ_BYTES, blob_path, read_document, verify_blob

_KEEPS = "use a registry that keeps the bytes it is sent"


class Push:
    """One push; see DistributionRegistry."""

    def __init__(self, opened: Session, layout: Path, repository: str) -> None:
        self._session, self._layout, self._repository = opened, layout, repository

    async def manifest(self, descriptor: Descriptor, reference: str) -> None:
        """A manifest or an index, after all that it names (distribution-spec 1.1, "Pushing Manifests")."""
        document = await asyncio.to_thread(read_document, self._layout, descriptor.digest)
        where = f"{descriptor.digest} of {self._layout}"
        for child in Descriptor.parse_all(document.get("manifests"), where):
            await self.manifest(child, child.digest)
        configs = Descriptor.parse_all([document["config"]] if "config" in document else [], where)
        for blob in (*configs, *Descriptor.parse_all(document.get("layers"), where)):
            await self._blob(blob)
        understood = await self._put(descriptor, reference)
        if "subject" in document and not understood:
            subject = Descriptor.parse(document["subject"], where)
            await tag_referrer(self._session, self._repository, subject.digest, descriptor, document)

    async def _put(self, descriptor: Descriptor, reference: str) -> bool:
        """Put the exact bytes; whether the registry lists referrers itself."""
        content = await asyncio.to_thread(blob_path(self._layout, descriptor.digest).read_bytes)
        stored, understood = await put_manifest(
            self._session, self._repository, reference, content, descriptor.media_type
        )
        stored = stored or await resolve(self._session, self._repository, reference)
        if stored != descriptor.digest:
            shown = f"{self._repository}:{reference}"
            raise Permanent(
                f"the registry stored {shown} as {stored[:80]!r}, not as {descriptor.digest}", remedy=_KEEPS
            )
        return understood

    async def _blob(self, blob: Descriptor) -> None:
        url = self._session.root / self._repository / "blobs" / blob.digest
        what = f"the blob {blob.digest} of {self._repository}"

        async def is_there() -> bool:
            async with self._session.request("HEAD", url, what, expected=(200, 404)) as response:
                return response.status == 200

        if not await self._session.tried(is_there):
            await asyncio.to_thread(verify_blob, self._layout, blob.digest)
            await self._session.tried(lambda: self._upload(blob, what))

    async def _upload(self, blob: Descriptor, what: str) -> None:
        """POST, then PUT (distribution-spec 1.1, "Pushing a blob monolithically")."""
        path = blob_path(self._layout, blob.digest)
        begin = self._session.root / self._repository / "blobs" / "uploads" / ""
        async with self._session.request("POST", begin, what, expected=(202,)) as response:
            location = self._session.joined(begin, response.headers.get("Location", ""))
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
        async with self._session.request(
            "PUT", _with_digest(location, blob.digest), what, expected=(201,), headers=headers, body=lambda: _file(path)
        ) as response:
            stored = response.headers.get(DIGEST_HEADER, blob.digest)
        if stored != blob.digest:
            raise Permanent(f"the registry stored {what} as {stored[:80]!r}", remedy=_KEEPS)


def _with_digest(location: URL, digest: str) -> URL:
    """The query is the registry's own; it is added to and not written anew."""
    separator = "&" if location.raw_query_string else "?"
    return URL(f"{location}{separator}digest={digest}", encoded=True)


async def _file(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := await asyncio.to_thread(file.read, READ_BYTES):
            yield piece
