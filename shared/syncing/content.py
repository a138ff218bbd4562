"""The files that a declaration names: what they are, and kept in the artifact store."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import AsyncIterator, Sequence

from shared.errors import Invalid, SlipwayError
from shared.ports import ArtifactStore
from shared.resources.model import ModelFile
from shared.syncing.tree import SourceTree

MAX_FILES = 2000  # Azure ML's limit of a snapshot
_POINTER = re.compile(rb"\Aversion https://git-lfs\.github\.com/spec/v1\n")
_OID = re.compile(rb"^oid sha256:([0-9a-f]{64})$", re.MULTILINE)


def files_named(tree: SourceTree, named: Sequence[str], without: Sequence[str] = ()) -> list[str]:
    """Every file that is one of the named paths or below one, sorted, without those in `without` and hidden ones.
    Raises Invalid for too many."""
    found = {path for name in named for path in tree.under(name)} - set(without)
    shown = sorted(path for path in found if not any(part.startswith(".") for part in path.split("/")))
    if len(shown) > MAX_FILES:
        raise Invalid(f"it names {len(shown)} files, at most {MAX_FILES} are kept")
    return shown


async def described(
    tree: SourceTree, paths: Sequence[str], folder: str, artifacts: ArtifactStore | None
) -> list[ModelFile]:
    """The files with their digests, by paths relative to `folder`; with a store they are kept in it. Raises Invalid for
    a Git LFS pointer whose content is not there."""
    files = []
    for path in paths:
        sha256, size = await _stored(tree, path, artifacts) if artifacts else await _digest(tree, path)
        files.append(ModelFile(path=posixpath.relpath(path, folder or "."), sha256=sha256, size_bytes=size))
    return sorted(files, key=lambda file: file.path)


async def _stored(tree: SourceTree, path: str, artifacts: ArtifactStore) -> tuple[str, int]:
    if path in tree.lfs_pointers:
        expected, _ = await _digest(tree, path)
    stored = await artifacts.put(_content(tree, path))
    if path in tree.lfs_pointers and stored.sha256 != expected:
        raise Invalid(f"{path}: Git LFS gave other content than its pointer names")
    return stored.sha256, stored.size_bytes


async def _digest(tree: SourceTree, path: str) -> tuple[str, int]:
    if path in tree.lfs_pointers and (found := _OID.search(tree.files.get(path, b""))):
        return found[1].decode(), 0
    digest, size = hashlib.sha256(), 0
    async for chunk in _content(tree, path):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


async def _content(tree: SourceTree, path: str) -> AsyncIterator[bytes]:
    """The bytes of a file; of a Git LFS pointer what it points to."""
    pointer = path in tree.lfs_pointers
    if pointer and tree.open_file is None:
        raise _no_content(path)
    chunks = tree.open_file(path) if pointer and tree.open_file else tree.chunks(path)
    first = True
    async for chunk in chunks:
        if first and pointer and _POINTER.match(chunk):
            raise _no_content(path)
        first = False
        yield chunk


def _no_content(path: str) -> SlipwayError:
    return Invalid(
        f"{path} is a Git LFS pointer, and its content is not here",
        remedy="keep the file elsewhere and name it by https://, s3:// or runs:/, or commit it without Git LFS",
    )
