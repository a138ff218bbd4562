"""What to do next with an upload: pure, `decide(status, spec, observation, settle_s) -> next step`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.declarations.manifest import Manifest
from shared.errors import Fault
from shared.paths import is_remote, is_run_uri, is_under
from shared.ports import BlobInfo
from shared.registry.completion import MAX_FILES, wants_unpacking
from shared.resources.model import ModelDeclaration, ModelType
from shared.resources.upload import UploadPhase, UploadSpec, UploadStatus

LOOK_AGAIN_S = 30.0  # a waiting upload is woken by the arrival of files; this is for arrivals nobody heard of


@dataclass(frozen=True, slots=True)
class Observation:
    """What is so, as far as an upload is concerned."""

    now: datetime
    manifest: Manifest
    registered_version: str | None  # the version it became already
    manifest_present: bool  # whether the manifest's blob is still the one that arrived (True for requests)
    blobs: Mapping[str, BlobInfo]  # what is in its folder, by path relative to the folder; without the manifest


@dataclass(frozen=True, slots=True)
class Store:
    """Store these files, then register the declaration with them."""

    declaration: ModelDeclaration
    files: Mapping[str, BlobInfo]


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring the files from where the declaration's path says; `now` False: say so first, the work queue goes on."""

    declaration: ModelDeclaration
    now: bool


@dataclass(frozen=True, slots=True)
class Register:
    """Register the declaration with the files that are stored."""

    declaration: ModelDeclaration


@dataclass(frozen=True, slots=True)
class Registered:
    """It is registered as this version."""

    version: str


@dataclass(frozen=True, slots=True)
class Clean:
    """Delete what it was made of."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not everything is there."""

    missing: tuple[str, ...]  # () when all is there, but may still grow
    look_again_after_s: float


@dataclass(frozen=True, slots=True)
class Fail:
    """It can't become a version."""

    faults: tuple[Fault, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Supersede:
    """Its manifest is not there any more."""


Step = Store | Fetch | Register | Registered | Clean | Wait | Fail | Supersede


def decide(status: UploadStatus, spec: UploadSpec, seen: Observation, settle_s: float) -> Step:
    """The next step of an unfinished upload. A registration that happened is never doubted; faults come before
    waiting; a manifest that is gone is not waited for."""
    if status.phase == UploadPhase.REGISTERED:
        return Clean()
    if seen.registered_version is not None:
        return Registered(seen.registered_version)
    if seen.manifest.declaration is None:
        return Fail(faults=seen.manifest.faults)
    if status.phase == UploadPhase.REGISTERING:
        return Register(seen.manifest.declaration)
    if not seen.manifest_present:
        return Supersede()
    if is_remote(seen.manifest.declaration.path):
        at_once = is_run_uri(seen.manifest.declaration.path)  # a run's files are here already
        return Fetch(seen.manifest.declaration, now=at_once or status.phase == UploadPhase.FETCHING)
    return _gather(seen.manifest.declaration, spec, seen, settle_s)


def _gather(declaration: ModelDeclaration, spec: UploadSpec, seen: Observation, settle_s: float) -> Step:
    files = files_of(declaration, seen.blobs)
    missing = _missing(declaration, spec, files, seen)
    left_s = (spec.deadline - seen.now).total_seconds()
    if missing:
        return Fail(missing=missing) if left_s <= 0 else Wait(missing, min(left_s, LOOK_AGAIN_S))
    if len(files) > MAX_FILES:
        return Fail(faults=(Fault(f"the model has {len(files)} files", "/path", allowed=f"at most {MAX_FILES}"),))
    quiet_s = settle_s - _age_s(files, seen.now)
    is_folder = set(files) != {declaration.path}
    if spec.container == "uploads" and spec.files is None and is_folder and quiet_s > 0:
        return Wait((), min(quiet_s, settle_s))
    return Store(declaration, files)


def files_of(declaration: ModelDeclaration, blobs: Mapping[str, BlobInfo]) -> dict[str, BlobInfo]:
    """The blobs that make the model: the file that `path` names, or all in that folder; {} when there are none."""
    folder = "" if declaration.path == "." else declaration.path
    return {path: blob for path, blob in sorted(blobs.items()) if is_under(path, folder)}


def _missing(
    declaration: ModelDeclaration, spec: UploadSpec, files: Mapping[str, BlobInfo], seen: Observation
) -> tuple[str, ...]:
    needed = [path for path in spec.files or () if path not in seen.blobs]
    if declaration.type == ModelType.MLFLOW and not wants_unpacking(declaration):
        needed += [] if any(path.rpartition("/")[2] == "MLmodel" for path in files) else [f"{declaration.path}/MLmodel"]
    elif not files:
        needed.append(declaration.path)
    return tuple(sorted(set(needed)))


def _age_s(files: Mapping[str, BlobInfo], now: datetime) -> float:
    newest = max((blob.modified_at for blob in files.values()), default=now - timedelta(days=1))
    return (now - newest).total_seconds()
