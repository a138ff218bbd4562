"""Bringing the files of a URI into the artifact store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from shared.errors import Fault, Invalid, NotFound, Retryable
from shared.paths import PATH_RULE, is_valid_path
from shared.ports import ArtifactStore, ModelSource, SourceObject
from shared.resources.model import ModelFile
from shared.sources.uris import without_query


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was brought."""

    files: tuple[ModelFile, ...]  # sorted by path
    versions: dict[str, str]  # path -> what pinned the state that was read; "" when the source has nothing


async def fetch(
    uri: str,
    source: ModelSource,
    artifacts: ArtifactStore,
    *,
    max_files: int,
    wanted: Callable[[str], bool] = lambda path: True,
    progress: Callable[[int], None] | None = None,
) -> Fetched:
    """Store every object of the URI whose path is `wanted`; `progress` is told the bytes so far. Raises NotFound when
    there is none, Invalid with every path that is not accepted or for more than max_files, and what the source raises.
    A refused URI may leave artifacts that nothing refers to; they are collected as garbage."""
    items = [item for item in await source.list(uri) if wanted(item.path)]
    _check(uri, items, max_files)
    counter = _Counter(progress)
    files = []
    for item in sorted(items, key=lambda each: each.path):
        artifact = await artifacts.put(counter.counted(source.read(uri, item)))
        if item.size_bytes is not None and artifact.size_bytes != item.size_bytes:
            raise Retryable(
                f"{without_query(uri)}: {item.path} has {item.size_bytes} bytes, {artifact.size_bytes} arrived"
            )
        files.append(ModelFile(path=item.path, sha256=artifact.sha256, size_bytes=artifact.size_bytes))
    return Fetched(tuple(files), {item.path: item.version for item in items})


def _check(uri: str, items: Sequence[SourceObject], max_files: int) -> None:
    if not items:
        raise NotFound(f"there are no files at {without_query(uri)}")
    if len(items) > max_files:
        raise Invalid(f"{without_query(uri)} has {len(items)} files, at most {max_files} are brought")
    faults = [
        Fault(f"the path {item.path[:200]!r} is not accepted", allowed=PATH_RULE)
        for item in items
        if not is_valid_path(item.path)
    ]
    if len({item.path for item in items}) < len(items):
        faults.append(Fault("a path is there twice"))
    if faults:
        raise Invalid(f"files of {without_query(uri)} cannot be stored", faults=tuple(faults))


class _Counter:
    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self._progress = progress
        self._size_bytes = 0

    async def counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._size_bytes += len(chunk)
            if self._progress:
                self._progress(self._size_bytes)
            yield chunk
