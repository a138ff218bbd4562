"""Where models and data are brought from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SourceObject:
    """A file at a place that files are brought from."""

    path: str  # '/'-separated, relative to the URI; for a single object its file name
    size_bytes: int | None  # None when the source does not say
    version: str  # what pins this state: an ETag, an S3 version id; "" when there is none


class ModelSource(Protocol):
    """Files that a URI names elsewhere. https, S3, Azure Storage."""

    async def list(self, uri: str) -> tuple[SourceObject, ...]:
        """The objects of a URI, sorted: one for a file, all below a prefix. Raises NotFound, Invalid for a URI that is
        not accepted, Retryable."""
        ...

    def read(self, uri: str, item: SourceObject) -> AsyncIterator[bytes]:
        """Its bytes in that state. Raises Conflict when it changed, TooLarge, Retryable when it broke off."""
        ...
