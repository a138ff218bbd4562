"""The OCI image layout on disk (OCI image-spec 1.1, image-layout.md): content-addressed blobs and an index of them.

A blob appears under its digest whole or not at all, so that a process may be killed at any time. Nothing is synced to
the disk: whoever reads a blob compares its digest. One process at a time may write index.json.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from shared.errors import ArtifactCorrupted, Invalid, NotFound, Retryable
from shared.packaging.descriptor import INDEX, Descriptor, canonical_json, checked_digest

REF_NAME = "org.opencontainers.image.ref.name"  # annotations.md: the tag of an entry of index.json
TAG_RULE = "1 to 128 letters, digits, '_', '.' or '-', starting with none of the last two"
MAX_DOCUMENT_BYTES = 4 << 20  # distribution-spec 1.1, "Pushing Manifests": registries take at least this much
READ_BYTES = 1 << 20
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z")


class BlobWriter:
    """A blob that is being written; see `new_blob`."""

    def __init__(self, layout: Path, file: IO[bytes], partial: Path) -> None:
        self._layout, self._file, self._partial = layout, file, partial
        self._hash = hashlib.sha256()
        self.size_bytes = 0  # so far

    @property
    def digest(self) -> str:
        """Of what was written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises Retryable when the disk does not take it."""
        self._hash.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise _not_writable(self._layout, error) from error
        self.size_bytes += len(data)

    def commit(self) -> str:
        """Put the blob in its place; its digest. Raises as `write`."""
        target = blob_path(self._layout, self.digest)
        try:
            self._file.flush()
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self._partial, target)
        except OSError as error:
            raise _not_writable(self._layout, error) from error
        return self.digest


@contextmanager
def new_blob(layout: Path) -> Iterator[BlobWriter]:
    """A blob to write; without `commit` nothing stays. The layout's folder is made. Raises Retryable when it cannot."""
    partial = layout / f".partial-{secrets.token_hex(8)}"
    try:
        layout.mkdir(parents=True, exist_ok=True)
        file = partial.open("xb", buffering=READ_BYTES)
    except OSError as error:
        raise _not_writable(layout, error) from error
    try:
        yield BlobWriter(layout, file, partial)
    finally:
        partial.unlink(missing_ok=True)
        with suppress(OSError):  # what could not be written belongs to no blob
            file.close()


def _not_writable(layout: Path, error: OSError) -> Retryable:
    return Retryable(
        f"the layout {layout} cannot be written: {error.strerror or error}",
        remedy="make room there, or name another folder",
    )


def blob_path(layout: Path, digest: str) -> Path:
    """Where the blob is, if it is there. Raises Invalid for what is no digest."""
    return layout / "blobs" / "sha256" / checked_digest(digest, str(layout)).removeprefix("sha256:")


def put_blob(layout: Path, media_type: str, content: bytes) -> Descriptor:
    """Store `content`; what names it."""
    with new_blob(layout) as blob:
        blob.write(content)
        return Descriptor(media_type, blob.commit(), len(content))


def blob_pieces(layout: Path, digest: str) -> Iterator[bytes]:
    """The blob in pieces of READ_BYTES. Raises NotFound when it is not there, and ArtifactCorrupted after the last
    piece when they are not what the digest says."""
    path, found = blob_path(layout, digest), hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(READ_BYTES):
                found.update(piece)
                yield piece
    except FileNotFoundError:
        raise NotFound(
            f"the image layout {layout} has no blob {digest}", remedy="build or pull the image again"
        ) from None
    if f"sha256:{found.hexdigest()}" != digest:
        raise ArtifactCorrupted(
            f"the blob {digest} of the image layout {layout} has other content than its name says",
            remedy="delete the layout, then build or pull the image again",
        )


def verify_blob(layout: Path, digest: str) -> None:
    """Read it all. Raises as `blob_pieces`."""
    for _ in blob_pieces(layout, digest):
        pass


