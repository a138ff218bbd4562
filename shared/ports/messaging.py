"""Work that waits, and events that go out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from shared.resources.events import Event


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message while it is invisible to others."""

    id: str
    body: str
    dequeue_count: int  # 1 at the first receipt
    inserted_at: datetime
    receipt: str  # proves that this receipt is the newest
    next_visible_at: datetime
    expires_at: datetime


class WorkQueue(Protocol):
    """One named queue with Storage Queue semantics: at least once, unordered. SQLite, azure-storage-queue."""

    async def send(self, body: str, *, delay_s: float = 0) -> str:
        """Queue a text of at most 48 KiB; visible after delay_s (at most 7 days); the message's id."""
        ...

    async def receive(self, *, max_messages: int, visibility_timeout_s: float) -> tuple[ReceivedMessage, ...]:
        """Up to max_messages (1..32) visible ones, hidden for visibility_timeout_s (>= 1); () when none are."""
        ...

    async def update(self, message: ReceivedMessage, *, visibility_timeout_s: float) -> ReceivedMessage:
        """Set when it is visible again (0: now) and get a new receipt. Raises Conflict for a stale receipt."""
        ...

    async def delete(self, message: ReceivedMessage) -> None:
        """Done. Raises Conflict for a stale receipt; nothing happens when it is gone."""
        ...


class EventPublisher(Protocol):
    """Hands events to Event Grid. The local stand-in, azure-eventgrid."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Return once the service has taken all of them; raise Retryable if it may take them later."""
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who gets which events: the fields of Azure's Microsoft.EventGrid/eventSubscriptions, in snake case."""

    name: str  # 3..64 letters, digits and hyphens
    endpoint_url: str  # a webhook (http only to loopback)
    included_event_types: tuple[str, ...] = ()  # () is all
    subject_begins_with: str = ""
    subject_ends_with: str = ""
    is_subject_case_sensitive: bool = False
    advanced_filters: tuple[dict[str, Any], ...] = ()  # {"operatorType", "key", "value" | "values"}, all must hold
    event_delivery_schema: Literal["EventGridSchema", "CloudEventSchemaV1_0"] = "EventGridSchema"
    max_delivery_attempts: int = 30  # 1..30
    event_time_to_live_min: int = 1440  # 1..1440
    state: str = ""  # Azure's provisioningState: Succeeded, AwaitingManualAction, Failed, Creating
    state_reason: str = ""  # why, when it is not Succeeded


class EventSubscriptions(Protocol):
    """Subscriptions of other people's webhooks to Slipway's topic. The local stand-in, Azure's management API."""

    async def put(self, subscription: Subscription, *, signing_secret: str | None = None) -> Subscription:
        """Create or replace it: the endpoint's validation handshake is made first, and Invalid raised when it fails.
        With a signing secret (`whsec_...`) deliveries are signed by the Standard Webhooks specification, NotSupported
        where the service can't; None keeps the secret it has, "" removes it."""
        ...

    async def list(self) -> tuple[Subscription, ...]:
        """All, by name; never with a secret."""
        ...

    async def delete(self, name: str) -> None:
        """Stop delivering to it. Raises NotFound."""
        ...
