"""Asking for the profile of a model: what is measured, in which environment, with which requests."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from shared.commit import Committer, TransactionalStore
from shared.environments.versions import EnvironmentVersions
from shared.packaging.samples import sample_of
from shared.packaging.work import Work, built_environment, check_entry_script
from shared.ports import ArtifactStore
from shared.registry.models import Registry
from shared.resources.base import Cause, Resource
from shared.resources.build import StoredText
from shared.resources.model import ModelSpec
from shared.resources.profile import KIND, PROFILE_TERMINAL
from shared.resources.profile_job import ProfileSpec, ProfileStatus


@dataclass(frozen=True, slots=True)
class ProfileAsked:
    """What somebody wants to know."""

    environment: tuple[str, str]  # name and version
    target_rps: float
    p99_ms: float
    max_memory_gb: float
    entry_script: str
    sample: str | StoredText | None  # None: the model's own
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
        self._work = Work(KIND, "profile", "slipway profile list", PROFILE_TERMINAL, store, committer)
        self._registry = registry
        self._environments = environments
        self._artifacts = artifacts

    async def get(self, profile_id: str) -> Resource:
        """One profile. Raises NotFound."""
        return await self._work.get(profile_id)

    async def ask(self, model: tuple[str, str], asked: ProfileAsked, cause: Cause, *, profile_id: str = "") -> Resource:
        """A new profile of a version; with an id the one that has it, when there is one. Raises NotFound, and
        Invalid for an environment not built, an entry script that is no file of the model, and when there is no
        sample."""
        version = await self._registry.get(*model)
        used = await built_environment(self._environments, asked.environment)
        files = ModelSpec.model_validate(version.spec).files
        check_entry_script(asked.entry_script, files)
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
        return await self._work.begin(profile_id or f"p-{secrets.token_hex(8)}", spec, ProfileStatus(), cause)

    async def cancel(self, profile: Resource, cause: Cause) -> Resource:
        """Have a profile end. Raises Invalid for one that has ended."""
        return await self._work.cancel(profile, cause)
