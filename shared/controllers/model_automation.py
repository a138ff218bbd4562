"""What is done with a model version by itself once it is registered: optimised, then profiled, each once.

What is decided stands in the version's status before anything is begun, and what is begun has a name that follows from
the version: doing a step again finds it done.
"""

from __future__ import annotations

import hashlib

from shared.controllers.curated import curated_environment
from shared.controllers.outcome import Deps, Outcome
from shared.environments.versions import EnvironmentVersions
from shared.errors import Permanent
from shared.packaging.optimizations import Optimizations
from shared.packaging.profiles import ProfileAsked, Profiles
from shared.packaging.samples import own_sample
from shared.ports import wake
from shared.registry.keys import version_key
from shared.registry.models import split_reference
from shared.resources.automation import Automation, OptimizeSection, ProfileSample, ProfileSection
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, ResourceKey, with_condition
from shared.resources.environment_build import EnvironmentPhase
from shared.resources.model import ModelSpec, ModelVersionStatus
from shared.resources.optimization_job import KIND as OPTIMIZATION
from shared.resources.optimization_job import OPTIMIZATION_ID, OPTIMIZATION_TERMINAL, OptimizationStatus
from shared.resources.profile import KIND as PROFILE
from shared.resources.profile import PROFILE_TERMINAL
from shared.resources.profile_job import ProfileStatus

LOOK_S = 30.0  # the events of what is waited for wake the version earlier
ENVIRONMENT_LOOK_S = 5.0
POLICY_LOOK_S = 60.0  # until a policy that cannot be read is looked at again


async def decide(resource: Resource, status: ModelVersionStatus, deps: Deps) -> Outcome:
    """Put into the status what is to be done with a version, if anything. A policy that cannot be read lets nothing
    begin: a condition says so, and it is looked at again. Nor is a version opened by itself whose files were not
    accepted. Raises Retryable when a store can't answer."""
    try:
        wanted = await _decided(resource, deps)
    except Permanent as error:
        _note(status, deps, "AutomationDecided", ConditionStatus.FALSE, "PolicyUnreadable", str(error))
        return Outcome(status, unfinished=True, look_again_after_s=POLICY_LOOK_S)
    if wanted and any(c.type == "FilesAccepted" and c.status == ConditionStatus.FALSE for c in status.conditions):
        why = "its files were not accepted: optimise or profile it by the command if you trust it"
        _note(status, deps, "AutomationDecided", ConditionStatus.FALSE, "FilesNotAccepted", why)
        return Outcome(status)
    if any(one.type == "AutomationDecided" for one in status.conditions):
        _note(status, deps, "AutomationDecided", ConditionStatus.TRUE, "Decided", "the policy can be read")
    status.automation = wanted
    return Outcome(status, unfinished=wanted is not None, look_again_after_s=0 if wanted else None)


async def _decided(resource: Resource, deps: Deps) -> Automation | None:
    """What is to be done; None for nothing. The model's own file comes before the policy. One that was optimised from
    another is never optimised again, and is profiled as its parent would have been. Raises Invalid for a policy that
    cannot be read."""
    spec = ModelSpec.model_validate(resource.spec)
    is_derived = OPTIMIZATION_ID in resource.properties and spec.parent_model_id is not None
    if is_derived and (parents := await _of_parent(str(spec.parent_model_id), deps)) is not None:
        return parents
    optimize, profile = (None if is_derived else spec.optimize), spec.profile
    if optimize or profile:
        return Automation(by="model.yml", optimize=optimize, profile=profile)
    policy = await deps.policies.automation()
    rules = policy.rules if policy else []
    rule = next((one for one in rules if one.is_for(resource.name, resource.tags, spec.framework)), None)
    if rule is None or not ((rule.optimize and not is_derived) or rule.profile):
        return None
    return Automation(by="policy", optimize=None if is_derived else rule.optimize, profile=rule.profile)


