"""The controller of environments: locks what a version asks for, and follows the build of what came out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from shared.commit import Current, Draft
from shared.controllers.environment_decision import Step, decide, phase_of
from shared.controllers.outcome import Controller, Deps, Outcome
from shared.environments.bases import find_base
from shared.environments.lock import Pin, dump_lock, read_lock
from shared.environments.requirements import Requirement
from shared.environments.resolve import resolve
from shared.environments.wanted import wanted_of
from shared.errors import Permanent
from shared.events import types
from shared.ports import ResourceQuery, wake
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, ResourceKey, with_condition
from shared.resources.build import BuildPhase, BuildStatus, StoredText
from shared.resources.declared import DeclaredSpec
from shared.resources.environment import KIND
from shared.resources.environment_build import KIND as BUILD_KIND
from shared.resources.environment_build import (
    TERMINAL,
    TRANSITIONS,
    EnvironmentBuildSpec,
    EnvironmentPhase,
    EnvironmentRecipe,
    EnvironmentVersionStatus,
)
from shared.resources.model import ModelFile

FOLLOW_S = 1.0  # how often a version looks at its build
MAX_LOCK_BYTES = 2_000_000
FORMER_VERSIONS = 20  # how many versions back a lock is looked for
_ENDED = {
    EnvironmentPhase.SUCCEEDED: (types.ENVIRONMENT_BUILT, ConditionStatus.TRUE),
    EnvironmentPhase.FAILED: (types.ENVIRONMENT_BUILD_FAILED, ConditionStatus.FALSE),
    EnvironmentPhase.CANCELED: (types.ENVIRONMENT_BUILD_CANCELED, ConditionStatus.FALSE),
}


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when the stores or the package index are not available."""
    status = EnvironmentVersionStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    version = _Version(resource, status, deps, cause)
    build = await version.build()
    match decide(status.phase, BuildPhase(build.phase) if build else None):
        case Step.BEGIN:
            return version.begun()
        case Step.LOCK:
            return await version.locked()
        case Step.ASK:
            return await version.asked()
        case Step.FOLLOW if build is not None:
            return version.followed(build)
    return Outcome(status)


