"""What to do with a declared model: pure, `decide_model(asked, what is there) -> step`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from shared.resources.base import Resource
from shared.resources.model import ModelDeclaration, ModelFile, ModelSpec
from shared.resources.sync import Change
from shared.syncing.changes import changes_between
from shared.syncing.plan import OWN, Create, Keep, Refuse, Step, Update

DEFINITION = "slipway.definition"  # property of a version: the digest of what it was declared as
# What may be changed of a registered version (Azure ML's Model.update).
_MUTABLE = ("stage", "sample_input", "sample_output", "resource_configuration", "datasets")
_FROM_FILES = ("flavors", "run_id")  # read from MLmodel where the declaration leaves them out
_SECTIONS = ("optimize", "profile")  # part of the definition only where they are there


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A declared model whose path is normal, and what it is made of."""

    declaration: ModelDeclaration
    files: tuple[ModelFile, ...]  # as they are in the tree; () when they are elsewhere
    version: str | None
    paths: tuple[str, ...] = ()  # the files in the tree
    folder: str = ""  # the folder of the tree that `files` and the declaration's path are relative to

    @property
    def definition(self) -> str:
        """The digest of all that makes a new version when it changes."""
        facts = self.declaration.model_dump(
            mode="json", exclude={"schema_", "name", "version", "description", "tags", "properties", *_MUTABLE}
        )
        facts = {key: value for key, value in facts.items() if value is not None or key not in _SECTIONS}
        files = [(file.path, file.sha256) for file in self.files]
        return hashlib.sha256(json.dumps([facts, files], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SeenModel:
    """What is there of a model."""

    next_version: int
    latest: Resource | None  # the newest version that is not archived
    same: Resource | None  # the version that is asked for
    was_deleted: bool  # whether the version that is asked for was deleted


def decide_model(asked: AskedModel, seen: SeenModel) -> Step:
    """As for other assets: a changed definition is the next version, or refused when its version is taken."""
    if asked.version is not None and seen.was_deleted:
        reason = f"version {asked.version} was deleted, and a version is never given twice"
        return Refuse(reason, allowed=f"another version, or none to get {seen.next_version}")
    against = seen.latest if asked.version is None else seen.same
    version = asked.version or str(seen.next_version)
    if against is None:
        return Create(version)
    changes = _definition_changes(asked, against)
    if changes and asked.version is None:
        return Create(version, tuple(changes))
    if changes:
        reason = f"version {version} is registered with another definition, and versions never change"
        return Refuse(reason, tuple(changes), f"another `version`, or none to get {seen.next_version}")
    changes = _mutable_changes(asked.declaration, against)
    return Update(tuple(changes), against.version) if changes else Keep(against.version)


def _definition_changes(asked: AskedModel, version: Resource) -> list[Change]:
    declared_properties = {k: v for k, v in asked.declaration.properties.items() if not k.startswith(OWN)}
    changes = [
        Change(pointer=f"/properties/{key}", before=version.properties[key], after=value)
        for key, value in declared_properties.items()
        if version.properties.get(key, value) != value
    ]
    known = version.properties.get(DEFINITION)
    if known == asked.definition:
        return changes
    found = changes_between(_comparable(ModelSpec.model_validate(version.spec), asked), _declared(asked))
    if known is not None and not found:  # an archive, or what its files said, is another one
        found = [
            Change(pointer="/path", before=f"definition {known[:12]}", after=f"definition {asked.definition[:12]}")
        ]
    return changes + found


def _declared(asked: AskedModel) -> dict[str, Any]:
    facts = asked.declaration.model_dump(
        mode="json",
        exclude={"schema_", "name", "version", "description", "tags", "properties", "parent", "unpack", *_MUTABLE},
    )
    kept = {key: value for key, value in facts.items() if not (key in _FROM_FILES and value is None)}
    if asked.declaration.unpack or not asked.files:  # its files are not those of the tree
        return {key: value for key, value in kept.items() if key != "path"}
    return {**kept, "files": [file.model_dump(mode="json") for file in asked.files]}


def _comparable(spec: ModelSpec, asked: AskedModel) -> dict[str, Any]:
    return {key: value for key, value in spec.model_dump(mode="json").items() if key in _declared(asked)}


def _mutable_changes(declaration: ModelDeclaration, version: Resource) -> list[Change]:
    """What differs and may. Tags are added and changed, never taken away: people set some by hand."""
    spec = ModelSpec.model_validate(version.spec).model_dump(mode="json")
    declared = declaration.model_dump(mode="json")
    found = [
        Change(pointer=f"/{key}", before=spec[key], after=declared[key])
        for key in ("stage", "sample_input", "sample_output", "resource_configuration")
        if spec[key] != declared[key]
    ]
    found += [Change(pointer="/datasets/-", after=one) for one in declared["datasets"] if one not in spec["datasets"]]
    if declaration.description != version.description:
        found.append(Change(pointer="/description", before=version.description, after=declaration.description))
    found += [
        Change(pointer=f"/tags/{key}", before=version.tags.get(key), after=value)
        for key, value in declaration.tags.items()
        if version.tags.get(key) != value
    ]
    found += [
        Change(pointer=f"/properties/{key}", after=value)
        for key, value in declaration.properties.items()
        if key not in version.properties
    ]
    if version.status.get("archived"):
        found.append(Change(pointer="/archived", before=True, after=False))
    return found
