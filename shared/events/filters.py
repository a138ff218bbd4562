"""Which events a subscription gets: Event Grid's filters, as pure functions.

Source: Microsoft Learn, "Understand event filtering for Event Grid subscriptions". Where that article is silent (a
missing key under NumberInRange and NumberNotInRange) the filter does not match.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shared.ports import Subscription
from shared.resources.events import Event

ALL_EVENT_TYPES = "all"  # in included_event_types: every type, as an empty list is


@dataclass(frozen=True, slots=True)
class Operator:
    """One operatorType of an advanced filter."""

    operand: Literal["string", "number", "boolean", "range", "none"]  # of what type its values are
    holds: Callable[[Any, Any], bool]  # (a value of the event, a value of the filter); strings are casefolded
    takes_many: bool = True  # `values`; else `value`, or nothing
    negated: bool = False  # it matches when `holds` is true of no pair
    when_missing: bool = False  # the answer when the event has no such key, or null


def _in_range(value: float, bounds: list[float]) -> bool:
    return bounds[0] <= value <= bounds[1]


OPERATORS: dict[str, Operator] = {
    "NumberIn": Operator("number", lambda value, wanted: bool(value == wanted)),
    "NumberNotIn": Operator("number", lambda value, wanted: bool(value == wanted), negated=True, when_missing=True),
    "NumberLessThan": Operator("number", lambda value, wanted: bool(value < wanted), takes_many=False),
    "NumberGreaterThan": Operator("number", lambda value, wanted: bool(value > wanted), takes_many=False),
    "NumberLessThanOrEquals": Operator("number", lambda value, wanted: bool(value <= wanted), takes_many=False),
    "NumberGreaterThanOrEquals": Operator("number", lambda value, wanted: bool(value >= wanted), takes_many=False),
    "NumberInRange": Operator("range", _in_range),
    "NumberNotInRange": Operator("range", _in_range, negated=True),
    "BoolEquals": Operator("boolean", lambda value, wanted: value is wanted, takes_many=False),
    "StringIn": Operator("string", lambda value, wanted: bool(value == wanted)),
    "StringNotIn": Operator("string", lambda value, wanted: bool(value == wanted), negated=True, when_missing=True),
    "StringContains": Operator("string", lambda value, wanted: wanted in value),
    "StringNotContains": Operator("string", lambda value, wanted: wanted in value, negated=True),
    "StringBeginsWith": Operator("string", lambda value, wanted: bool(value.startswith(wanted))),
    "StringNotBeginsWith": Operator("string", lambda value, wanted: bool(value.startswith(wanted)), negated=True),
    "StringEndsWith": Operator("string", lambda value, wanted: bool(value.endswith(wanted))),
    "StringNotEndsWith": Operator("string", lambda value, wanted: bool(value.endswith(wanted)), negated=True),
    "IsNullOrUndefined": Operator("none", lambda value, wanted: False, takes_many=False, when_missing=True),
    "IsNotNull": Operator("none", lambda value, wanted: True, takes_many=False),
}

# Keys outside `data`, lower-cased: those of the Event Grid schema and of CloudEvents mean the same attribute.
ENVELOPE_KEYS: dict[str, Callable[[Event], str]] = {
    "id": lambda event: event.id,
    "topic": lambda event: event.topic,
    "source": lambda event: event.topic,
    "subject": lambda event: event.subject,
    "eventtype": lambda event: event.type,
    "type": lambda event: event.type,
    "dataversion": lambda event: event.data_version,
    "specversion": lambda event: "1.0",
}


def matches(subscription: Subscription, event: Event) -> bool:
    """Whether `event` goes to `subscription`: its type, its subject and every advanced filter must match.

    The subscription must have passed `shared.events.subscriptions.check_subscription`."""
    return (
        _type_matches(subscription.included_event_types, event.type)
        and _subject_matches(subscription, event.subject)
        and all(_filter_matches(each, event) for each in subscription.advanced_filters)
    )


def _type_matches(included: tuple[str, ...], event_type: str) -> bool:
    names = {name.casefold() for name in included}
    return not names or ALL_EVENT_TYPES in names or event_type.casefold() in names


def _subject_matches(subscription: Subscription, subject: str) -> bool:
    begin, end = subscription.subject_begins_with, subscription.subject_ends_with
    if not subscription.is_subject_case_sensitive:
        begin, end, subject = begin.casefold(), end.casefold(), subject.casefold()
    return subject.startswith(begin) and subject.endswith(end)


def _filter_matches(advanced_filter: Mapping[str, Any], event: Event) -> bool:
    operator = OPERATORS[advanced_filter["operatorType"]]
    found = value_of(event, advanced_filter["key"])
    if found is None:
        return operator.when_missing
    if operator.operand == "none":
        return operator.holds(found, None)
    # An array matches element by element (enableAdvancedFilteringOnArrays); values of another type are ignored.
    values = [_comparable(each) for each in (found if isinstance(found, list) else [found])]
    wanted = advanced_filter["values"] if operator.takes_many else [advanced_filter["value"]]
    pairs = ((value, _comparable(want)) for value in values if _fits(value, operator) for want in wanted)
    return any(operator.holds(value, want) for value, want in pairs) is not operator.negated


def value_of(event: Event, key: str) -> Any:
    """What `key` (`subject`, `data.modelTags.stage`; without regard to case) names in the event; None when nothing."""
    head, *rest = key.split(".")
    if head.casefold() != "data":
        envelope = ENVELOPE_KEYS.get(key.casefold())
        return envelope(event) if envelope else None
    found: Any = event.data
    for name in rest:
        found = _member(found, name)
    return found


def _member(node: Any, name: str) -> Any:
    if not isinstance(node, dict):
        return None
    if name in node:
        return node[name]
    folded = name.casefold()
    return next((value for key, value in node.items() if key.casefold() == folded), None)


def _comparable(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _fits(value: Any, operator: Operator) -> bool:
    if operator.operand == "string":
        return isinstance(value, str)
    if operator.operand == "boolean":
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool)
