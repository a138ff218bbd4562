"""Which notifiers there are."""

from __future__ import annotations

from collections.abc import Callable

from shared.adapters.notifiers.azure_monitor import AzureMonitor
from shared.adapters.notifiers.slack import Slack
from shared.adapters.notifiers.smtp import Smtp
from shared.adapters.notifiers.teams import Teams
from shared.adapters.notifiers.webhook import Webhook
from shared.ports import Clock
from shared.ports.notifying import Notifier
from shared.resources.notification import (
    AzureMonitorNotifier,
    NotifierDeclaration,
    SlackNotifier,
    TeamsNotifier,
    WebhookNotifier,
)


def notifier_of(declared: NotifierDeclaration, secret: Callable[[str], str], clock: Clock) -> Notifier:
    """The notifier of a declaration; `secret` reads a secret by its name, each time anew."""
    if isinstance(declared, WebhookNotifier):
        return Webhook(declared, secret, clock)
    if isinstance(declared, TeamsNotifier):
        return Teams(declared, secret)
    if isinstance(declared, SlackNotifier):
        return Slack(declared, secret)
    if isinstance(declared, AzureMonitorNotifier):
        return AzureMonitor(declared)
    return Smtp(declared, secret)
