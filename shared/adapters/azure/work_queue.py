"""WorkQueue on Azure Storage Queues. Texts travel in base64, as the Functions host writes and expects them by default
(host.json, extensions.queues.messageEncoding)."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.adapters.azure.blob_service import RETRY
from shared.adapters.azure.errors import translated
from shared.adapters.queue_limits import (
    TIME_TO_LIVE_S,
    check_message,
    check_name,
    check_receive,
    check_visibility_timeout,
)
from shared.errors import Conflict
from shared.ports import ReceivedMessage

if TYPE_CHECKING:
    from azure.core.credentials import AzureNamedKeyCredential
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient


class AzureWorkQueue:
    """One queue; the client must have no encode and decode policy of its own. Part of a second counts as a whole one:
    the service knows only seconds."""

    def __init__(self, queue_client: QueueClient) -> None:
        self._client = queue_client

    async def send(self, body: str, *, delay_s: float = 0) -> str:
        """See WorkQueue."""
        text = base64.b64encode(check_message(body, delay_s)).decode()
        delay = math.ceil(delay_s)
        with translated(f"sending to queue {self._client.queue_name}"):
            sent = await self._client.send_message(text, visibility_timeout=delay, time_to_live=delay + TIME_TO_LIVE_S)
        return str(sent.id)

    async def receive(self, *, max_messages: int, visibility_timeout_s: float) -> tuple[ReceivedMessage, ...]:
        """See WorkQueue. A text that is not base64 of UTF-8 comes as it is: its reader can refuse it, so that it does
        not block the queue."""
        check_receive(max_messages, visibility_timeout_s)
        with translated(f"receiving from queue {self._client.queue_name}"):
            pages = self._client.receive_messages(
                messages_per_page=max_messages, visibility_timeout=math.ceil(visibility_timeout_s)
            ).by_page()
            async for page in pages:
                return tuple([_received(message) async for message in page])
        return ()

    async def update(self, message: ReceivedMessage, *, visibility_timeout_s: float) -> ReceivedMessage:
        """See WorkQueue. A message that is gone has no valid receipt: Conflict."""
        check_visibility_timeout(visibility_timeout_s)
        what = f"updating message {message.id} of queue {self._client.queue_name}"
        with translated(what), _receipt_errors(what):
            answer = await self._client.update_message(
                message.id, message.receipt, visibility_timeout=math.ceil(visibility_timeout_s)
            )
        return replace(message, receipt=str(answer.pop_receipt), next_visible_at=_time(answer.next_visible_on))

    async def delete(self, message: ReceivedMessage) -> None:
        """See WorkQueue."""
        what = f"deleting message {message.id} of queue {self._client.queue_name}"
        with translated(what), _receipt_errors(what, gone_is_fine=True):
            await self._client.delete_message(message.id, message.receipt)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def open_work_queue(
    account_url: str, name: str, credential_or_connection_string: AsyncTokenCredential | AzureNamedKeyCredential | str
) -> AzureWorkQueue:
    """The queue `name`, which must exist. A string is a connection string (account_url is not used then); raises
    Invalid for a name Azure would refuse."""
    from azure.storage.queue.aio import QueueClient

    check_name(name)
    retries: dict[str, Any] = dict(RETRY)
    if isinstance(credential_or_connection_string, str):
        return AzureWorkQueue(QueueClient.from_connection_string(credential_or_connection_string, name, **retries))
    return AzureWorkQueue(QueueClient(account_url, name, credential=credential_or_connection_string, **retries))


@contextmanager
def _receipt_errors(what: str, *, gone_is_fine: bool = False) -> Iterator[None]:
    # Storage answers a stale receipt with 400 PopReceiptMismatch, and 404 MessageNotFound when the message is gone or
    # (by its documentation) when the receipt no longer matches ("Update Message", "Delete Message", status codes).
    from azure.core.exceptions import HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        code = getattr(error, "error_code", "")
        code = getattr(code, "value", code)  # the SDK makes an enumeration of the codes it knows
        if code == "MessageNotFound" and gone_is_fine:
            return
        if code in ("PopReceiptMismatch", "MessageNotFound"):
            raise Conflict(f"{what}: its receipt is not the newest one") from error
        raise


def _received(message: QueueMessage) -> ReceivedMessage:
    return ReceivedMessage(
        id=str(message.id),
        body=_decoded(message.content),
        dequeue_count=int(message.dequeue_count or 0),
        inserted_at=_time(message.inserted_on),
        receipt=str(message.pop_receipt),
        next_visible_at=_time(message.next_visible_on),
        expires_at=_time(message.expires_on),
    )


def _decoded(content: Any) -> str:
    text = str(content or "")
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return text


def _time(time: datetime | None) -> datetime:
    if time is None:
        raise Conflict("the service's answer has no time")
    return time.astimezone(UTC)
