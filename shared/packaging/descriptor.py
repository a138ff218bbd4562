"""What the OCI image specification calls things: media types, digests, platforms, descriptors, canonical JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.errors import Invalid

# OCI image-spec 1.1, media-types.md
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_TAR_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_TAR_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
EMPTY = "application/vnd.oci.empty.v1+json"
# Docker's image manifest version 2, schema 2, which most registries still hold
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

MANIFESTS = (MANIFEST, DOCKER_MANIFEST)
INDEXES = (INDEX, DOCKER_INDEX)
DEFAULT_PLATFORM = "linux/amd64"
DIGEST_RULE = "sha256: and 64 lower-case hexadecimal digits"
PLATFORM_RULE = "OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/arm64"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_PLATFORM = re.compile(r"[a-z0-9]{1,32}/[a-z0-9_]{1,32}(/[a-z0-9.]{1,32})?\Z")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Names a blob by its content (OCI image-spec 1.1, descriptor.md)."""

    media_type: str
    digest: str  # "sha256:<hex>"
    size_bytes: int
    platform: str | None = None  # "linux/amd64"; None for what has no platform: an index, an artifact, a layer
    artifact_type: str | None = None  # of an artifact's manifest
    annotations: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The descriptor as JSON, without its empty fields."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}
        if self.platform:
            document["platform"] = platform_document(self.platform)
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return document

    @classmethod
    def parse(cls, document: Any, where: str) -> Descriptor:
        """The descriptor that a JSON document of `where` holds. Raises Invalid when it is none."""
        try:
            media_type, size_bytes = document["mediaType"], document["size"]
            digest = checked_digest(document["digest"], where)
        except (TypeError, KeyError, IndexError):
            raise Invalid(f"{where} holds a descriptor without its mediaType, digest or size") from None
        if not isinstance(media_type, str) or type(size_bytes) is not int or size_bytes < 0:
            raise Invalid(f"{where} holds a descriptor of {digest} whose mediaType or size is wrong")
        kind, annotations = document.get("artifactType"), document.get("annotations")
        return cls(
            media_type,
            digest,
            size_bytes,
            platform_of(document.get("platform")),
            kind if isinstance(kind, str) else None,
            annotations if isinstance(annotations, dict) else {},
        )

    @classmethod
    def parse_all(cls, documents: Any, where: str) -> list[Descriptor]:
        """Those of a list; none of what is absent. Raises Invalid for what is no list of descriptors."""
        if not isinstance(documents, list | None):
            raise Invalid(f"{where} has something else in the place of a list of descriptors")
        return [cls.parse(each, where) for each in documents or ()]


def checked_digest(digest: Any, where: str) -> str:
    """`digest`, when it is a SHA-256 digest (OCI image-spec, descriptor.md, "Digests"). Raises Invalid otherwise."""
    if not isinstance(digest, str) or not _DIGEST.match(digest):
        raise Invalid(f"{where}: {str(digest)[:100]!r} is not a digest (allowed: {DIGEST_RULE})")
    return digest


def platform_document(platform: str) -> dict[str, str]:
    """`os`, `architecture` and, where there is one, `variant` (OCI image-spec, image-index.md). Raises Invalid."""
    if not _PLATFORM.match(platform):
        raise Invalid(f"{platform[:100]!r} is not a platform (allowed: {PLATFORM_RULE})")
    return dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))


def platform_of(document: Any) -> str | None:
    """The platform that such a document (or an image's config) names, None when it names none. An arm64 is a v8 whether
    it says so or not, as containerd normalises it."""
    if not isinstance(document, dict) or not (document.get("os") and document.get("architecture")):
        return None
    named = "/".join(str(document[key]) for key in ("os", "architecture", "variant") if document.get(key))
    return named.removesuffix("/v8") if named.endswith("arm64/v8") else named


def canonical_json(document: Any) -> bytes:
    """One form for one document: sorted keys, no spaces, UTF-8."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()
