"""A Subscription as the resource Microsoft.EventGrid/topics/eventSubscriptions (API version 2025-02-15), and back."""

from __future__ import annotations

from typing import Any, Literal

from shared.ports import Subscription

_WAITING = "the validation URL in the validation event must be opened"


def to_arm(subscription: Subscription) -> dict[str, Any]:
    """The body of a PUT."""
    return {
        "properties": {
            "destination": {"endpointType": "WebHook", "properties": {"endpointUrl": subscription.endpoint_url}},
            "filter": {
                # null is all; an empty list is not documented
                "includedEventTypes": list(subscription.included_event_types) or None,
                "subjectBeginsWith": subscription.subject_begins_with,
                "subjectEndsWith": subscription.subject_ends_with,
                "isSubjectCaseSensitive": subscription.is_subject_case_sensitive,
                "enableAdvancedFilteringOnArrays": True,
                "advancedFilters": [dict(each) for each in subscription.advanced_filters],
            },
            "eventDeliverySchema": subscription.event_delivery_schema,
            "retryPolicy": {
                "maxDeliveryAttempts": subscription.max_delivery_attempts,
                "eventTimeToLiveInMinutes": subscription.event_time_to_live_min,
            },
        }
    }


def from_arm(resource: dict[str, Any]) -> Subscription:
    """The subscription of an answer. Azure answers `endpointBaseUrl`, without the query, in the place of `endpointUrl`;
    a destination that is no webhook has the endpoint URL ""."""
    properties = resource.get("properties") or {}
    destination = (properties.get("destination") or {}).get("properties") or {}
    filters = properties.get("filter") or {}
    retry = properties.get("retryPolicy") or {}
    state = str(properties.get("provisioningState") or "")
    return Subscription(
        name=str(resource.get("name") or ""),
        endpoint_url=str(destination.get("endpointUrl") or destination.get("endpointBaseUrl") or ""),
        included_event_types=tuple(filters.get("includedEventTypes") or ()),
        subject_begins_with=filters.get("subjectBeginsWith") or "",
        subject_ends_with=filters.get("subjectEndsWith") or "",
        is_subject_case_sensitive=bool(filters.get("isSubjectCaseSensitive")),
        advanced_filters=tuple(filters.get("advancedFilters") or ()),
        event_delivery_schema=_schema(properties),
        max_delivery_attempts=int(retry.get("maxDeliveryAttempts") or 30),
        event_time_to_live_min=int(retry.get("eventTimeToLiveInMinutes") or 1440),
        state=state,
        state_reason=_WAITING if state == "AwaitingManualAction" else "",
    )


def _schema(properties: dict[str, Any]) -> Literal["EventGridSchema", "CloudEventSchemaV1_0"]:
    cloud = str(properties.get("eventDeliverySchema")).casefold() == "cloudeventschemav1_0"
    return "CloudEventSchemaV1_0" if cloud else "EventGridSchema"
