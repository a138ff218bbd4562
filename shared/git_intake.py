"""How git comes in: signed deliveries of the hosts, and people who ask. Each becomes a sync, and is queued."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.commit import Current, Draft
from shared.controllers.loop import Loop
from shared.controllers.outcome import Deps
from shared.errors import BadRequest, NotFound, SlipwayError, Unauthorized
from shared.ports import WorkMessage
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.git_repository import GitRepository
from shared.resources.sync import KIND, SyncPhase, SyncSpec, SyncStatus, Trigger, sync_id
from shared.webhooks.delivery import Delivery, Provider
from shared.webhooks.payload import normalised_url
from shared.webhooks.verify import verify_and_parse

log = logging.getLogger(__name__)

PROVIDERS: dict[str, Provider] = {
    "github": "github",
    "gitlab": "gitlab",
    "azure-devops": "azure-devops",
    "generic": "generic",
}
PULL_REQUEST_ACTIONS = frozenset(
    {"opened", "reopened", "synchronize", "open", "reopen", "update", "created", "updated"}
)


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a delivery."""

    sync_id: str | None  # the sync that it asks for; None when it asks for none
    message: str


class GitIntake:
    """Takes deliveries in."""

    def __init__(self, deps: Deps, loop: Loop) -> None:
        self._deps = deps
        self._loop = loop
        self.refused: Counter[str] = Counter()  # deliveries of this process that were not accepted, by error code

    async def deliver(self, provider: str, headers: Mapping[str, str], body: bytes, cause: Cause) -> Received:
        """Verify a delivery (header names in lower case) and queue the sync that it asks for; the same delivery again
        finds the same sync. Raises NotFound for an unknown provider or repository, TooLarge, Unauthorized, BadRequest;
        what is refused is counted."""
        try:
            delivery, repository = self._verified(provider, headers, body)
        except SlipwayError as error:
            self.refused[error.code] += 1
            log.warning("a delivery to /webhooks/%s was refused: %s", provider[:40], error.message)
            raise
        if repository is None:
            return Received(None, delivery.reason or f"{delivery.event} is understood; it starts nothing")
        spec = _spec(delivery, repository, self._deps)
        if isinstance(spec, str):
            return Received(None, spec)
        made = await self._queue(sync_id(provider, delivery.delivery_id), spec, cause)
        return Received(made.name, f"{spec.trigger} of {repository.name} is queued")

    async def run(self, repository: str, branch: str, *, dry_run: bool, cause: Cause) -> Resource:
        """Queue a sync of what a branch holds now. Raises NotFound, BadRequest for a branch that is not followed."""
        found = self._deps.git.named(repository)
        ref = f"refs/heads/{branch}"
        if not found.follows(ref):
            raise BadRequest(
                f"{repository} does not follow {branch!r}", remedy=f"it follows {', '.join(found.branches)}"
            )
        spec = SyncSpec(
            repository=found.name,
            trigger=Trigger.MANUAL,
            ref=ref,
            dry_run=dry_run,
            prune=found.prune,
            sender=cause.actor,
            pushed_at=self._deps.clock.now(),
        )
        return await self._queue(sync_id("manual", cause.id, self._deps.clock.now().isoformat()), spec, cause)

    def _verified(
        self, provider: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Delivery, GitRepository | None]:
        """The delivery, and the repository it is about; None when it is about none. It must be signed with a secret of
        that very repository."""
        if provider not in PROVIDERS:
            raise NotFound(f"there is no webhook {provider[:40]!r}", remedy=f"use one of {', '.join(PROVIDERS)}")
        known, now = PROVIDERS[provider], self._deps.clock.now()
        repositories = [one for one in self._deps.git.repositories if one.provider == known]
        if not repositories:
            raise Unauthorized(f"no {provider} repository is configured", remedy="set SLIPWAY_GIT_REPOSITORIES")
        secrets = tuple(secret for one in repositories for secret in self._deps.git.secrets(one))
        delivery = verify_and_parse(known, headers, body, secrets, now)
        if delivery.event in ("ping", "ignored"):
            return delivery, None
        found = next((one for one in repositories if _url(one) in delivery.repository_urls), None)
        if found is None:
            named = ", ".join(one.name for one in repositories)
            raise NotFound("the delivery is about a repository that is not configured", remedy=f"known are {named}")
        verify_and_parse(known, headers, body, self._deps.git.secrets(found), now)
        return delivery, found

    async def _queue(self, id_: str, spec: SyncSpec, cause: Cause) -> Resource:
        key = ResourceKey(KIND, id_)

        async def change(current: Current) -> Sequence[Draft]:
            if current[key] is not None:
                return ()
            status = SyncStatus(phase=SyncPhase.PENDING).model_dump(mode="json")
            return (Draft(key, spec.model_dump(mode="json"), status, unfinished=True),)

        committed = await self._deps.committer.transact((key,), change, cause)
        if committed:
            await self._loop.enqueue(WorkMessage(key))
            return committed[0]
        found = await self._deps.store.read(key)
        if found is None:
            raise NotFound(f"there is no {key}")
        return found


def _url(repository: GitRepository) -> str | None:
    return normalised_url(repository.url) if repository.url.startswith(("http://", "https://")) else None


def _spec(delivery: Delivery, repository: GitRepository, deps: Deps) -> SyncSpec | str:
    """The sync that a delivery asks for; or why it asks for none."""
    facts = {
        "repository": repository.name,
        "delivery_id": delivery.delivery_id,
        "sender": delivery.sender,
        "pushed_at": deps.clock.now(),
        "prune": repository.prune,
    }
    if delivery.event == "push":
        if delivery.ref is None or not repository.follows(delivery.ref):
            return f"{repository.name} does not follow {delivery.ref}"
        if delivery.deleted or delivery.after is None:
            return f"{delivery.ref} is gone; what its files declared is left as it is"
        return SyncSpec(trigger=Trigger.PUSH, ref=delivery.ref, commit=delivery.after, before=delivery.before, **facts)
    request = delivery.pull_request
    if delivery.event == "pull_request" and request is not None:
        if delivery.action is not None and delivery.action not in PULL_REQUEST_ACTIONS:
            return f"a pull request that was {delivery.action} changes nothing"
        if not repository.follows(request.base_ref):
            return f"{repository.name} does not follow {request.base_ref}"
        return SyncSpec(
            trigger=Trigger.PULL_REQUEST,
            ref=request.head_ref,
            commit=request.head_sha,
            pull_request=request.number,
            dry_run=True,
            **facts,
        )
    return f"{delivery.event} is understood; it starts nothing"
