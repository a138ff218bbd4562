"""The record of a subscription. What delivers the events is Event Grid; this says who asked for it, and when."""

from __future__ import annotations

from typing import Any

from shared.resources.base import Document, Status

KIND = "subscription"


class SubscriptionSpec(Document):
    """What was asked for, without secrets."""

    endpoint_url: str  # the webhook, without its query
    included_event_types: list[str]  # [] is all
    subject_begins_with: str  # "" is all
    subject_ends_with: str  # "" is all
    is_subject_case_sensitive: bool  # how the two above compare
    advanced_filters: list[dict[str, Any]]  # as in Azure's event subscriptions
    event_delivery_schema: str  # EventGridSchema or CloudEventSchemaV1_0
    max_delivery_attempts: int  # 1..30
    event_time_to_live_min: int  # 1..1440


class SubscriptionStatus(Status):
    """Its phase is Event Grid's provisioning state when it was changed last, or Deleted."""
