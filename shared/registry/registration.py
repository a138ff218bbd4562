"""What a registration makes of a model: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.commit import Current, Draft
from shared.errors import AlreadyExists, Fault, Invalid
from shared.events import types
from shared.registry.keys import asset_reference, head_key, marker_key, tombstone_key, version_key
from shared.resources.base import Resource
from shared.resources.model import (
    VERSION_RULE,
    ModelDeclaration,
    ModelFacts,
    ModelFile,
    ModelHeadStatus,
    ModelPhase,
    ModelSpec,
    ModelVersionStatus,
    Origin,
    RegistrationSpec,
    version_of,
)


@dataclass(frozen=True, slots=True)
class Registration:
    """What is asked for."""

    declaration: ModelDeclaration
    version: str | None  # the version it asks for; None: the next number
    spec: ModelSpec

    @classmethod
    def of(
        cls,
        declaration: ModelDeclaration,
        files: Sequence[ModelFile],
        upload_id: str,
        *,
        parent: str | None = None,
        origin: Origin | None = None,
    ) -> Registration:
        """The registration of these files. Raises Invalid for a version that is none."""
        facts = {name: getattr(declaration, name) for name in ModelFacts.model_fields}
        spec = ModelSpec(
            **facts,
            path=declaration.path,
            files=sorted(files, key=lambda file: file.path),
            parent_model_id=parent,
            origin=origin,
            references=_references(declaration, parent),
            upload_id=upload_id,
        )
        return cls(declaration, _asked_version(declaration), spec)


def drafts_of(asked: Registration, current: Current) -> Sequence[Draft]:
    """The head, the version and the marker of the registration. Raises AlreadyExists when its version is taken."""
    name = asked.declaration.name
    head = current[head_key(name)]
    status = ModelHeadStatus.model_validate(head.status) if head else ModelHeadStatus()
    version = asked.version or str(status.next_version)
    _check_free(name, version, asked, current, status)
    return (
        _head(asked.declaration, status, version, head),
        _version(asked, version),
        Draft(
            marker_key(name, asked.spec.upload_id),
            spec=RegistrationSpec(upload_id=asked.spec.upload_id, model_version=version).model_dump(mode="json"),
        ),
    )


def _head(declaration: ModelDeclaration, status: ModelHeadStatus, version: str, head: Resource | None) -> Draft:
    following = max(status.next_version, int(version) + 1) if version.isdecimal() else status.next_version
    counted = status.model_copy(
        update={"next_version": following, "latest_version": version, "archived": False, "observed_generation": 1}
    )
    return Draft(
        head_key(declaration.name),
        head.spec if head else {},
        counted.model_dump(mode="json"),
        description=declaration.description,
        tags=declaration.tags,
        properties=head.properties if head else {},
    )


def _version(asked: Registration, version: str) -> Draft:
    declaration = asked.declaration
    event = types.model_registered(declaration.name, version, declaration.tags, declaration.properties)
    return Draft(
        version_key(declaration.name, version),
        spec=asked.spec.model_dump(mode="json"),
        status=ModelVersionStatus(phase=ModelPhase.REGISTERED).model_dump(mode="json"),
        description=declaration.description,
        tags=declaration.tags,
        properties=declaration.properties,
        unfinished=True,  # its files are to be looked into: see shared.controllers.model
        events=(event,),
    )


def _check_free(name: str, version: str, asked: Registration, current: Current, status: ModelHeadStatus) -> None:
    if asked.version is None:
        return
    remedy = f"leave `version` out to get {status.next_version}, or give one that was never used"
    if current[version_key(name, version)] is not None:
        raise AlreadyExists(f"model {name!r} has a version {version}", remedy=remedy)
    if current[tombstone_key(name, version)] is not None:
        raise AlreadyExists(f"model {name!r} had a version {version}, which was deleted", remedy=remedy)


def _asked_version(declaration: ModelDeclaration) -> str | None:
    try:
        return version_of(declaration.version)
    except ValueError as error:
        fault = Fault(str(error), "/version", allowed=VERSION_RULE)
        raise Invalid(f"the version of model {declaration.name!r} is not accepted", faults=(fault,)) from error


def _references(declaration: ModelDeclaration, parent: str | None) -> list[str]:
    """The resources a declaration refers to that can be named: its parent, and data assets with a version."""
    found = {f"model/{parent}"} if parent else set()
    named = [dataset.reference for dataset in declaration.datasets]
    for text in (*named, declaration.sample_input, declaration.sample_output):
        found.add(asset_reference("data", text) or "")
    return sorted(found - {""})