async def _of_parent(parent_id: str, deps: Deps) -> Automation | None:
    name, version = split_reference(parent_id)
    parent = await deps.store.read(version_key(name, version))
    found = ModelVersionStatus.model_validate(parent.status).automation if parent else None
    if parent is None or found is None or found.profile is None:
        return found and Automation(by="parent")
    sample = found.profile_sample or _sample(parent, found.profile)
    return Automation(by="parent", profile=found.profile, profile_sample=sample)


def _sample(version: Resource, section: ProfileSection) -> ProfileSample | None:
    """The file that the section, or the model, names; None when it has none."""
    spec = ModelSpec.model_validate(version.spec)
    path = section.sample or spec.sample_input or ""
    found = own_sample(spec, path)
    return ProfileSample(text=found, name=path) if found else None


async def advance(resource: Resource, status: ModelVersionStatus, deps: Deps, cause: Cause) -> Outcome:
    """One step of what was decided. Raises Retryable when a store can't answer."""
    automation = status.automation
    assert automation is not None
    steps = _Steps(resource, status, automation, deps, cause)
    wait_s = 0.0
    if automation.optimize and not automation.is_optimized:
        wait_s = await steps.optimize(automation.optimize)
    elif automation.profile and not automation.is_profiled:
        wait_s = await steps.profile(automation.profile)
    return Outcome(status, unfinished=not automation.is_done, look_again_after_s=None if automation.is_done else wait_s)