def read_document(layout: Path, digest: str) -> dict[str, Any]:
    """A manifest, an index or a config. Raises as `blob_pieces`, and Invalid when it is no JSON object or larger than
    MAX_DOCUMENT_BYTES."""
    path = blob_path(layout, digest)
    if path.exists() and path.stat().st_size > MAX_DOCUMENT_BYTES:
        raise Invalid(f"{digest} of {layout} has more than {MAX_DOCUMENT_BYTES} bytes")
    return parse_document(b"".join(blob_pieces(layout, digest)), f"{digest} of {layout}")


def parse_document(content: bytes, where: str) -> dict[str, Any]:
    """The JSON object that `content` is. Raises Invalid for anything else."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Invalid(f"{where} is not a JSON object")
    return document


def adopt_blob(source: Path, digest: str, layout: Path) -> None:
    """Have the blob of one layout in another one, too: verified, then hard-linked, or copied across file systems.
    Raises as `blob_pieces`."""
    verify_blob(source, digest)
    target = blob_path(layout, digest)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = layout / f".partial-{secrets.token_hex(8)}"
    try:
        try:
            os.link(blob_path(source, digest), partial)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(blob_path(source, digest), partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def write_index(layout: Path, manifests: Sequence[Descriptor], tag: str | None = None) -> Descriptor:
    """Name images in the layout's index.json, and make it a layout (`oci-layout`). What names them all comes out: the
    manifest itself, or of several, one for each platform, the image index that is made of them. Other tags stay; the
    same tag and the same digest are replaced. Raises Invalid for no manifest, for two of one platform and for a tag
    that breaks TAG_RULE."""
    if tag is not None and not is_valid_tag(tag):
        raise Invalid(f"{tag[:200]!r} is not a tag (allowed: {TAG_RULE})")
    named = manifests[0] if len(manifests) == 1 else _image_index(layout, manifests)
    entry = named.document()
    if tag is not None:
        entry["annotations"] = {**entry.get("annotations", {}), REF_NAME: tag}
    others = [other for other in read_index(layout) if not _replaces(entry, other)]
    write_entries(layout, [*others, entry])
    return named


def write_entries(layout: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Have index.json list these descriptors and no others. Raises Retryable when it cannot be written."""
    in_order = sorted(entries, key=lambda each: (ref_name(each) or "", each["digest"]))
    _write(layout / "oci-layout", {"imageLayoutVersion": "1.0.0"})
    _write(layout / "index.json", {"schemaVersion": 2, "mediaType": INDEX, "manifests": in_order})


def is_valid_tag(tag: str) -> bool:
    """Whether `tag` keeps TAG_RULE (distribution-spec 1.1, "Pulling manifests")."""
    return _TAG.match(tag) is not None


def read_index(layout: Path) -> list[dict[str, Any]]:
    """The descriptors of index.json; none where there is no such file. Raises Invalid when it is no index."""
    path = layout / "index.json"
    if not path.exists():
        return []
    entries = parse_document(path.read_bytes(), str(path)).get("manifests")
    if not isinstance(entries, list):
        raise Invalid(f"{path} has no list of manifests")
    Descriptor.parse_all(entries, str(path))
    return entries


def ref_name(entry: dict[str, Any]) -> str | None:
    """The tag of an entry of index.json."""
    annotations = entry.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else None


def _replaces(entry: dict[str, Any], other: dict[str, Any]) -> bool:
    tag = ref_name(entry)
    if tag is not None and ref_name(other) == tag:
        return True
    return other["digest"] == entry["digest"] and ref_name(other) in (None, tag)


def _image_index(layout: Path, manifests: Sequence[Descriptor]) -> Descriptor:
    platforms = [each.platform or "" for each in manifests]
    if not manifests or "" in platforms or len(set(platforms)) < len(platforms):
        raise Invalid(
            f"an image index needs one manifest for each platform, not those of {platforms}",
            remedy="give each platform's image once",
        )
    entries = [each.document() for each in sorted(manifests, key=lambda each: each.platform or "")]
    return put_blob(layout, INDEX, canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))


def _write(path: Path, document: dict[str, Any]) -> None:
    partial = path.with_name(f".partial-{secrets.token_hex(8)}")
    try:
        partial.write_bytes(canonical_json(document))
        os.replace(partial, path)
    except OSError as error:
        raise _not_writable(path.parent, error) from error
    finally:
        partial.unlink(missing_ok=True)
