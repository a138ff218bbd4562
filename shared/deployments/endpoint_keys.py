"""What people ask of an endpoint's keys: to see them, or a token, and to have one made anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.commit import Committer, Current, Draft
from shared.deployments.credentials import Token, current, token_of
from shared.errors import Invalid, NotFound
from shared.events import types
from shared.ports import EndpointCredentialStore, WorkQueue, wake
from shared.resources.base import Cause, Resource
from shared.resources.declared import DeclaredSpec
from shared.resources.endpoint_credentials import EndpointCredentials, KeyType
from shared.resources.endpoint_status import OnlineEndpointStatus


def auth_mode_of(endpoint: Resource) -> str:
    """How callers prove who they are, as it is declared; Azure ML's default is key."""
    return str(DeclaredSpec.model_validate(endpoint.spec).declaration.get("auth_mode") or "key")


async def kept_of(endpoint: Resource, store: EndpointCredentialStore) -> EndpointCredentials:
    """The endpoint's credentials, made where there are none yet. Raises as the store."""
    status, made_for = OnlineEndpointStatus.model_validate(endpoint.status), endpoint.created_at
    return await store.update(endpoint.name, lambda kept: current(kept, made_for, status))


@dataclass(frozen=True, slots=True)
class EndpointKeys:
    """The keys and tokens of endpoints."""

    store: EndpointCredentialStore
    committer: Committer
    queue: WorkQueue

    async def get(self, endpoint: Resource, now: datetime) -> EndpointCredentials | Token:
        """What opens the endpoint: its keys, or a new token. Raises Invalid for an endpoint with neither."""
        mode = auth_mode_of(endpoint)
        if mode not in ("key", "aml_token"):
            remedy = "ask Entra ID for a token, or let `auth_mode` be key or aml_token"
            raise Invalid(f"{endpoint.name} has no keys and gives no tokens: its auth_mode is {mode}", remedy=remedy)
        kept = await kept_of(endpoint, self.store)
        return kept if mode == "key" else token_of(endpoint.name, kept, now)

    async def regenerate(self, endpoint: Resource, key: KeyType, cause: Cause) -> None:
        """Make a key anew: that it is wanted is committed, with its event, and then done; who is killed in between
        leaves it to the endpoint's controller. Raises Invalid for an endpoint that has no keys, and NotFound."""
        if (mode := auth_mode_of(endpoint)) != "key":
            raise Invalid(f"{endpoint.name} does not use keys: its auth_mode is {mode}", remedy="let it be key")
        field = f"{key.value}_key_generation"

        async def change(now: Current) -> Sequence[Draft]:
            found = now[endpoint.key]
            if found is None:
                raise NotFound(f"there is no endpoint {endpoint.name!r}", remedy="`slipway endpoint list` shows all")
            status = OnlineEndpointStatus.model_validate(found.status)
            status = status.model_copy(update={field: getattr(status, field) + 1})
            event = types.endpoint_event(types.ENDPOINT_KEY_REGENERATED, found.name, keyType=key.value)
            return (Draft.of(found, status=status.model_dump(mode="json"), unfinished=True, events=(event,)),)

        (after,) = await self.committer.transact((endpoint.key,), change, cause)
        await kept_of(after, self.store)
        await wake(self.queue, endpoint.key)
