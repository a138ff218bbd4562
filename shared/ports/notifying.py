"""Where people are told."""

from __future__ import annotations

from typing import Protocol

from shared.resources.notification import Notification


class Notifier(Protocol):
    """Tells people: a webhook, Teams, Slack, mail, Azure Monitor."""

    async def send(self, notification: Notification) -> None:
        """Once. Raises Retryable when the receiver cannot take it now, Permanent when it never will; neither says the
        URL, a password or another secret."""
        ...
