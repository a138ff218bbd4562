"""The one-page map: which resources are looked at when an event arrives."""

from __future__ import annotations

from collections.abc import Callable

from shared.events import types
from shared.resources import model, upload
from shared.resources.base import ResourceKey
from shared.resources.events import Event
from shared.resources.kinds import KINDS


def _upload_of(event: Event) -> tuple[ResourceKey, ...]:
    """The upload that became a version: now that this is announced, its files can go."""
    upload_id = event.data.get("uploadId")
    return (ResourceKey(upload.KIND, upload_id),) if isinstance(upload_id, str) and upload_id else ()


def _version_of(event: Event) -> tuple[ResourceKey, ...]:
    """The version that was registered, optimised or profiled: its files are looked into, and what is still to be done
    with it by itself goes on."""
    name, version = event.data.get("modelName"), event.data.get("modelVersion")
    if not isinstance(name, str) or not isinstance(version, str | int) or version == "":
        return ()
    return (ResourceKey(model.KIND, name, str(version)),)


def _declared(event: Event) -> tuple[ResourceKey, ...]:
    """The resource that a file declared: it is brought about, where a controller works on its kind."""
    kind, name, version = (event.data.get(key) for key in ("kind", "name", "version"))
    if not isinstance(kind, str) or not isinstance(name, str) or kind not in KINDS or not KINDS[kind].reconciled:
        return ()
    return (ResourceKey(kind, name, None if version is None else str(version)),)


REACTIONS: dict[str, Callable[[Event], tuple[ResourceKey, ...]]] = {
    types.MODEL_REGISTERED: _version_of,
    types.MODEL_OPTIMIZED: _version_of,
    types.MODEL_NOT_OPTIMIZED: _version_of,
    types.MODEL_PROFILED: _version_of,
    types.MODEL_PROFILE_FAILED: _version_of,
    types.UPLOAD_REGISTERED: _upload_of,
    types.RESOURCE_DECLARED: _declared,
    types.RESOURCE_UPDATED: _declared,
}


def reactions_to(event: Event) -> tuple[ResourceKey, ...]:
    """The resources to look at; () for an event nothing reacts to."""
    react = REACTIONS.get(event.type)
    return react(event) if react else ()
