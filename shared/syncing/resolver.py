"""Whether what a declaration refers to is there, and as which version."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.errors import Conflict, Fault, Invalid, NotFound
from shared.ports import ResourceStore
from shared.registry.models import Registry
from shared.resources.base import ResourceKey
from shared.resources.declared import VERSIONED_KINDS, AssetHeadStatus
from shared.resources.model import KIND as MODEL
from shared.resources.model import LATEST, ModelPhase
from shared.resources.sync import FileOutcome, FileResult
from shared.syncing.loading import DeclaredFile
from shared.syncing.references import Need


@dataclass(slots=True)
class Resolver:
    """Looks into the store, and at what was done, or would have been done, with the files before."""

    store: ResourceStore
    registry: Registry
    done: dict[tuple[str, str], list[FileOutcome]] = field(default_factory=dict)

    def note(self, outcome: FileOutcome) -> None:
        """Remember what became of a file."""
        if outcome.kind and outcome.name:
            self.done.setdefault((outcome.kind, outcome.name), []).append(outcome)

    async def references_of(self, file: DeclaredFile) -> list[str]:
        """Everything the file refers to, as KIND/NAME or KIND/NAME:VERSION, sorted. Raises Invalid with every reference
        to what is not there."""
        found: set[str] = set()
        faults: list[Fault] = []
        for need in file.needs:
            target = await self._find(need)
            if target:
                found.add(target)
            else:
                faults.append(file.source.fault(need.pointer, f"{need} does not exist{self._why(need)}"))
        if faults:
            raise Invalid("it refers to what does not exist", faults=tuple(faults))
        return sorted(found)

    async def exists(self, kind: str, name: str) -> bool:
        """Whether a resource of a kind without versions is there, or would be."""
        return self._planned(Need(kind, name, None, None, "")) is not None or (
            await self.store.read(ResourceKey(kind, name)) is not None
        )

    async def _find(self, need: Need) -> str | None:
        if planned := self._planned(need):
            return planned
        if need.kind == MODEL:
            return await self._model(need)
        if need.kind not in VERSIONED_KINDS:
            found = await self.store.read(ResourceKey(need.kind, need.name))
            return f"{need.kind}/{need.name}" if found else None
        version = need.version
        if version is None:
            head = await self.store.read(ResourceKey(need.kind, need.name))
            if head is None or need.label not in (None, LATEST):
                return None
            version = AssetHeadStatus.model_validate(head.status).latest_version
        key = ResourceKey(need.kind, need.name, version)
        return str(key) if version and await self.store.read(key) else None

    async def _model(self, need: Need) -> str | None:
        version = need.version or (f"@{need.label}" if need.label else LATEST)
        try:
            found = await self.registry.get(need.name, version)
        except (NotFound, Conflict):
            return None
        return None if found.status.get("phase") == ModelPhase.DELETING else str(found.key)

    def _planned(self, need: Need) -> str | None:
        """What a file before it made, or would make; None when no file did."""
        made = [one for one in self.done.get((need.kind, need.name), ()) if one.result != FileResult.REFUSED]
        if need.kind not in VERSIONED_KINDS:
            return f"{need.kind}/{need.name}" if made else None
        new = [one for one in made if one.version and one.result == FileResult.CREATED]
        if need.version is not None:
            new = [one for one in new if one.version == need.version]
        return f"{need.kind}/{need.name}:{new[-1].version}" if new and need.label in (None, LATEST) else None

    def _why(self, need: Need) -> str:
        for outcome in self.done.get((need.kind, need.name), ()):
            if outcome.result == FileResult.REFUSED:
                return f": {outcome.path}, which declares it, was refused"
            if outcome.version is None:
                return f": {outcome.path} declares it, and its files are still being brought; apply again then"
        return ""
