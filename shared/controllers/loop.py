"""The control loop: look at one resource, take a step, commit what came out, look again when asked to.

A message only says "look at this resource": coming twice, late, out of order or never does no harm.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from shared import telemetry
from shared.commit import Current, Draft
from shared.controllers.outcome import Deps, Outcome
from shared.controllers.table import controller_of
from shared.errors import Invalid, NotFound, Retryable, SlipwayError
from shared.events import types
from shared.ports import WorkMessage
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, ResourceKey, Status, with_condition

log = logging.getLogger(__name__)

MAX_BACKOFF_S = 600.0
MAX_DEQUEUE_COUNT = 5  # host.json's: deliveries until a message is poison
RENEW_S = 60.0  # how long messages follow each other without a write; later the timer takes the resource for forgotten
MAX_LOOKS = 20  # at a resource that others change while a slow controller works on it
_OF_LOOKS = {"revision", "history_hash", "look_again_at", "modified_at", "modified_by"}
STALLED = "Stalled"  # the condition of a resource that waits for a re-drive (kstatus' name for it)


def _loaded(text: str) -> WorkMessage:
    """The message. Raises Invalid for none, and for kinds that nothing reconciles."""
    message = WorkMessage.load(text)
    controller_of(message.key.kind)
    return message


def backoff_s(attempt: int, base_s: float) -> float:
    """How long to wait after the attempt-th failure: base, twice that, ..., at most ten minutes."""
    return float(min(MAX_BACKOFF_S, base_s * 2 ** (attempt - 1)))


class Loop:
    """Runs controllers."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def look_at(
        self, key: ResourceKey, cause: Cause, *, new: Draft | None = None, until: str = ""
    ) -> Resource | None:
        """The resource after one look. `new` is what it is when there is none yet, or when it had failed and is
        declared otherwise now; None when there is none. `until` is the message's: while nothing changes, the messages
        of a chain follow each other without a write, and any other one ends. Raises Retryable, and Permanent for
        what can't succeed."""
        for _ in range(MAX_LOOKS):
            taken = await self._look_once(key, cause, new, until)
            if taken is not None:
                break
        else:
            raise Retryable(f"{key} is being changed by others all the time", remedy="try again")
        committed, outcome, going_on = taken
        if outcome is not None and outcome.look_again_after_s == 0:
            return await self.look_at(key, cause)
        if outcome is not None and outcome.look_again_after_s is not None:
            following = _until(committed[0]) if committed else going_on
            if following:
                await self.enqueue(WorkMessage(key, until=following), delay_s=outcome.look_again_after_s)
        return committed[0] if committed else await self._deps.store.read(key)

    async def _look_once(
        self, key: ResourceKey, cause: Cause, new: Draft | None, until: str
    ) -> tuple[Sequence[Resource], Outcome | None, str] | None:
        """What was committed, what for, and the chain that goes on without a commit; None when what a slow controller
        works on changed meanwhile. It never works with the partition held: it may itself have to commit there."""
        controller = controller_of(key.kind)
        outcome: Outcome | None = None
        is_outdated, going_on = False, ""
        ahead = await self._ahead(key, cause) if controller.is_slow else None

        async def change(current: Current) -> Sequence[Draft]:
            nonlocal outcome, is_outdated, going_on
            subject = _subject(current[key], new, self._deps.clock.now(), cause)
            if subject is None or not subject.unfinished:
                return ()
            if ahead is not None and _substance(ahead[0]) == _substance(subject):
                outcome = ahead[1]
            elif controller.is_slow and subject is current[key]:
                is_outdated = True
                return ()
            else:  # there is none yet, or it is declared otherwise now
                outcome = await controller.reconcile(subject, self._deps, cause)
            going_on = until if until == _until(subject) else ""
            return _drafts(subject, outcome, self._deps.clock.now(), until)

        committed = await self._deps.committer.transact((key,), change, cause)
        return None if is_outdated else (committed, outcome, going_on)

    async def _ahead(self, key: ResourceKey, cause: Cause) -> tuple[Resource, Outcome] | None:
        """What a slow controller makes of the resource as it is now, found without keeping others from writing
        in its partition; None when there is nothing to do."""
        found = await self._deps.store.read(key)
        if found is None or not found.unfinished:
            return None
        return found, await controller_of(key.kind).reconcile(found, self._deps, cause)

    async def work(self, text: str, message_id: str) -> None:
        """Handle one message of the work queue. A retryable failure goes back into the queue with a back-off; the last
        one, and a permanent one, becomes a condition. Raises Invalid for a message that is none."""
        message = _loaded(text)
        attributes = {"slipway.kind": message.key.kind, "slipway.resource": str(message.key)}
        began = time.monotonic()
        with telemetry.span(f"reconcile {message.key.kind}", message.traceparent, **attributes):
            outcome = await self._work(message, message_id)
        elapsed_s = time.monotonic() - began
        telemetry.record(telemetry.RECONCILE_DURATION, elapsed_s, kind=message.key.kind, outcome=outcome)

    async def _work(self, message: WorkMessage, message_id: str) -> str:
        """What came of it: done, retried or stalled."""
        cause = Cause(actor="reconcile", type="message", id=message_id)
        try:
            await self.look_at(message.key, cause, until=message.until)
        except Retryable as error:
            if message.attempt >= self._deps.settings.max_attempts:
                await self.stall(message.key, f"gave up after {message.attempt} attempts: {error.message}", cause)
                return "stalled"
            wait_s = backoff_s(message.attempt, self._deps.settings.retry_base_s)
            log.warning(
                "%s: attempt %d failed, next in %.0f s: %s", message.key, message.attempt, wait_s, error.message
            )
            await self.enqueue(WorkMessage(message.key, message.attempt + 1, message.until), delay_s=wait_s)
            return "retried"
        except SlipwayError as error:
            await self.stall(message.key, error.message, cause)
            return "stalled"
        return "done"

    async def poisoned(self, text: str, message_id: str) -> None:
        """Handle a message that the host gave up on: the function crashed each time, or hosts ended meanwhile, which is
        not the resource's fault. Each delivery counts as an attempt; when they are used up, its resource stalls."""
        telemetry.count(telemetry.POISON_MESSAGES)
        try:
            message = _loaded(text)
        except Invalid as error:
            log.error("dropped a poison message %s: %s", message_id, error.message)
            return
        attempt = message.attempt + MAX_DEQUEUE_COUNT
        if attempt <= self._deps.settings.max_attempts:
            log.warning("%s: %d deliveries came to nothing; it is tried again", message.key, MAX_DEQUEUE_COUNT)
            wait_s = backoff_s(message.attempt, self._deps.settings.retry_base_s)
            await self.enqueue(WorkMessage(message.key, attempt, message.until), delay_s=wait_s)
            return
        cause = Cause(actor="reconcile_poison", type="message", id=message_id)
        await self.stall(message.key, "reconciling failed unexpectedly every time; see the log", cause)

    async def stall(self, key: ResourceKey, why: str, cause: Cause) -> None:
        """Put the resource aside, saying why and how to go on."""
        controller = controller_of(key.kind)
        message = f"{why}. To try again: slipway reconcile {key}"
        log.error("%s: %s", key, message)

        async def change(current: Current) -> Sequence[Draft]:
            resource = current[key]
            if resource is None or not resource.unfinished:
                return ()
            stalled = Condition(
                type=STALLED,
                status=ConditionStatus.TRUE,
                reason="ReconcileFailed",
                message=message,
                last_transition_time=self._deps.clock.now(),
            )
            status = {**resource.status, "phase": controller.stalled_phase(resource.status.get("phase", ""))}
            conditions = Status.model_validate({"conditions": status.get("conditions", [])}).conditions
            status["conditions"] = [c.model_dump(mode="json") for c in with_condition(conditions, stalled)]
            data = {"kind": key.kind, "name": key.name, "version": key.version, "message": message}
            event = types.EventDraft(types.RECONCILE_FAILED, controller.subject(key), data)
            return (Draft.of(resource, status=status, unfinished=False, events=(event,)),)

        await self._deps.committer.transact((key,), change, cause)

    async def redrive(self, key: ResourceKey, cause: Cause) -> Resource:
        """Look again at a resource, also at one that had failed. Raises NotFound."""
        controller = controller_of(key.kind)

        async def change(current: Current) -> Sequence[Draft]:
            resource = current[key]
            if resource is None:
                raise NotFound(f"there is no {key}")
            if resource.unfinished or not _was_put_aside(resource):
                return ()
            again = controller.redriven(resource, self._deps)
            conditions = [c for c in again.status.get("conditions", []) if c["type"] != STALLED]
            status = {**again.status, "conditions": conditions}
            return (Draft.of(again, status=status, look_again_at=self._deps.clock.now()),)

        await self._deps.committer.transact((key,), change, cause)
        await self.enqueue(WorkMessage(key))
        found = await self._deps.store.read(key)
        if found is None:
            raise NotFound(f"there is no {key}")
        return found

    async def enqueue(self, message: WorkMessage, *, delay_s: float = 0) -> None:
        """Ask for a look at a resource."""
        sent = message if message.traceparent else replace(message, traceparent=telemetry.traceparent())
        await self._deps.queue.send(sent.dump(), delay_s=delay_s)


