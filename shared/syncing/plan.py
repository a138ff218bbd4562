"""What to do with one declared file: pure, `decide_...(asked, what is there) -> step`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.resources.base import Resource
from shared.resources.declared import AssetHeadStatus
from shared.resources.sync import SOURCE, SOURCE_FILE, Change
from shared.syncing.changes import changes_between

OWN = ("slipway.", "mlflow.source.git.", "azureml.git.")  # properties that Slipway writes itself


@dataclass(frozen=True, slots=True)
class Asked:
    """What a file declares."""

    spec: dict[str, Any]
    version: str | None = None  # the version it asks for
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)  # as declared
    provenance: Mapping[str, str] = field(default_factory=dict)  # where the file comes from


@dataclass(frozen=True, slots=True)
class Create:
    """It is new: `version` of an asset, None of anything else."""

    version: str | None = None
    changes: tuple[Change, ...] = ()  # from the version before it


@dataclass(frozen=True, slots=True)
class Update:
    """It is there and becomes what is declared."""

    changes: tuple[Change, ...]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """It is so already."""

    version: str | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """It can't be done."""

    reason: str
    changes: tuple[Change, ...] = ()  # what may not change
    allowed: str | None = None


Step = Create | Update | Keep | Refuse


def decide_mutable(asked: Asked, existing: Resource | None) -> Step:
    """Anything but an asset: created, or changed in place."""
    if existing is None:
        return Create()
    changes = [*changes_between(existing.spec, asked.spec), *_facts(asked, existing)]
    if existing.spec.get("references", []) != asked.spec.get("references", []) and not changes:
        changes = [
            Change(pointer="/references", before=existing.spec.get("references"), after=asked.spec["references"])
        ]
    for name in (SOURCE, SOURCE_FILE):  # declared elsewhere now: the prune of the old place must not take it
        before, after = existing.properties.get(name), asked.provenance.get(name)
        if before != after:
            changes.append(Change(pointer=f"/properties/{name}", before=before, after=after))
    return Update(tuple(changes)) if changes else Keep()


def decide_asset(asked: Asked, head: AssetHeadStatus | None, latest: Resource | None, same: Resource | None) -> Step:
    """An asset, whose versions never change: `latest` is the newest version, `same` the one that is asked for. Without
    a version, a changed definition becomes the next one; with one, it is refused."""
    status = head or AssetHeadStatus()
    if asked.version is None:
        if latest is None:
            return Create(str(status.next_version))
        changes = [*changes_between(latest.spec, asked.spec), *_changed_properties(asked, latest)]
        return Create(str(status.next_version), tuple(changes)) if changes else _refreshed(asked, latest)
    if asked.version in status.deleted_versions:
        return Refuse(
            f"version {asked.version} was deleted, and a version is never given twice",
            allowed=f"another version, or none to get {status.next_version}",
        )
    if same is None:
        return Create(asked.version, tuple(changes_between(latest.spec, asked.spec)) if latest else ())
    changes = [*changes_between(same.spec, asked.spec), *_changed_properties(asked, same)]
    if changes:
        return Refuse(
            f"version {asked.version} is registered with another definition, and versions never change",
            tuple(changes),
            f"another `version`, or none to get {status.next_version}",
        )
    return _refreshed(asked, same)


def _refreshed(asked: Asked, version: Resource) -> Step:
    """The definition is the same: description and tags may change, and properties may be added."""
    added = {key: value for key, value in asked.properties.items() if key not in version.properties}
    changes = [*_facts(asked, version, with_properties=False)]
    changes += [Change(pointer=f"/properties/{key}", after=value) for key, value in added.items()]
    if version.status.get("archived"):
        changes.append(Change(pointer="/archived", before=True, after=False))
    return Update(tuple(changes), version.version) if changes else Keep(version.version)


def _facts(asked: Asked, existing: Resource, *, with_properties: bool = True) -> list[Change]:
    """What differs beside the spec."""
    changes = []
    if asked.description != existing.description:
        changes.append(Change(pointer="/description", before=existing.description, after=asked.description))
    changes += _in("/tags", changes_between(existing.tags, asked.tags))
    if with_properties:
        present = {key: value for key, value in existing.properties.items() if not key.startswith(OWN)}
        changes += _in("/properties", changes_between(present, asked.properties))
    return changes


def _changed_properties(asked: Asked, version: Resource) -> list[Change]:
    return [
        Change(pointer=f"/properties/{key}", before=version.properties[key], after=value)
        for key, value in asked.properties.items()
        if key in version.properties and version.properties[key] != value
    ]


def _in(place: str, changes: list[Change]) -> list[Change]:
    return [change.model_copy(update={"pointer": place + change.pointer}) for change in changes]
