"""Events and who gets them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, StrictBool

from shared.ports import Subscription
from shared.resources.base import Document


class EventDocument(Document):
    """A published event, in the Event Grid schema."""

    id: str
    topic: str
    subject: str
    eventType: str
    eventTime: datetime
    data: dict[str, Any]
    dataVersion: str
    metadataVersion: str


class EventPage(Document):
    items: list[EventDocument]
    continuation: str | None


class SubscriptionRequest(Document):
    """A subscription to Slipway's events; fields as in Azure's event subscriptions."""

    endpoint_url: str = Field(min_length=1, max_length=2048)
    included_event_types: list[str] = Field(default_factory=list, max_length=100)
    subject_begins_with: str = Field(default="", max_length=512)
    subject_ends_with: str = Field(default="", max_length=512)
    is_subject_case_sensitive: StrictBool = False
    advanced_filters: list[dict[str, Any]] = Field(default_factory=list, max_length=25)
    event_delivery_schema: Literal["EventGridSchema", "CloudEventSchemaV1_0"] = "EventGridSchema"
    max_delivery_attempts: int = Field(default=30, ge=1, le=30, strict=True)
    event_time_to_live_min: int = Field(default=1440, ge=1, le=1440, strict=True)
    signing_secret: str | None = Field(
        default=None, max_length=512, description="`whsec_...`: sign deliveries; null: stop that"
    )

    def new_secret(self) -> str | None:
        """The port's form: None keeps the present one, "" removes it."""
        return (self.signing_secret or "") if "signing_secret" in self.model_fields_set else None

    def subscription(self, name: str) -> Subscription:
        """The port's form, without the secret."""
        fields = self.model_dump(exclude={"signing_secret"})
        fields["included_event_types"] = tuple(self.included_event_types)
        fields["advanced_filters"] = tuple(self.advanced_filters)
        return Subscription(name=name, **fields)


class SubscriptionDocument(Document):
    """A subscription; never with its secret."""

    name: str
    endpoint_url: str = Field(description="without its query, which often holds a secret")
    included_event_types: list[str]
    subject_begins_with: str
    subject_ends_with: str
    is_subject_case_sensitive: bool
    advanced_filters: list[dict[str, Any]]
    event_delivery_schema: str
    max_delivery_attempts: int
    event_time_to_live_min: int
    state: str = Field(description="Succeeded, AwaitingManualAction, Creating or Failed")
    state_reason: str


class SubscriptionPage(Document):
    items: list[SubscriptionDocument]
