"""Manifests of a registry, byte for byte (OCI distribution-spec 1.1, "Pulling manifests" and "Pushing Manifests")."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from shared.adapters.registry.session import Session, pieces
from shared.errors import ArtifactCorrupted, TooLarge
from shared.packaging.descriptor import INDEXES, MANIFESTS, checked_digest
from shared.packaging.layout import MAX_DOCUMENT_BYTES

DIGEST_HEADER = "Docker-Content-Digest"
_ACCEPT = {"Accept": ", ".join((*MANIFESTS, *INDEXES))}


async def resolve(opened: Session, repository: str, reference: str) -> str:
    """The digest of a tag; a registry need not say it, and then it is that of the bytes it sends."""
    url, what = opened.root / repository / "manifests" / reference, f"{repository}:{reference}"

    async def head() -> str | None:
        async with opened.request("HEAD", url, what, expected=(200,), headers=_ACCEPT) as response:
            return response.headers.get(DIGEST_HEADER)

    digest = await opened.tried(head)
    if digest is None:
        content, _ = await fetch_manifest(opened, repository, reference)
        digest = digest_of(content)
    return checked_digest(digest, f"the registry's answer for {what}")


async def fetch_manifest(opened: Session, repository: str, reference: str) -> tuple[bytes, str]:
    """The exact bytes of a manifest, at most MAX_DOCUMENT_BYTES, and their media type. Raises ArtifactCorrupted when
    their digest is not the one that was asked for, or the registry says another one."""
    url, what = opened.root / repository / "manifests" / reference, f"{repository}:{reference}"

    async def get() -> tuple[bytes, str, str | None]:
        async with opened.request("GET", url, what, expected=(200,), headers=_ACCEPT) as response:
            content = bytearray()
            async for piece in pieces(response, what):
                content += piece
                if len(content) > MAX_DOCUMENT_BYTES:
                    raise TooLarge(f"the manifest of {what} has more than {MAX_DOCUMENT_BYTES} bytes")
            return bytes(content), response.content_type, response.headers.get(DIGEST_HEADER)

    content, media_type, said = await opened.tried(get)
    found = digest_of(content)
    if said not in (None, found) or (":" in reference and reference != found):
        raise ArtifactCorrupted(
            f"the manifest that came for {what} has the digest {found}", remedy="ask the registry's operator"
        )
    return content, media_type


async def put_manifest(
    opened: Session, repository: str, reference: str, content: bytes, media_type: str
) -> tuple[str | None, bool]:
    """PUT a manifest's bytes; the digest that the registry says (None: it does not), and whether it lists referrers
    itself ("Pushing Manifests with Subject": OCI-Subject)."""
    url, what = opened.root / repository / "manifests" / reference, f"{repository}:{reference}"
    headers = {"Content-Type": media_type, "Content-Length": str(len(content))}

    async def put() -> tuple[str | None, bool]:
        async with opened.request(
            "PUT", url, what, expected=(201,), headers=headers, body=lambda: _once(content)
        ) as response:
            return response.headers.get(DIGEST_HEADER), "OCI-Subject" in response.headers

    return await opened.tried(put)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def digest_of(content: bytes) -> str:
    """Its SHA-256 digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
