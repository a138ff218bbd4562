"""Notifications as JSON to any URL, signed by the Standard Webhooks specification."""

from __future__ import annotations

import json
from collections.abc import Callable

from shared.adapters.notifiers.posting import checked_url, post
from shared.events.webhook_signing import signature_headers
from shared.monitors.notifications import title_of
from shared.ports import Clock
from shared.resources.notification import Notification, WebhookNotifier


class Webhook:
    """A Notifier. The signature's webhook-id is the notification's id, whatever the attempt."""

    def __init__(self, declared: WebhookNotifier, secret: Callable[[str], str], clock: Clock) -> None:
        self._declared = declared
        self._secret = secret
        self._clock = clock

    async def send(self, notification: Notification) -> None:
        """See Notifier."""
        url = checked_url(self._secret(self._declared.url_secret), self._declared.url_secret)
        body = json.dumps({**notification.model_dump(mode="json"), "title": title_of(notification)}).encode()
        key = self._secret(self._declared.signing_secret)
        headers = signature_headers(key, notification.id, self._clock.now(), body)
        await post(url, body, headers)
