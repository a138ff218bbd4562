"""The trace in events and messages: it comes back as it went, and what is none counts for nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.events.wire import from_wire, to_cloud_event, to_event_grid
from shared.ports import WorkMessage
from shared.resources.base import ResourceKey
from shared.resources.events import Event
from shared.telemetry import is_traceparent

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def event(**data: Any) -> Event:
    return Event(id="e", type="t", subject="s", time=datetime(2026, 1, 1, tzinfo=UTC), data=data, topic="/t")


@pytest.mark.parametrize("form", [to_event_grid, to_cloud_event])
def test_the_trace_of_an_event_comes_back_in_either_form(form: Any) -> None:
    traced = event(modelName="m", traceparent=TRACE)
    assert from_wire(form(traced)) == traced
    assert from_wire(form(traced)).traceparent == TRACE
    plain = event(modelName="m")
    assert from_wire(form(plain)) == plain
    assert plain.traceparent == ""


def test_a_cloud_event_has_it_where_the_specification_says() -> None:
    document = to_cloud_event(event(modelName="m", traceparent=TRACE))
    assert document["traceparent"] == TRACE
    assert document["data"] == {"modelName": "m"}


@pytest.mark.parametrize(
    "text", ["", "x", TRACE.upper(), TRACE + "0", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", 7, None]
)
def test_what_is_no_trace_counts_as_none(text: Any) -> None:
    assert event(traceparent=text).traceparent == ""
    assert not is_traceparent(str(text))


def test_a_message_carries_it_and_one_without_is_as_it_was() -> None:
    message = WorkMessage(ResourceKey("model", "m", "1"), traceparent=TRACE)
    assert WorkMessage.load(message.dump()) == message
    assert "traceparent" not in WorkMessage(ResourceKey("model", "m", "1")).dump()
