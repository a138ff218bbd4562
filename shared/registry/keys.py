"""The keys of what the registry keeps about a model, which lies in one partition, and of what that refers to."""

from __future__ import annotations

from shared.resources.base import ResourceKey
from shared.resources.model import KIND, REGISTRATION_KIND, TOMBSTONE_KIND


def head_key(name: str) -> ResourceKey:
    """The head of a model, which counts its versions and has its labels."""
    return ResourceKey(KIND, name)


def version_key(name: str, version: str | int) -> ResourceKey:
    """One version."""
    return ResourceKey(KIND, name, str(version))


def marker_key(name: str, upload_id: str) -> ResourceKey:
    """Which version an upload became."""
    return ResourceKey(REGISTRATION_KIND, name, upload_id)


def tombstone_key(name: str, version: str) -> ResourceKey:
    """That a version was deleted."""
    return ResourceKey(TOMBSTONE_KIND, name, version)


def asset_reference(kind: str, text: str | None) -> str | None:
    """KIND/NAME:VERSION of `azureml:NAME:VERSION`; None for any other text, and for none."""
    parts = (text or "").split(":")
    if len(parts) != 3 or parts[0] != "azureml" or not all(parts):
        return None
    return f"{kind}/{parts[1]}:{parts[2]}"
