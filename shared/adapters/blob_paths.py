"""Names of blobs and artifacts: the rules that every adapter keeps, checked before anything is touched."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from hashlib import sha256 as new_sha256
from typing import cast, get_args

from shared.errors import ArtifactCorrupted, Invalid
from shared.paths import PATH_RULE, is_valid_part, is_valid_path
from shared.ports import Container

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def check_container(container: str) -> Container:
    """The container's name. Raises Invalid for any other than `uploads` and `staging`."""
    if container not in get_args(Container):
        raise Invalid(f"there is no container {container!r} (allowed: {', '.join(get_args(Container))})")
    return cast(Container, container)


def check_path(path: str) -> str:
    """The path, unchanged. Raises Invalid when it breaks PATH_RULE (which '..' and a leading slash do)."""
    if not is_valid_path(path):
        raise Invalid(f"{path[:100]!r} is not a blob's path (allowed: {PATH_RULE})")
    return path


def is_sha256(text: str) -> bool:
    """Whether it is 64 lower-case hexadecimal digits."""
    return _SHA256.match(text) is not None


def check_sha256(sha256: str) -> str:
    """The digest, unchanged. Raises Invalid unless it is 64 lower-case hexadecimal digits."""
    if not is_sha256(sha256):
        raise Invalid(f"{sha256[:100]!r} is not a SHA-256 (allowed: 64 lower-case hexadecimal digits)")
    return sha256


def artifact_path(sha256: str) -> str:
    """Where an artifact lies in its store: sha256/ab/cdef... Raises Invalid for what is not a SHA-256."""
    check_sha256(sha256)
    return f"sha256/{sha256[:2]}/{sha256[2:]}"


def check_range(offset: int, length: int | None, size_bytes: int) -> int:
    """How many bytes the range holds (a length that goes past the end is cut). Raises Invalid when the offset is
    negative or past the end, or the length is negative."""
    if offset < 0 or offset > size_bytes or (length is not None and length < 0):
        raise Invalid(f"bytes from {offset}, {length} long, are not in {size_bytes} bytes")
    return size_bytes - offset if length is None else min(length, size_bytes - offset)


def check_filename(filename: str) -> str:
    """The name offered for a download, unchanged. Raises Invalid unless it is one part of a path."""
    if not is_valid_part(filename) or "/" in filename:
        raise Invalid(f"{filename[:100]!r} is not a file's name (allowed: one part of a path; {PATH_RULE})")
    return filename


async def verified(chunks: AsyncIterator[bytes], sha256: str) -> AsyncIterator[bytes]:
    """The same bytes, one chunk behind: raises ArtifactCorrupted in the place of the last when the digest is wrong."""
    digest, held = new_sha256(), b""
    async for chunk in chunks:
        await asyncio.to_thread(digest.update, chunk)
        if held:
            yield held
        held = chunk
    if digest.hexdigest() != sha256:
        raise ArtifactCorrupted(
            f"the artifact {sha256} holds other bytes: their SHA-256 is {digest.hexdigest()}",
            remedy="restore it from a backup, or delete it and upload the file again",
        )
    if held:
        yield held
