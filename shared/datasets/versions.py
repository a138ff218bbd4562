"""Versions of data assets: found, looked into, and profiled again."""

from __future__ import annotations

from collections.abc import Sequence

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.datasets.layout import mltable_file, table_of
from shared.datasets.mltable import MAX_BYTES, MLTable, read_mltable
from shared.errors import Invalid, NotFound
from shared.ports import ArtifactStore, ResourceStore
from shared.resources.base import Cause, Resource, ResourceKey, is_valid_name
from shared.resources.data import KIND
from shared.resources.data_profile import DATA_TERMINAL, DataTable, DataVersionStatus
from shared.resources.declared import DeclaredSpec
from shared.resources.references import DatastorePath, UrlReference, parse_reference

LATEST = "latest"
HERE = "."
_ELSEWHERE = (DatastorePath, UrlReference)


async def find_version(store: ResourceStore, name: str, version: str) -> Resource:
    """One version; "latest" is the newest that is not archived. Raises NotFound."""
    missing = NotFound(f"there is no data asset {name[:80]}:{version[:80]}", remedy="`slipway data list` shows all")
    if not (is_valid_name(name) and is_valid_name(version)):
        raise missing
    if version == LATEST:
        head = await store.read(ResourceKey(KIND, name))
        version = str(head.status.get("latest_version") or "") if head else ""
    found = await store.read(ResourceKey(KIND, name, version)) if version else None
    if found is None:
        raise missing
    return found


def is_awaited(version: Resource) -> bool:
    """Whether its files lie elsewhere, and are still to be brought."""
    status = DataVersionStatus.model_validate(version.status)
    if status.fetched is not None or status.phase in DATA_TERMINAL:
        return False
    try:
        return isinstance(parse_reference(str(version.spec["declaration"].get("path") or "")), _ELSEWHERE)
    except ValueError:
        return False


def held(version: Resource) -> DeclaredSpec:
    """Its declaration with its files; those that were brought from elsewhere are in the folder that it names then."""
    spec, status = DeclaredSpec.model_validate(version.spec), DataVersionStatus.model_validate(version.status)
    if status.fetched is None:
        return spec
    return spec.model_copy(update={"files": status.fetched.files, "declaration": {**spec.declaration, "path": HERE}})


def status_anew(version: Resource) -> DataVersionStatus:
    """Of a version that nobody has looked at: what was brought and learnt once stays what it is."""
    status = DataVersionStatus.model_validate(version.status)
    return DataVersionStatus(archived=status.archived, fetched=status.fetched, importances=status.importances)


async def table_of_version(spec: DeclaredSpec, artifacts: ArtifactStore) -> DataTable:
    """The files that hold rows. Raises Invalid where there are none that can be read, with what is right."""
    file, said = mltable_file(spec), None
    if file is not None:
        if file.size_bytes > MAX_BYTES:
            raise Invalid(f"{file.path} is larger than {MAX_BYTES} bytes", remedy="name patterns instead of files")
        said = _read(b"".join([chunk async for chunk in artifacts.read(file.sha256)]))
    return table_of(spec, said)


def _read(data: bytes) -> MLTable:
    try:
        return read_mltable(data)
    except Invalid as error:
        if not error.faults:
            raise
        raise Invalid("; ".join(str(fault) for fault in error.faults), remedy=error.remedy) from error


class DataVersions:
    """What people do with versions of data assets."""

    def __init__(self, store: TransactionalStore, committer: Committer, artifacts: ArtifactStore) -> None:
        self._store = store
        self._committer = committer
        self._artifacts = artifacts

    async def get(self, name: str, version: str) -> Resource:
        """One version; "latest" is the newest that is not archived. Raises NotFound."""
        return await find_version(self._store, name, version)

    async def profile(self, version: Resource) -> bytes:
        """Its profile as JSON. Raises NotFound while there is none."""
        status = DataVersionStatus.model_validate(version.status)
        if status.profile is None:
            why = f": {status.why}" if status.why else ""
            raise NotFound(f"{version.key} has no profile: it is {status.phase}{why}", remedy="wait, or profile it")
        return b"".join([chunk async for chunk in self._artifacts.read(status.profile.sha256)])

    async def again(self, version: Resource, cause: Cause) -> Resource:
        """Have a version profiled, again or for the first time; nothing changes for one that is under way."""

        async def change(current: Current) -> Sequence[Draft]:
            found = current[version.key]
            if found is None:
                raise NotFound(f"there is no {version.key}", remedy="`slipway data list` shows all")
            status = DataVersionStatus.model_validate(found.status)
            if found.unfinished and status.phase not in DATA_TERMINAL:
                return ()
            return (Draft.of(found, status=status_anew(found).model_dump(mode="json"), unfinished=True),)

        await self._committer.transact((version.key,), change, cause)
        return await self.get(version.name, str(version.version))