class _Steps:
    """Takes steps, and says in the status what is so then."""

    def __init__(
        self, resource: Resource, status: ModelVersionStatus, automation: Automation, deps: Deps, cause: Cause
    ) -> None:
        self._resource = resource
        self._status = status
        self._automation = automation
        self._deps = deps
        self._cause = cause
        self._id = hashlib.sha256(str(resource.key).encode()).hexdigest()[:16]  # a version's name is never given again

    async def optimize(self, section: OptimizeSection) -> float:
        """Ask for the optimisation, or look whether it has ended; after how many seconds to look again."""
        found = await self._deps.store.read(ResourceKey(OPTIMIZATION, f"o-{self._id}"))
        if found is None and self._automation.optimization_id:
            return self._optimized(ConditionStatus.FALSE, "Deleted", "the optimisation was deleted")
        if found is None:
            try:
                await self._begin_optimization(section)
            except Permanent as error:
                return self._optimized(ConditionStatus.FALSE, "Refused", str(error))
            return LOOK_S
        self._automation.optimization_id = found.name
        ended = OptimizationStatus.model_validate(found.status)
        if ended.phase not in OPTIMIZATION_TERMINAL:
            self._say("Optimized", ConditionStatus.UNKNOWN, ended.phase, f"see optimization {found.name}")
            return LOOK_S
        why = next((one.message for one in ended.conditions if one.type == "Optimized"), "")
        if ended.registered:
            return self._optimized(ConditionStatus.TRUE, "Registered", f"{ended.registered}: {why}")
        return self._optimized(ConditionStatus.FALSE, ended.phase, why or f"see optimization {found.name}")

    async def _begin_optimization(self, section: OptimizeSection) -> None:
        deps, spec = self._deps, ModelSpec.model_validate(self._resource.spec)
        sample = own_sample(spec, section.sample) if section.sample else None
        made = await Optimizations(deps.store, deps.committer, deps.registry, deps.artifacts).ask(
            (self._resource.name, str(self._resource.version)),
            (sample, section.sample or ""),
            self._cause,
            source_kind=section.kind,
            framework_version=section.framework_version,
            tolerances=section.tolerances,
            variants=section.variants,
            register_as=section.register_as,
            optimization_id=f"o-{self._id}",
        )
        self._automation.optimization_id = made.name
        self._say("Optimized", ConditionStatus.UNKNOWN, "Pending", f"see optimization {made.name}")
        await wake(self._deps.queue, made.key)

    def _optimized(self, status: ConditionStatus, reason: str, message: str) -> float:
        self._automation.is_optimized = True
        self._say("Optimized", status, reason, message)
        if status == ConditionStatus.TRUE and self._automation.profile:
            derived = message.partition(": ")[0]
            self._profiled(ConditionStatus.UNKNOWN, "DerivedVersion", f"{derived} is profiled in its place")
        return 0.0

    async def profile(self, section: ProfileSection) -> float:
        """Ask for the profile, or look whether it has ended; after how many seconds to look again."""
        found = await self._deps.store.read(ResourceKey(PROFILE, f"p-{self._id}"))
        if found is None and self._automation.profile_id:
            return self._profiled(ConditionStatus.FALSE, "Deleted", "the profile was deleted")
        if found is None:
            try:
                return await self._begin_profile(section)
            except Permanent as error:
                return self._profiled(ConditionStatus.FALSE, "Refused", str(error))
        self._automation.profile_id = found.name
        ended = ProfileStatus.model_validate(found.status)
        if ended.phase not in PROFILE_TERMINAL:
            self._say("Profiled", ConditionStatus.UNKNOWN, ended.phase, f"see profile {found.name}")
            return LOOK_S
        result = ended.result
        if result is None or result.recommended_cpu is None:
            why = (result.error if result else None) or f"see profile {found.name}"
            return self._profiled(ConditionStatus.FALSE, ended.phase, why)
        message = f"{result.recommended_cpu:g} CPU, {result.recommended_memory_in_gb:g} GB: see profile {found.name}"
        return self._profiled(ConditionStatus.TRUE, ended.phase, message)

    async def _begin_profile(self, section: ProfileSection) -> float:
        deps = self._deps
        environments = EnvironmentVersions(deps.store, deps.committer, deps.artifacts)
        environment = await self._environment(section.environment, environments)
        if environment.status.get("phase") not in _SETTLED:
            self._say("Profiled", ConditionStatus.UNKNOWN, "EnvironmentNotBuilt", f"waiting for {environment.key}")
            return ENVIRONMENT_LOOK_S
        sample = self._automation.profile_sample or _sample(self._resource, section)
        asked = ProfileAsked(
            (environment.name, str(environment.version)),
            section.target_rps,
            section.p99_ms,
            section.max_memory_gb,
            "" if self._automation.by == "parent" else section.entry_script,
            sample.text if sample else None,
            sample.name if sample else "",
        )
        model = (self._resource.name, str(self._resource.version))
        profiles = Profiles(deps.store, deps.committer, deps.registry, environments, deps.artifacts)
        made = await profiles.ask(model, asked, self._cause, profile_id=f"p-{self._id}")
        self._automation.profile_id = made.name
        self._say("Profiled", ConditionStatus.UNKNOWN, "NotStarted", f"see profile {made.name}")
        await wake(self._deps.queue, made.key)
        return LOOK_S

    async def _environment(self, named: str, environments: EnvironmentVersions) -> Resource:
        text = named.removeprefix("azureml:")
        if text.startswith("slipway/"):
            text = await curated_environment(text, self._deps, self._cause)
        name, _, version = text.replace("@", ":").partition(":")
        return await environments.get(name, version or "latest")

    def _profiled(self, status: ConditionStatus, reason: str, message: str) -> float:
        self._automation.is_profiled = True
        self._say("Profiled", status, reason, message)
        return 0.0

    def _say(self, type_: str, status: ConditionStatus, reason: str, message: str) -> None:
        _note(self._status, self._deps, type_, status, reason, message)


_SETTLED = frozenset({EnvironmentPhase.SUCCEEDED, EnvironmentPhase.FAILED, EnvironmentPhase.CANCELED})


def _note(
    status: ModelVersionStatus, deps: Deps, type_: str, is_so: ConditionStatus, reason: str, message: str
) -> None:
    condition = Condition(
        type=type_, status=is_so, reason=reason, message=message[:2000], last_transition_time=deps.clock.now()
    )
    status.conditions = with_condition(status.conditions, condition)
