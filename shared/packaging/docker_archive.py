"""An image out of `docker save`'s archive into a layout (moby, image/spec: "Combined Image JSON + Filesystem Changeset
Format"; newer versions write an OCI layout beside it, with the same manifest.json)."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from shared.errors import Invalid
from shared.packaging.descriptor import (
    CONFIG,
    LAYER_TAR,
    LAYER_TAR_GZIP,
    MANIFEST,
    Descriptor,
    canonical_json,
    platform_of,
)
from shared.packaging.layout import MAX_DOCUMENT_BYTES, READ_BYTES, new_blob, parse_document, put_blob

_GZIP_MAGIC = b"\x1f\x8b"


def read_docker_archive(archive: Path, layout: Path) -> Descriptor:
    """Put the one image of the archive into the layout: its config as it is, its layers as they are, and the manifest
    that names them. Raises Invalid for anything else than such an archive."""
    try:
        with tarfile.open(archive) as tar:
            images = json.loads(_content(tar, "manifest.json"))
            if not isinstance(images, list) or len(images) != 1:
                raise Invalid(f"{archive.name} does not hold one image")
            return _image(tar, images[0], layout)
    except (tarfile.TarError, ValueError, KeyError, TypeError, OSError) as error:
        raise Invalid(f"{archive.name} is no archive of `docker save`: {error}") from error


def _image(tar: tarfile.TarFile, image: dict[str, Any], layout: Path) -> Descriptor:
    config = _content(tar, image["Config"])
    layers = [_layer(tar, str(name), layout) for name in image["Layers"]]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put_blob(layout, CONFIG, config).document(),
        "layers": [layer.document() for layer in layers],
    }
    named = put_blob(layout, MANIFEST, canonical_json(manifest))
    platform = platform_of(parse_document(config, "the image's config"))
    return Descriptor(MANIFEST, named.digest, named.size_bytes, platform)


def _layer(tar: tarfile.TarFile, name: str, layout: Path) -> Descriptor:
    file = tar.extractfile(name)  # follows the links between layers that older versions write
    if file is None:
        raise Invalid(f"the layer {name[:100]} is no file")
    with new_blob(layout) as blob:
        head = file.read(READ_BYTES)
        kind = LAYER_TAR_GZIP if head.startswith(_GZIP_MAGIC) else LAYER_TAR
        while head:
            blob.write(head)
            head = file.read(READ_BYTES)
        return Descriptor(kind, blob.commit(), blob.size_bytes)


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise Invalid(f"{name[:100]} is no file")
    content = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise Invalid(f"{name[:100]} has more than {MAX_DOCUMENT_BYTES} bytes")
    return content
