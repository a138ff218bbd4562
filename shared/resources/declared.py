"""Resources that files declare and whose spec is the declaration itself."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shared.resources.base import Document, Status
from shared.resources.model import KIND as MODEL
from shared.resources.model import ModelFile

# Kinds whose spec is the declaration; see shared.resources.forms for their files.
DECLARED_KINDS = (
    "environment",
    "data",
    "component",
    "job",
    "online-endpoint",
    "online-deployment",
    "batch-endpoint",
    "batch-deployment",
    "schedule",
    "monitor",
    "model-package",
)
RECONCILED = frozenset(
    {"environment", "data", "online-endpoint", "online-deployment"}
)  # those of them that a controller works on
# Kinds with immutable versions, as in Azure ML; all others are changed in place.
ASSET_KINDS = frozenset({"environment", "data", "component"})
VERSIONED_KINDS = ASSET_KINDS | {MODEL}
ENDPOINT_OF = {"online-deployment": "online-endpoint", "batch-deployment": "batch-endpoint"}


class NestedDeclaration(Document):
    """A declared file that another one names."""

    form: str  # one of shared.resources.forms.FORMS
    declaration: dict[str, Any]  # dumped by alias without what was left out


class DeclaredSpec(Document):
    """What a file declares, with all that it names beside it."""

    form: str  # one of shared.resources.forms.FORMS
    declaration: dict[str, Any]  # dumped by alias without what was left out; version, description, tags and properties
    # are the resource's own
    nested: dict[str, NestedDeclaration] = Field(default_factory=dict)  # declared files it names, by path
    files: list[ModelFile] = Field(default_factory=list)  # other files it names (code, data, build contexts), by path
    references: list[str] = Field(default_factory=list)  # resources it refers to: KIND/NAME or KIND/NAME:VERSION


class AssetHeadStatus(Status):
    """The head of a declared asset: one for all its versions."""

    next_version: int = 1  # the number the next version without an explicit one gets; never goes back
    latest_version: str = ""  # the newest version that is not archived; "" when there is none
    deleted_versions: list[str] = Field(default_factory=list)  # versions that were deleted: they are not given again
    archived: bool = False  # whether no version is left that is not archived


class AssetVersionStatus(Status):
    """What is so of one version of a declared asset."""

    archived: bool = False  # hidden from lists and from `latest`; can still be read and used


def deployment_name(endpoint: str, deployment: str) -> str:
    """The name of a deployment's resource: Azure ML's names are unique only inside of their endpoint. Names of
    endpoints hold no dot, so it can be taken apart again."""
    return f"{endpoint}.{deployment}"
