"""Environments as they are built: the recipe that identifies one, its build, and what is so of a version."""

from __future__ import annotations

import hashlib
import json
import re
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from shared.resources.base import Document
from shared.resources.build import StoredText
from shared.resources.declared import AssetVersionStatus
from shared.resources.model import ModelFile

KIND = "environment-build"
_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})\Z")


class EnvironmentRecipe(Document):
    """All that decides what an environment is. Its name, version, description and tags are no part of it."""

    os_type: str = "linux"  # linux or windows
    base_image: str | None = None  # what it is built on, as declared; None: the builder's own for that Python
    base_digest: str | None = None  # sha256:... of the base, where the reference or its registry says it
    python_version: str | None = None  # e.g. 3.11; None for an image whose Python is its own
    lock: list[str] = Field(default_factory=list)  # locked packages with marker and hashes, sorted; [] for none
    conda_channels: list[str] = Field(default_factory=list)  # in order: the first that has a package gives it
    conda_packages: list[str] = Field(default_factory=list)  # match specs, sorted
    context: list[ModelFile] = Field(default_factory=list)  # the files of a `build` context, sorted by path
    dockerfile_path: str | None = None  # the Dockerfile in the context

    @property
    def identity(self) -> str:
        """SHA-256 of the recipe's canonical JSON (sorted keys, no spaces): what makes two environments the same. What a
        base is called is no part of it where its digest is known."""
        document = self.model_dump(mode="json")
        if self.base_digest:
            document["base_image"] = None
        return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def base_reference(self) -> str | None:
        """The base by its digest where that is known, else as declared; None for the builder's own."""
        if not self.base_image or not self.base_digest:
            return self.base_image
        folders, slash, last = self.base_image.partition("@")[0].rpartition("/")
        return f"{folders}{slash}{last.partition(':')[0]}@{self.base_digest}"

    @property
    def has_layers(self) -> bool:
        """Whether anything is to be built on the base; False for an image that is taken as it is."""
        return bool(self.lock or self.conda_packages or self.context) or self.base_image is None


def digest_in(image: str) -> str | None:
    """The digest that an image's name ends with, None for none."""
    found = _DIGEST.search(image)
    return found[1] if found else None


class EnvironmentPhase(StrEnum):
    """Where a version of an environment is on its way."""

    PENDING = "Pending"  # registered; nothing was resolved yet
    LOCKING = "Locking"  # its requirements are being resolved
    QUEUED = "Queued"  # it is locked; the build of its identity has not begun
    BUILDING = "Building"  # the build of its identity is under way
    SUCCEEDED = "Succeeded"  # it is built, and can be used
    FAILED = "Failed"  # it cannot be locked, or its build failed: a condition says why
    CANCELED = "Canceled"  # its build was canceled


_P = EnvironmentPhase
# Every change of phase that may happen. Building again is the way back from Succeeded, Failed and Canceled.
TRANSITIONS: dict[EnvironmentPhase, frozenset[EnvironmentPhase]] = {
    _P.PENDING: frozenset({_P.LOCKING, _P.CANCELED, _P.FAILED}),
    _P.LOCKING: frozenset({_P.QUEUED, _P.SUCCEEDED, _P.FAILED, _P.CANCELED}),
    _P.QUEUED: frozenset({_P.BUILDING, _P.SUCCEEDED, _P.FAILED, _P.CANCELED}),
    _P.BUILDING: frozenset({_P.QUEUED, _P.SUCCEEDED, _P.FAILED, _P.CANCELED}),
    _P.SUCCEEDED: frozenset({_P.PENDING}),
    _P.FAILED: frozenset({_P.PENDING}),
    _P.CANCELED: frozenset({_P.PENDING}),
}
TERMINAL = frozenset({_P.SUCCEEDED, _P.FAILED, _P.CANCELED})


class EnvironmentVersionStatus(AssetVersionStatus):
    """What is so of one version of an environment."""

    phase: EnvironmentPhase = EnvironmentPhase.PENDING
    identity: str = ""  # of its recipe, and the name of its build; "" before it is locked
    lock: StoredText | None = None  # the locked requirements with hashes; None before, and for nothing to lock
    packages: list[str] = Field(default_factory=list)  # NAME==VERSION of the lock, sorted
    locked_from: str = ""  # the version whose pins were kept where they still fit; "" for none
    upgrade: bool = False  # whether the newest packages are taken, whatever versions before it have
    base_image: str | None = None  # the recipe's, for finding what rests on an image
    base_digest: str | None = None  # the recipe's: what its base was when it was locked; None where nobody could say
    location: str = ""  # where it is when it is built: a folder, or an image by digest
    outdated: str = ""  # why it should be built again: its base image changed; "" when it should not

    @field_validator("phase", mode="before")
    @classmethod
    def _new(cls, phase: Any) -> Any:
        return phase or EnvironmentPhase.PENDING


class EnvironmentBuildSpec(Document):
    """What is built, once for everybody: the build's name is the recipe's identity."""

    recipe: EnvironmentRecipe  # what decides what it is
    lock: StoredText | None = None  # the lock as a file, for the builder