def _subject(current: Resource | None, new: Draft | None, now: datetime, cause: Cause) -> Resource | None:
    """What to look at: what is there, unless it failed and is declared otherwise now."""
    if new is None or (current is not None and not _declared_anew(current, new)):
        return current
    base = current or Resource(
        kind=new.key.kind,
        name=new.key.name,
        version=new.key.version,
        spec=new.spec,
        created_at=now,
        created_by=cause.actor,
        modified_at=now,
        modified_by=cause.actor,
    )
    generation = base.generation + (current is not None)
    return base.model_copy(
        update={"spec": new.spec, "status": new.status, "unfinished": True, "generation": generation}
    )


def _substance(resource: Resource) -> dict[str, Any]:
    """What a controller decides by: not who looked at it last, and when it is looked at next. Another message for the
    same resource, which only waits, changes that; what was worked out meanwhile is none the worse for it."""
    return resource.model_dump(exclude=_OF_LOOKS)


def _declared_anew(current: Resource, new: Draft) -> bool:
    return current.status.get("phase") == "Failed" and current.spec != new.spec


def _was_put_aside(resource: Resource) -> bool:
    conditions = resource.status.get("conditions", [])
    return resource.status.get("phase") == "Failed" or any(c["type"] == STALLED for c in conditions)


def _until(resource: Resource) -> str:
    """Names the chain of messages that looks at the resource now; "" when there is none."""
    return resource.look_again_at.isoformat() if resource.look_again_at else ""


def _drafts(subject: Resource, outcome: Outcome, now: datetime, until: str) -> Sequence[Draft]:
    """What is written: nothing when nothing changed and messages of a chain go on looking at it."""
    status = outcome.status.model_dump(mode="json")
    again_s = outcome.look_again_after_s or 0.0
    renewed_s = max(again_s, RENEW_S) if again_s else 0.0
    left_s = (subject.look_again_at - now).total_seconds() if subject.look_again_at else 0.0
    goes_on = left_s > again_s if until and until == _until(subject) else 0 < left_s <= renewed_s + 1
    same = subject.etag is not None and status == subject.status and not outcome.events and outcome.unfinished
    if same and goes_on:
        return ()
    draft = Draft.of(
        subject,
        status=status,
        unfinished=outcome.unfinished,
        look_again_at=now + timedelta(seconds=renewed_s),
        events=outcome.events,
    )
    return (draft,)
