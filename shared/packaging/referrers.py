"""Artifacts about an image, such as its bill of materials: manifests with a `subject` (OCI image-spec 1.1, manifest.md)
listed under a tag of the image's digest (OCI distribution-spec 1.1, "Referrers Tag Schema")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.packaging.descriptor import EMPTY, INDEX, MANIFEST, Descriptor, canonical_json
from shared.packaging.layout import put_blob, read_document, read_index, ref_name, write_index

_REFERRERS_TAG = re.compile(r"sha256-[0-9a-f]{64}\Z")


def referrers_tag(digest: str) -> str:
    """The tag under which the artifacts about `digest` are listed."""
    return digest.replace(":", "-")


def is_referrers_tag(tag: str | None) -> bool:
    """Whether a tag lists artifacts, and so names no image."""
    return tag is not None and _REFERRERS_TAG.match(tag) is not None


def attach(
    layout: Path, subject: Descriptor, content: bytes, media_type: str, annotations: Mapping[str, str] | None = None
) -> Descriptor:
    """Write an artifact about an image of the layout, and list it there under the image's referrers tag; what names the
    artifact's manifest, for a push. The same content gives the same digest."""
    layer = put_blob(layout, media_type, content)
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": media_type,
        "config": put_blob(layout, EMPTY, b"{}").document(),  # manifest.md, "Guidance for an Empty Descriptor"
        "layers": [layer.document()],
        "subject": Descriptor(subject.media_type, subject.digest, subject.size_bytes).document(),
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    artifact = put_blob(layout, MANIFEST, canonical_json(manifest))
    tag = referrers_tag(subject.digest)
    entries = [entry for entry in read_index(layout) if ref_name(entry) == tag]
    listed = read_document(layout, entries[0]["digest"])["manifests"] if entries else []
    index = index_with(listed, artifact, manifest)
    if index is not None:
        write_index(layout, [put_blob(layout, INDEX, index)], tag)
    return artifact


def attached(layout: Path, image: Descriptor) -> list[Descriptor]:
    """The artifacts of the layout about an image, or of an image index about the images that it lists; [] for none."""
    manifests = read_document(layout, image.digest).get("manifests") if image.media_type == INDEX else None
    tags = {referrers_tag(one["digest"]) for one in manifests or ()} | {referrers_tag(image.digest)}
    indexes = [entry["digest"] for entry in read_index(layout) if ref_name(entry) in tags]
    listed = [entry for digest in indexes for entry in read_document(layout, digest)["manifests"]]
    return [Descriptor.parse(entry, "a list of artifacts") for entry in listed]


def index_with(listed: list[Any], artifact: Descriptor, manifest: Mapping[str, Any]) -> bytes | None:
    """The index of artifacts with one more, for which `manifest` is the document; None when it is listed already."""
    if any(isinstance(entry, dict) and entry.get("digest") == artifact.digest for entry in listed):
        return None
    kind = manifest.get("artifactType") or manifest["config"]["mediaType"]
    entry = Descriptor(
        artifact.media_type, artifact.digest, artifact.size_bytes, None, kind, manifest.get("annotations") or {}
    )
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*listed, entry.document()]})
