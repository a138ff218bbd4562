"""Subscriptions with their history: who had events delivered where, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from shared.commit import Current, Draft
from shared.controllers.outcome import Deps
from shared.ports import Subscription
from shared.resources.base import Cause, ResourceKey
from shared.resources.subscription import KIND, SubscriptionSpec, SubscriptionStatus


async def put_subscription(
    deps: Deps, subscription: Subscription, signing_secret: str | None, cause: Cause
) -> Subscription:
    """The subscription as it is now; what changed is recorded. Raises what EventSubscriptions.put raises."""
    made = await deps.subscriptions.put(subscription, signing_secret=signing_secret)
    fields = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(made).items()}
    fields["endpoint_url"] = without_query(made.endpoint_url)
    spec = SubscriptionSpec.model_validate({name: fields[name] for name in SubscriptionSpec.model_fields})
    await _record(deps, made.name, spec, SubscriptionStatus(phase=made.state), cause)
    return made


async def delete_subscription(deps: Deps, name: str, cause: Cause) -> None:
    """Stop delivering, and record who asked for it. Raises NotFound."""
    await deps.subscriptions.delete(name)
    await _record(deps, name, None, SubscriptionStatus(phase="Deleted"), cause)


def without_query(url: str) -> str:
    """The URL without its query, which often holds a secret."""
    return url.partition("?")[0]


async def _record(
    deps: Deps, name: str, spec: SubscriptionSpec | None, status: SubscriptionStatus, cause: Cause
) -> None:
    key = ResourceKey(KIND, name)

    async def change(current: Current) -> Sequence[Draft]:
        before = current[key]
        if spec is None and before is None:
            return ()
        new_spec = spec.model_dump(mode="json") if spec else (before.spec if before else {})
        return (Draft(key, new_spec, status.model_dump(mode="json")),)

    await deps.committer.transact((key,), change, cause)
