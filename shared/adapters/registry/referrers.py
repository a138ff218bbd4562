"""Artifacts about an image, where the registry cannot list them: OCI distribution-spec 1.1, "Referrers Tag Schema"."""

from __future__ import annotations

from typing import Any

from shared.adapters.registry.manifests import fetch_manifest, put_manifest
from shared.adapters.registry.session import Session
from shared.errors import Invalid, NotFound
from shared.packaging.descriptor import INDEX, Descriptor, canonical_json
from shared.packaging.layout import parse_document


def referrers_tag(digest: str) -> str:
    """The tag under which the artifacts about `digest` are listed."""
    return digest.replace(":", "-")


async def tag_referrer(
    opened: Session, repository: str, subject: str, referrer: Descriptor, manifest: dict[str, Any]
) -> None:
    """Add an artifact's manifest to the index that the subject's tag names; once, however often it is pushed. Two that
    do so at the same moment may lose one of them, as the specification says; pushing again adds it."""
    tag = referrers_tag(subject)
    try:
        content, _ = await fetch_manifest(opened, repository, tag)
        listed = parse_document(content, f"{repository}:{tag}").get("manifests")
    except NotFound:
        listed = []
    if not isinstance(listed, list):
        raise Invalid(f"{repository}:{tag} is no index of artifacts", remedy="delete that tag, then push again")
    if any(isinstance(entry, dict) and entry.get("digest") == referrer.digest for entry in listed):
        return
    kind = manifest.get("artifactType") or manifest["config"]["mediaType"]
    entry = Descriptor(
        referrer.media_type, referrer.digest, referrer.size_bytes, None, kind, manifest.get("annotations") or {}
    )
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*listed, entry.document()]}
    await put_manifest(opened, repository, tag, canonical_json(index), INDEX)
