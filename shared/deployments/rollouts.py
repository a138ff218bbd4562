"""Asking for a rollout, and for what people may ask of one."""

from __future__ import annotations

from collections.abc import Sequence

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.deployments.live_traffic import deployment_names
from shared.errors import AlreadyExists, Fault, Invalid, NotFound
from shared.resources.base import Cause, Resource, ResourceKey, is_valid_name
from shared.resources.online_endpoint import KIND as ENDPOINT
from shared.resources.rollout import KIND, TERMINAL, RolloutPhase, RolloutRequest, RolloutSpec, RolloutStatus
from shared.rollout.transitions import ALLOWED_REQUESTS


class Rollouts:
    """The rollouts of endpoints."""

    def __init__(self, store: TransactionalStore, committer: Committer) -> None:
        self._store = store
        self._committer = committer

    async def get(self, name: str) -> Resource:
        """One rollout. Raises NotFound."""
        found = await self._store.read(ResourceKey(KIND, name)) if is_valid_name(name) else None
        if found is None:
            raise NotFound(f"there is no rollout {name[:80]!r}", remedy="`slipway rollout list` shows all")
        return found

    async def start(self, name: str, spec: RolloutSpec, cause: Cause) -> Resource:
        """A new rollout. Raises NotFound without the endpoint, Invalid for deployments it has not, AlreadyExists for a
        name that is taken."""
        if await self._store.read(ResourceKey(ENDPOINT, spec.endpoint_name)) is None:
            raise NotFound(
                f"there is no endpoint {spec.endpoint_name[:80]!r}", remedy="`slipway endpoint list` shows all"
            )
        names = await deployment_names(spec.endpoint_name, self._store)
        faults = [
            Fault(f"the endpoint has no deployment {said!r}", f"/spec/{place}", allowed=", ".join(names) or "none yet")
            for place, said in (("stable", spec.stable), ("candidate", spec.candidate))
            if said not in names
        ]
        if faults:
            raise Invalid("the rollout cannot begin", faults=tuple(faults))
        key = ResourceKey(KIND, name)
        document = spec.model_dump(mode="json")

        async def change(current: Current) -> Sequence[Draft]:
            if current[key] is not None:
                raise AlreadyExists(f"there is a rollout {name!r}", remedy="give another name")
            return (Draft(key, document, RolloutStatus().model_dump(mode="json"), unfinished=True),)

        await self._committer.transact((key,), change, cause)
        return await self.get(name)

    async def ask(self, name: str, request: RolloutRequest, cause: Cause) -> Resource:
        """Pause, resume, approve or abort. Raises NotFound, and Invalid for a rollout that has ended."""
        rollout = await self.get(name)
        if (phase := rollout.status.get("phase")) in TERMINAL:
            raise Invalid(f"the rollout {name} is {phase}: there is nothing to {request.value}")
        now = RolloutPhase(phase or RolloutPhase.PENDING)
        if now not in ALLOWED_REQUESTS[request]:
            fitting = ", ".join(one.value for one, phases in ALLOWED_REQUESTS.items() if now in phases) or "nothing"
            raise Invalid(f"a rollout that is {now} takes no {request.value}", remedy=f"it takes {fitting}")

        async def change(current: Current) -> Sequence[Draft]:
            found = current[rollout.key]
            if found is None or not found.unfinished:
                return ()
            return (Draft.of(found, status={**found.status, "request": request.value}),)

        await self._committer.transact((rollout.key,), change, cause)
        return await self.get(name)