class _Version:
    """Takes the step that was decided and says what is so then."""

    def __init__(self, resource: Resource, status: EnvironmentVersionStatus, deps: Deps, cause: Cause) -> None:
        self.resource = resource
        self.status = status
        self.deps = deps
        self.cause = cause

    async def build(self) -> BuildStatus | None:
        """The build of its identity, None when it is not locked or there is none."""
        if not self.status.identity:
            return None
        found = await self.deps.store.read(ResourceKey(BUILD_KIND, self.status.identity))
        return BuildStatus.model_validate(found.status) if found else None

    def begun(self) -> Outcome:
        """It is announced, and locked next."""
        self.status.phase = EnvironmentPhase.LOCKING
        event = self._event(types.ENVIRONMENT_REGISTERED, environmentTags=dict(self.resource.tags))
        return Outcome(self.status, (event,), unfinished=True, look_again_after_s=0)

    async def locked(self) -> Outcome:
        """It is locked, and its build asked for; or it is Failed with the resolver's reason."""
        spec = DeclaredSpec.model_validate(self.resource.spec)
        try:
            wanted = await wanted_of(spec, self._text)
            pins = await self._pins_kept() or await self._resolved(wanted.requirements, wanted.python_version)
            base_digest = await self._base(wanted.base_image)
        except Permanent as error:
            self.status.locked_from = ""
            faults = "; ".join(str(fault) for fault in error.faults)
            return self._ended(EnvironmentPhase.FAILED, "NotLocked", f"{error.message}: {faults}".removesuffix(": "))
        recipe = wanted.recipe(pins, base_digest)
        self.status.identity = recipe.identity
        self.status.packages = [str(pin) for pin in pins]
        self.status.base_image, self.status.base_digest = recipe.base_image, recipe.base_digest
        self.status.lock = await self._stored(dump_lock(pins)) if pins else None
        if not recipe.has_layers:
            self.status.location = recipe.base_reference or ""
            return self._ended(EnvironmentPhase.SUCCEEDED, "TakenAsItIs", "the image is used as it is")
        return await self._build_of(recipe)

    async def asked(self) -> Outcome:
        """Its build was deleted: it is locked already, and asked for again."""
        self.status.phase = EnvironmentPhase.LOCKING
        return Outcome(self.status, unfinished=True, look_again_after_s=0)

    def followed(self, build: BuildStatus) -> Outcome:
        """What is so of its build is so of it."""
        phase = phase_of(BuildPhase(build.phase))
        self.status.location = build.location
        if phase in TERMINAL:
            told = next((one for one in build.conditions if one.type == "Built"), None)
            return self._ended(phase, told.reason if told else phase, told.message if told else "")
        self.status.phase = phase
        return Outcome(self.status, unfinished=True, look_again_after_s=FOLLOW_S)

    async def _pins_kept(self) -> tuple[Pin, ...]:
        """What this version was locked to before: it never changes."""
        return await self._pins_of(self.status) if self.status.lock else ()

    async def _pins_of(self, status: EnvironmentVersionStatus) -> tuple[Pin, ...]:
        if status.lock is None:
            return ()
        return read_lock(await self._text(ModelFile(path="lock", **status.lock.model_dump())))

    async def _resolved(self, requirements: Sequence[Requirement], python_version: str) -> tuple[Pin, ...]:
        former: tuple[Pin, ...] = ()
        if not self.status.upgrade:
            former, self.status.locked_from = await self._former()
        settings = self.deps.settings
        return await resolve(
            requirements,
            python_version,
            former=former,
            index_url=settings.package_index_url,
            timeout_s=settings.lock_timeout_s,
        )

    async def _former(self) -> tuple[tuple[Pin, ...], str]:
        """The pins of the newest version that was locked before, and that version; nothing for the first."""
        for version, status in await self._earlier():
            if status.lock is not None:
                return await self._pins_of(status), version
        return (), ""

    async def _earlier(self) -> list[tuple[str, EnvironmentVersionStatus]]:
        """The versions before it, the newest first."""
        query = ResourceQuery(
            KIND, self.resource.name, "versions", sort="created", descending=True, limit=FORMER_VERSIONS
        )
        found = (await self.deps.store.list_resources(query)).items
        return [
            (str(one.version), EnvironmentVersionStatus.model_validate(one.status))
            for one in found
            if one.created_at < self.resource.created_at
        ]

    async def _base(self, image: str | None) -> str | None:
        """The digest of the base image, None when it cannot be had: a condition says where it is from."""
        if image is None or (self.status.base_digest and self.status.base_image == image):
            return self.status.base_digest
        earlier = [] if self.status.upgrade else await self._earlier()
        found = await find_base(image, earlier, self.deps.image_digests)
        is_so = ConditionStatus.TRUE if found.digest else ConditionStatus.FALSE
        self._note("BaseImageResolved", is_so, found.reason, found.message)
        return found.digest

    def _note(self, type_: str, is_so: ConditionStatus, reason: str, message: str) -> None:
        condition = Condition(
            type=type_,
            status=is_so,
            reason=reason,
            message=message[:2000],
            last_transition_time=self.deps.clock.now(),
        )
        self.status.conditions = with_condition(self.status.conditions, condition)

    async def _build_of(self, recipe: EnvironmentRecipe) -> Outcome:
        spec = EnvironmentBuildSpec(recipe=recipe, lock=self.status.lock)
        key = ResourceKey(BUILD_KIND, recipe.identity)

        async def change(current: Current) -> Sequence[Draft]:
            found = current[key]
            if found is not None and found.status["phase"] not in (BuildPhase.FAILED, BuildPhase.CANCELED):
                return ()  # it is built, or being built, for somebody else
            status = BuildStatus().model_dump(mode="json")
            return (Draft(key, spec.model_dump(mode="json"), status, unfinished=True),)

        await self.deps.committer.transact((key,), change, self.cause)
        await wake(self.deps.queue, key)
        self.status.phase = EnvironmentPhase.QUEUED
        return Outcome(self.status, unfinished=True, look_again_after_s=FOLLOW_S / 2)

    async def _stored(self, text: str) -> StoredText:
        artifact = await self.deps.artifacts.put(_chunks(text.encode()))
        return StoredText(sha256=artifact.sha256, size_bytes=artifact.size_bytes)

    async def _text(self, file: ModelFile) -> str:
        if file.size_bytes > MAX_LOCK_BYTES:
            raise Permanent(f"{file.path} has {file.size_bytes} bytes, at most {MAX_LOCK_BYTES} are read")
        try:
            return b"".join([chunk async for chunk in self.deps.artifacts.read(file.sha256)]).decode()
        except UnicodeDecodeError as error:
            raise Permanent(f"{file.path} is not UTF-8") from error

    def _ended(self, phase: EnvironmentPhase, reason: str, message: str) -> Outcome:
        type_, is_so = _ENDED[phase]
        self.status.phase = phase
        self._note("Built", is_so, reason, message)
        data = {"identity": self.status.identity, "location": self.status.location}
        more = {} if phase == EnvironmentPhase.SUCCEEDED else {"reason": message[:2000]}
        return Outcome(self.status, (self._event(type_, **data, **more),))

    def _event(self, type_: str, **data: object) -> types.EventDraft:
        return types.environment_event(type_, self.resource.name, str(self.resource.version), **data)


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


def stalled_phase(phase: str) -> str:
    """Failed, where that may come next."""
    now = EnvironmentPhase(phase or EnvironmentPhase.PENDING)
    return EnvironmentPhase.FAILED if EnvironmentPhase.FAILED in TRANSITIONS[now] else now


def redriven(resource: Resource, deps: Deps) -> Resource:
    """The version as if it had just been registered; a lock that it has is kept."""
    status = EnvironmentVersionStatus.model_validate(resource.status)
    status.phase, status.outdated = EnvironmentPhase.PENDING, ""
    return resource.model_copy(update={"status": status.model_dump(mode="json"), "unfinished": True})


def subject(key: ResourceKey) -> str:
    """As models have it."""
    return f"environments/{key.name}:{key.version}"


CONTROLLER = Controller(reconcile, stalled_phase, redriven, subject, is_slow=True)
