"""Notifications as rows of a table in Azure Monitor, by its Logs Ingestion API (REST, 2023-01-01): alert rules and
workbooks are made of them there."""

from __future__ import annotations

import json
from typing import Any

from shared.adapters.notifiers.posting import post
from shared.errors import Retryable
from shared.monitors.notifications import title_of
from shared.resources.notification import AzureMonitorNotifier, Notification

SCOPE = "https://monitor.azure.com/.default"
API_VERSION = "2023-01-01"


class AzureMonitor:
    """A Notifier. Its identity is the installation's own, and needs Monitoring Metrics Publisher on the data collection
    rule."""

    def __init__(self, declared: AzureMonitorNotifier) -> None:
        self._declared = declared

    async def send(self, notification: Notification) -> None:
        """See Notifier. A repeat is one more row, with the same Id."""
        said = self._declared
        path = f"/dataCollectionRules/{said.rule_id}/streams/{said.stream}?api-version={API_VERSION}"
        headers = {"authorization": f"Bearer {await self._token()}"}
        await post(f"{said.endpoint.rstrip('/')}{path}", json.dumps([row_of(notification)]).encode(), headers)

    async def _token(self) -> str:
        from azure.core.exceptions import AzureError
        from azure.identity.aio import DefaultAzureCredential

        client_id = self._declared.client_id
        options = {"managed_identity_client_id": client_id} if client_id else {}  # else AZURE_CLIENT_ID's
        try:
            async with DefaultAzureCredential(**options) as credential:
                return (await credential.get_token(SCOPE)).token
        except AzureError as error:
            raise Retryable(f"there is no token for Azure Monitor: {type(error).__name__}") from None


def row_of(notification: Notification) -> dict[str, Any]:
    """One row: what the stream of the data collection rule has to declare."""
    return {
        "TimeGenerated": notification.at.isoformat(),
        "Id": notification.id,
        "Title": title_of(notification),
        "Monitor": notification.monitor,
        "Endpoint": notification.endpoint,
        "Signal": notification.signal,
        "RunId": notification.run_id,
        "Announcement": str(notification.announcement),
        "Severity": str(notification.severity),
        "Findings": [one.model_dump(mode="json") for one in notification.findings],
        "FindingsLeftOut": notification.left_out,
        "Reason": notification.reason,
    }
