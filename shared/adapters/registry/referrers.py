"""Artifacts about an image, where the registry cannot list them: OCI distribution-spec 1.1, "Referrers Tag Schema"."""

from __future__ import annotations

from typing import Any

from shared.adapters.registry.manifests import fetch_manifest, put_manifest
from shared.adapters.registry.session import Session
from shared.errors import Invalid, NotFound
from shared.packaging.descriptor import INDEX, Descriptor
from shared.packaging.layout import parse_document
from shared.packaging.referrers import index_with, referrers_tag


async def tag_referrer(
    opened: Session, repository: str, subject: str, artifact: Descriptor, manifest: dict[str, Any]
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
    if (index := index_with(listed, artifact, manifest)) is not None:
        await put_manifest(opened, repository, tag, index, INDEX)
