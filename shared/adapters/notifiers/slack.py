"""Notifications as messages, for Slack's incoming webhooks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from shared.adapters.notifiers.posting import checked_url, post
from shared.monitors.notifications import facts_of, lines_of, title_of
from shared.resources.notification import Notification, SlackNotifier

MAX_SECTION = 3000  # letters of a section's text (Block Kit)


class Slack:
    """A Notifier."""

    def __init__(self, declared: SlackNotifier, secret: Callable[[str], str]) -> None:
        self._declared = declared
        self._secret = secret

    async def send(self, notification: Notification) -> None:
        """See Notifier."""
        url = checked_url(self._secret(self._declared.url_secret), self._declared.url_secret)
        await post(url, json.dumps(message_of(notification)).encode(), {})


def message_of(notification: Notification) -> dict[str, Any]:
    """Text for the notification, blocks for the channel. Texts are plain, so that no name is taken for a mention."""
    title = title_of(notification)
    facts = " | ".join(f"{name}: {value}" for name, value in facts_of(notification))
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(title[:150])}]
    if lines := lines_of(notification):
        blocks.append({"type": "section", "text": _plain("\n".join(lines)[:MAX_SECTION])})
    blocks.append({"type": "context", "elements": [_plain(facts[:MAX_SECTION])]})
    return {"text": _escaped(title), "blocks": blocks}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
