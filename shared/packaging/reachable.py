"""What belongs to an image of a layout: the blobs that its manifests name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from shared.packaging.base import MAX_DEPTH
from shared.packaging.descriptor import INDEXES, MANIFESTS, Descriptor
from shared.packaging.layout import adopt_blob, read_document, read_index, ref_name


def blobs_of(layout: Path, named: Descriptor, depth: int = MAX_DEPTH) -> Iterator[Descriptor]:
    """The blobs that make up what `named` names, itself the last; some more than once. Raises NotFound for a manifest
    that is not there, ArtifactCorrupted and Invalid for one that is damaged."""
    if named.media_type in INDEXES and depth:
        entries = Descriptor.parse_all(read_document(layout, named.digest).get("manifests"), named.digest)
        for entry in entries:
            yield from blobs_of(layout, entry, depth - 1)
    elif named.media_type in MANIFESTS:
        manifest = read_document(layout, named.digest)
        yield Descriptor.parse(manifest.get("config"), named.digest)
        yield from Descriptor.parse_all(manifest.get("layers"), named.digest)
    yield named


def find_image(layout: Path, tag: str) -> Descriptor | None:
    """The image of the layout with this tag; None where there is none."""
    found = [entry for entry in read_index(layout) if ref_name(entry) == tag]
    return Descriptor.parse(found[0], "index.json") if found else None


def size_of(layout: Path, named: Descriptor) -> int:
    """The bytes of all its blobs, each counted once. Raises as `blobs_of`."""
    return sum({one.digest: one.size_bytes for one in blobs_of(layout, named)}.values())


def adopt_image(source: Path, named: Descriptor, layout: Path) -> None:
    """Have an image of one layout in another one, too, byte for byte, verified. Raises as `blobs_of`."""
    for blob in blobs_of(source, named):
        adopt_blob(source, blob.digest, layout)
