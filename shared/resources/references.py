"""Azure ML's reference grammar: assets, registries, ARM ids, datastores, git and web addresses, local paths.

Source: azure-ai-ml 1.35.2, `_utils/_arm_id_utils.py`, and the CLI v2 reference ("core syntax").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REFERENCE_RULE = (
    "azureml:NAME:VERSION, azureml:NAME@LABEL, azureml://registries/REGISTRY/KIND/NAME/versions/VERSION "
    "(or /labels/LABEL), or an ARM id"
)
_NAME = r"[a-zA-Z0-9_][a-zA-Z0-9\-\._]{0,254}"
_VERSION = r"[a-zA-Z0-9_][a-zA-Z0-9\-\._]{0,254}"
_ASSET = re.compile(rf"({_NAME})(?::({_VERSION})|@({_VERSION}))?\Z")
_REGISTRY = re.compile(
    rf"azureml://registries/({_NAME})/(\w+)/({_NAME})(?:/(?:versions/({_VERSION})|labels/({_VERSION})))?/?\Z"
)
_DATASTORE = re.compile(r"azureml://(?:(subscriptions/[^?#]*?)/)?datastores/([^/]+)(?:/paths/(.*))?\Z", re.DOTALL)
_ARM = re.compile(r"/subscriptions/([^/]+)/resource[gG]roups/([^/]+)/providers/(.+)\Z")
_ARM_ASSET = re.compile(
    r"/workspaces/([^/]+)/(\w+)/([^/]+)(?:/(?:versions/([^/]+)|labels/([^/]+)))?/?\Z",
)
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]+)://")


@dataclass(frozen=True, slots=True)
class AssetReference:
    """An asset by name, with at most one of version and label; in the workspace, or in `registry`."""

    name: str
    version: str | None = None
    label: str | None = None
    registry: str | None = None  # name of the registry; None for the workspace
    plural: str | None = None  # the kind as a registry's address writes it: models, environments, components...

    def __str__(self) -> str:
        if self.registry is None:
            return f"azureml:{self.short}"
        tail = f"/versions/{self.version}" if self.version else f"/labels/{self.label}" if self.label else ""
        return f"azureml://registries/{self.registry}/{self.plural}/{self.name}{tail}"

    @property
    def short(self) -> str:
        """NAME, NAME:VERSION or NAME@LABEL, as on a command line."""
        return (
            f"{self.name}:{self.version}" if self.version else f"{self.name}@{self.label}" if self.label else self.name
        )


@dataclass(frozen=True, slots=True)
class ArmReference:
    """A resource of Azure by its full id."""

    id: str  # /subscriptions/...
    plural: str | None = None  # below a workspace: models, environments, computes...
    name: str | None = None  # below a workspace
    version: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        return f"azureml:{self.id}"


@dataclass(frozen=True, slots=True)
class DatastorePath:
    """A path in a datastore."""

    datastore: str
    path: str  # "" is the whole datastore
    workspace: str | None = None  # subscriptions/.../workspaces/W of the long form

    def __str__(self) -> str:
        owner = f"{self.workspace}/" if self.workspace else ""
        return f"azureml://{owner}datastores/{self.datastore}/paths/{self.path}"


@dataclass(frozen=True, slots=True)
class GitReference:
    """A folder of a git repository (git+https://HOST/REPOSITORY[@REVISION][#FOLDER])."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class UrlReference:
    """A web or storage address: https, wasbs, abfss, runs, azureml://jobs/..."""

    url: str
    scheme: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A path relative to the file it stands in."""

    path: str

    def __str__(self) -> str:
        return self.path


Reference = AssetReference | ArmReference | DatastorePath | GitReference | UrlReference | LocalPath


def parse_reference(text: str) -> Reference:
    """What `text` refers to. Raises ValueError for an empty text and for what begins like a reference but is none."""
    if not text.strip():
        raise ValueError("is empty")
    if text.startswith("azureml://"):
        return _address(text)
    if text.startswith("azureml:"):
        return _workspace(text.removeprefix("azureml:"))
    if text.startswith(("git+https://", "git+ssh://", "git+file://")):
        return GitReference(text)
    if _ARM.match(text):
        return _arm(text)
    if found := _URL.match(text):
        return LocalPath(text.removeprefix("file://")) if found[1] == "file" else UrlReference(text, found[1].lower())
    return LocalPath(text)


def parse_name(text: str) -> AssetReference:
    """The asset that NAME, NAME:VERSION or NAME@LABEL names on a command line; azureml: may stand before it.
    Raises ValueError for anything else."""
    found = _ASSET.match(text.removeprefix("azureml:"))
    if found is None:
        raise ValueError(f"{text!r} is not NAME, NAME:VERSION or NAME@LABEL")
    return AssetReference(found[1], found[2], found[3])


def _workspace(rest: str) -> Reference:
    if rest.startswith("/"):
        return _arm(rest)
    found = _ASSET.match(rest)
    if found is None:
        raise ValueError("is not a reference")
    return AssetReference(found[1], found[2], found[3])


def _address(text: str) -> Reference:
    if found := _DATASTORE.match(text):
        return DatastorePath(found[2], found[3] or "", found[1])
    if text.startswith("azureml://registries/"):
        registry = _REGISTRY.match(text)
        if registry is None:
            raise ValueError("is not an address in a registry")
        return AssetReference(registry[3], registry[4], registry[5], registry[1], registry[2])
    if text.startswith(("azureml://jobs/", "azureml://locations/", "azureml://subscriptions/")):
        return UrlReference(text, "azureml")
    raise ValueError("is not an azureml:// address")


def _arm(text: str) -> ArmReference:
    if _ARM.match(text) is None:
        raise ValueError("is not an ARM id")
    found = _ARM_ASSET.search(text)
    return ArmReference(text, found[2], found[3], found[4], found[5]) if found else ArmReference(text)
