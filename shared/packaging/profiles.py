"""Asking for the profile of a model: what is measured, in which environment, with which requests."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.environments.versions import EnvironmentVersions
from shared.errors import Fault, Invalid, NotFound
from shared.packaging.samples import sample_of
from shared.ports import ArtifactStore
from shared.registry.models import Registry
from shared.resources.base import Cause, Resource, ResourceKey, is_valid_name
from shared.resources.environment_build import EnvironmentPhase
from shared.resources.model import ModelSpec
from shared.resources.profile import KIND, PROFILE_TERMINAL, ProfileState
from shared.resources.profile_job import ProfileSpec, ProfileStatus


@dataclass(frozen=True, slots=True)
class ProfileAsked:
    """What somebody wants to know."""

    environment: tuple[str, str]  # name and version
    target_rps: float
    p99_ms: float
    max_memory_gb: float
    entry_script: str
    sample: str | None  # None: the model's own
    sample_name: str


class Profiles:
    """The profiles of models."""

    def __init__(
        self,
        store: TransactionalStore,
        committer: Committer,
        registry: Registry,
        environments: EnvironmentVersions,
        artifacts: ArtifactStore,
    ) -> None:
        self._store = store
        self._committer = committer
        self._registry = registry
        self._environments = environments
        self._artifacts = artifacts

    async def get(self, profile_id: str) -> Resource:
        """One profile. Raises NotFound."""
        found = await self._store.read(ResourceKey(KIND, profile_id)) if is_valid_name(profile_id) else None
        if found is None:
            raise NotFound(f"there is no profile {profile_id[:80]!r}", remedy="`slipway profile list` shows all")
        return found

    async def ask(self, model: tuple[str, str], asked: ProfileAsked, cause: Cause) -> Resource:
        """A new profile of a version. Raises NotFound, and Invalid for an environment not built, an entry script that
        is no file of the model, and when there is no sample."""
        version = await self._registry.get(*model)
        used = await self._environments.get(*asked.environment)
        if (phase := used.status.get("phase")) != EnvironmentPhase.SUCCEEDED:
            remedy = "wait for it, or see `slipway environment show`"
            raise Invalid(f"{used.key} cannot be used: it is {phase}", remedy=remedy)
        files = ModelSpec.model_validate(version.spec).files
        if asked.entry_script and asked.entry_script not in {file.path for file in files}:
            fault = Fault(f"{asked.entry_script!r} is no file of the model", "/entry_script")
            raise Invalid("the entry script is not there", faults=(fault,))
        sample, name = await sample_of(version, asked.sample, asked.sample_name, self._artifacts)
        spec = ProfileSpec(
            model_name=version.name,
            model_version=str(version.version),
            files=files,
            environment=f"{used.name}:{used.version}",
            entry_script=asked.entry_script,
            sample=sample,
            sample_name=name,
            target_rps=asked.target_rps,
            p99_ms=asked.p99_ms,
            max_memory_gb=asked.max_memory_gb,
            references=[str(version.key), str(used.key)],
        )
        key = ResourceKey(KIND, f"p-{secrets.token_hex(8)}")
        status = ProfileStatus().model_dump(mode="json")

        async def change(current: Current) -> Sequence[Draft]:
            return (Draft(key, spec.model_dump(mode="json"), status, unfinished=True),)

        await self._committer.transact((key,), change, cause)
        return await self.get(key.name)

    async def cancel(self, profile: Resource, cause: Cause) -> Resource:
        """Have a profile end. Raises Invalid for one that has ended."""
        state = ProfileState(profile.status["phase"])
        if state in PROFILE_TERMINAL:
            raise Invalid(f"{profile.key} is {state}: there is nothing to cancel")

        async def change(current: Current) -> Sequence[Draft]:
            found = current[profile.key]
            if found is None or not found.unfinished:
                return ()
            return (Draft.of(found, status={**found.status, "cancel_requested": True}),)

        await self._committer.transact((profile.key,), change, cause)
        return await self.get(profile.name)
