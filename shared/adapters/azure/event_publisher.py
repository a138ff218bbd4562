"""EventPublisher on an Event Grid custom topic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from shared.adapters.azure.errors import translated
from shared.events.limits import MAX_REQUEST_BYTES, event_size_bytes
from shared.events.wire import to_cloud_event, to_event_grid
from shared.resources.events import Event

if TYPE_CHECKING:
    from azure.core.credentials import AzureKeyCredential
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.eventgrid.aio import EventGridPublisherClient

MAX_REQUEST_EVENTS = 5000
RETRIES = 2
RETRY_BACKOFF_S = 0.2  # doubled each time

InputSchema = Literal["EventGridSchema", "CloudEventSchemaV1_0"]


class EventGridPublisher:
    """Publishes in the topic's input schema."""

    def __init__(self, client: EventGridPublisherClient, input_schema: InputSchema) -> None:
        self._client = client
        self._document = _custom_topic_event if input_schema == "EventGridSchema" else to_cloud_event

    async def publish(self, events: Sequence[Event]) -> None:
        """See EventPublisher. Raises TooLarge, before anything is sent, when one event alone exceeds 1 MB."""
        for batch in list(_batches([self._document(event) for event in events])):
            with translated(f"publishing {len(batch)} events"):
                await self._client.send(batch)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()


def open_event_publisher(
    endpoint: str, credential: AsyncTokenCredential | AzureKeyCredential, input_schema: InputSchema
) -> EventGridPublisher:
    """A publisher to https://TOPIC.REGION-1.eventgrid.azure.net/api/events; it connects at the first publish."""
    from azure.eventgrid.aio import EventGridPublisherClient

    # The SDK would try for minutes while somebody waits; what is not published stays in the outbox and is swept.
    client = EventGridPublisherClient(endpoint, credential, retry_total=RETRIES, retry_backoff_factor=RETRY_BACKOFF_S)
    return EventGridPublisher(client, input_schema)


def _custom_topic_event(event: Event) -> dict[str, Any]:
    """Event Grid stamps its own id into `topic`, and refuses events that name another."""
    document = to_event_grid(event)
    del document["topic"]
    return document


def _batches(documents: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    batch_bytes = 0
    for document in documents:
        size_bytes = event_size_bytes(document)
        if batch and (batch_bytes + size_bytes > MAX_REQUEST_BYTES or len(batch) == MAX_REQUEST_EVENTS):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(document)
        batch_bytes += size_bytes
    if batch:
        yield batch
