"""Long work on versions of models (images, profiles, optimisations) as resources: found, begun and canceled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.environments.versions import EnvironmentVersions
from shared.errors import Fault, Invalid, NotFound
from shared.resources.base import Cause, Document, Resource, ResourceKey, Status, is_valid_name
from shared.resources.environment_build import EnvironmentPhase
from shared.resources.model import ModelFile


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one kind."""

    kind: str
    noun: str  # as people call one
    show_all: str  # the command that lists them
    terminal: Collection[str]  # phases in which nothing more happens
    store: TransactionalStore
    committer: Committer

    async def get(self, name: str) -> Resource:
        """One. Raises NotFound."""
        found = await self.store.read(ResourceKey(self.kind, name)) if is_valid_name(name) else None
        if found is None:
            raise NotFound(f"there is no {self.noun} {name[:80]!r}", remedy=f"`{self.show_all}` shows all")
        return found

    async def begin(
        self,
        name: str,
        spec: Document,
        status: Status,
        cause: Cause,
        *,
        again_in: Collection[str] = (),
        kept: Callable[[Resource], Sequence[Draft]] = lambda found: (),
    ) -> Resource:
        """The work of this name, asked for now or before; one that is in a phase of `again_in` is begun again. What is
        changed of one that is there already, `kept` says."""
        key = ResourceKey(self.kind, name)

        async def change(current: Current) -> Sequence[Draft]:
            found = current[key]
            if found is not None and found.status["phase"] not in again_in:
                return kept(found)
            return (Draft(key, spec.model_dump(mode="json"), status.model_dump(mode="json"), unfinished=True),)

        await self.committer.transact((key,), change, cause)
        return await self.get(name)

    async def cancel(self, work: Resource, cause: Cause) -> Resource:
        """Have it end. Raises Invalid when it has ended."""
        if (phase := work.status["phase"]) in self.terminal:
            raise Invalid(f"{work.key} is {phase}: there is nothing to cancel")

        async def change(current: Current) -> Sequence[Draft]:
            found = current[work.key]
            if found is None or not found.unfinished:
                return ()
            return (Draft.of(found, status={**found.status, "cancel_requested": True}),)

        await self.committer.transact((work.key,), change, cause)
        return await self.get(work.name)


async def built_environment(environments: EnvironmentVersions, named: tuple[str, str]) -> Resource:
    """The environment. Raises NotFound, and Invalid for one that is not built."""
    used = await environments.get(*named)
    if (phase := used.status.get("phase")) != EnvironmentPhase.SUCCEEDED:
        remedy = "wait for it, or see `slipway environment show`"
        raise Invalid(f"{used.key} cannot be used: it is {phase}", remedy=remedy)
    return used


def check_entry_script(entry_script: str, files: Sequence[ModelFile]) -> None:
    """Raises Invalid for a script that is no file of the model; "" is none."""
    if entry_script and entry_script not in {file.path for file in files}:
        fault = Fault(f"{entry_script!r} is no file of the model", "/entry_script", allowed="the path of one of them")
        raise Invalid("the entry script is not there", faults=(fault,))
