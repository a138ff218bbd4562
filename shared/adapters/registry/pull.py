"""An image of a registry into a layout: everything is compared with its digest while it comes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.adapters.registry.manifests import fetch_manifest
from shared.adapters.registry.session import NotNow, Session, pieces
from shared.errors import ArtifactCorrupted, Invalid, NotFound, TooLarge
from shared.packaging.base import MAX_DEPTH, choose_platform
from shared.packaging.descriptor import CONFIG, DOCKER_CONFIG, INDEXES, MANIFESTS, Descriptor, platform_of
from shared.packaging.layout import blob_path, new_blob, parse_document, put_blob, read_document


class Pull:
    """One pull; see DistributionRegistry."""

    def __init__(self, opened: Session, layout: Path, repository: str, max_image_bytes: int) -> None:
        self._session, self._layout, self._repository = opened, layout, repository
        self._max_image_bytes = max_image_bytes

    async def image(self, reference: str, platform: str) -> Descriptor:
        """The manifest for `platform` that the reference leads to, and its blobs."""
        for _ in range(MAX_DEPTH):
            where = f"{self._repository}:{reference}"
            content, media_type = await fetch_manifest(self._session, self._repository, reference)
            document = parse_document(content, where)
            media_type = str(document.get("mediaType") or media_type)
            if media_type in MANIFESTS:
                found = await self._blobs(document, where, platform)
                stored = await asyncio.to_thread(put_blob, self._layout, media_type, content)
                kind = document.get("artifactType")
                return replace(stored, platform=found, artifact_type=kind if isinstance(kind, str) else None)
            if media_type not in INDEXES:
                raise Invalid(f"{where} is no image but {media_type[:100]}")
            reference = choose_platform(document, platform, where).digest
        raise Invalid(f"{self._repository} has indexes in indexes, more than {MAX_DEPTH} deep")

    async def _blobs(self, manifest: dict[str, Any], where: str, platform: str) -> str | None:
        """Fetch what the manifest names; the platform, which an artifact has none of."""
        config = Descriptor.parse(manifest.get("config"), where)
        layers = Descriptor.parse_all(manifest.get("layers"), where)
        size_bytes = sum(each.size_bytes for each in (config, *layers))
        if size_bytes > self._max_image_bytes:
            raise TooLarge(f"{where} has {size_bytes} bytes (allowed: {self._max_image_bytes})")
        await self._blob(config)
        found = None
        if config.media_type in (CONFIG, DOCKER_CONFIG):
            found = platform_of(await asyncio.to_thread(read_document, self._layout, config.digest))
            if found != platform:
                raise NotFound(f"{where} is for {found or 'no platform'}, not for {platform}")
        for layer in layers:
            await self._blob(layer)
        return found

    async def _blob(self, blob: Descriptor) -> None:
        if not blob_path(self._layout, blob.digest).exists():
            await self._session.tried(lambda: self._fetch(blob))

    async def _fetch(self, blob: Descriptor) -> None:
        url = self._session.root / self._repository / "blobs" / blob.digest
        what = f"the blob {blob.digest} of {self._repository}"
        with new_blob(self._layout) as written:
            async with self._session.request("GET", url, what, expected=(200,)) as response:
                async for piece in pieces(response, what):
                    if written.size_bytes + len(piece) > blob.size_bytes:
                        raise ArtifactCorrupted(f"{what} has more than the {blob.size_bytes} bytes of its manifest")
                    await asyncio.to_thread(written.write, piece)
            if written.size_bytes < blob.size_bytes:
                raise NotNow(f"{what}: {written.size_bytes} of {blob.size_bytes} bytes came")
            if written.digest != blob.digest:
                raise ArtifactCorrupted(f"{what} came as {written.digest}", remedy="ask the registry's operator")
            await asyncio.to_thread(written.commit)
