"""Notifications as adaptive cards, for the webhooks of Microsoft Teams' workflows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from shared.adapters.notifiers.posting import checked_url, post
from shared.monitors.notifications import facts_of, lines_of, title_of
from shared.resources.alerts import Severity
from shared.resources.notification import Notification, TeamsNotifier

CARD = "application/vnd.microsoft.card.adaptive"
_COLOURS = {Severity.NONE: "Good", Severity.WARNING: "Warning", Severity.CRITICAL: "Attention"}


class Teams:
    """A Notifier."""

    def __init__(self, declared: TeamsNotifier, secret: Callable[[str], str]) -> None:
        self._declared = declared
        self._secret = secret

    async def send(self, notification: Notification) -> None:
        """See Notifier."""
        url = checked_url(self._secret(self._declared.url_secret), self._declared.url_secret)
        await post(url, json.dumps(card_of(notification)).encode(), {})


def card_of(notification: Notification) -> dict[str, Any]:
    """A message with one card (Adaptive Cards 1.4). Its texts are Markdown: what names hold of that is escaped."""
    title = {"type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": True}
    lines = [{"type": "TextBlock", "wrap": True, "text": _escaped(line)} for line in lines_of(notification)]
    facts = [{"title": name, "value": _escaped(value)} for name, value in facts_of(notification)]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {**title, "color": _COLOURS[notification.severity], "text": _escaped(title_of(notification))},
            *lines,
            {"type": "FactSet", "facts": facts},
        ],
    }
    return {"type": "message", "attachments": [{"contentType": CARD, "content": content}]}


def _escaped(text: str) -> str:
    for mark in "\\*_[]()`~":
        text = text.replace(mark, f"\\{mark}")
    return text
