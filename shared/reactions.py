"""The one-page map: which resources are looked at when an event arrives."""

from __future__ import annotations

from collections.abc import Callable

from shared.events import types
from shared.resources import upload
from shared.resources.base import ResourceKey
from shared.resources.events import Event


def _upload_of(event: Event) -> tuple[ResourceKey, ...]:
    """The upload that became a version: now that this is announced, its files can go."""
    upload_id = event.data.get("uploadId")
    return (ResourceKey(upload.KIND, upload_id),) if isinstance(upload_id, str) and upload_id else ()


REACTIONS: dict[str, Callable[[Event], tuple[ResourceKey, ...]]] = {
    types.UPLOAD_REGISTERED: _upload_of,
}


def reactions_to(event: Event) -> tuple[ResourceKey, ...]:
    """The resources to look at; () for an event nothing reacts to."""
    react = REACTIONS.get(event.type)
    return react(event) if react else ()
