"""Which subscriptions get an event: the rules of Microsoft's article on event filtering, as a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.errors import Invalid
from shared.events.filters import OPERATORS, matches
from shared.events.subscriptions import check_subscription
from shared.ports import Subscription
from shared.resources.events import Event

EVENT = Event(
    id="4f1c",
    type="Microsoft.MachineLearningServices.ModelRegistered",
    subject="models/Diabetes:3",
    time=datetime(2026, 11, 23, tzinfo=UTC),
    topic="/subscriptions/s/workspaces/w",
    data={
        "modelName": "Diabetes",
        "modelVersion": 3,
        "modelTags": {"stage": "Production", "nothing": None},
        "isLatest": True,
        "ratio": 0.5,
        "numbers": [1, 5, "six"],
        "words": ["Alpha", "beta", 7],
        "flags": [False, True],
        "objects": [{"a": 1}],
        "emptyList": [],
    },
)


def to(**fields: Any) -> Subscription:
    return Subscription("a-name", "https://receiver.example/hook", **fields)


def gets(operator: str, key: str, *values: Any) -> bool:
    takes_many = OPERATORS[operator].takes_many
    given = {"values": list(values)} if takes_many else {"value": values[0]} if values else {}
    subscription = to(advanced_filters=({"operatorType": operator, "key": key, **given},))
    check_subscription(subscription)
    return matches(subscription, EVENT)


@pytest.mark.parametrize(
    ("operator", "key", "values", "expected"),
    [
        ("NumberIn", "data.modelVersion", (5, 3), True),
        ("NumberIn", "data.modelVersion", (5,), False),
        ("NumberIn", "data.ratio", (0.5,), True),
        ("NumberIn", "data.modelName", (3,), False),  # a string is not a number
        ("NumberIn", "data.isLatest", (1,), False),  # neither is true
        ("NumberIn", "data.absent", (3,), False),
        ("NumberIn", "data.numbers", (5, 9), True),
        ("NumberIn", "data.numbers", (9,), False),
        ("NumberNotIn", "data.modelVersion", (41, 0), True),
        ("NumberNotIn", "data.modelVersion", (41, 3), False),
        ("NumberNotIn", "data.absent", (3,), True),
        ("NumberNotIn", "data.numbers", (9, 5), False),
        ("NumberNotIn", "data.numbers", (9,), True),
        ("NumberLessThan", "data.modelVersion", (4,), True),
        ("NumberLessThan", "data.modelVersion", (3,), False),
        ("NumberLessThan", "data.numbers", (2,), True),
        ("NumberLessThan", "data.absent", (4,), False),
        ("NumberLessThanOrEquals", "data.modelVersion", (3,), True),
        ("NumberLessThanOrEquals", "data.modelVersion", (2.9,), False),
        ("NumberGreaterThan", "data.modelVersion", (2,), True),
        ("NumberGreaterThan", "data.modelVersion", (3,), False),
        ("NumberGreaterThan", "data.absent", (0,), False),
        ("NumberGreaterThanOrEquals", "data.modelVersion", (3,), True),
        ("NumberGreaterThanOrEquals", "data.numbers", (6,), False),
        ("NumberInRange", "data.modelVersion", ([10, 20], [3, 4]), True),
        ("NumberInRange", "data.modelVersion", ([3.1, 4],), False),
        ("NumberInRange", "data.numbers", ([4, 6],), True),
        ("NumberInRange", "data.absent", ([0, 9],), False),
        ("NumberNotInRange", "data.modelVersion", ([4, 5],), True),
        ("NumberNotInRange", "data.modelVersion", ([4, 5], [2, 3]), False),
        ("NumberNotInRange", "data.numbers", ([4, 6],), False),
        ("NumberNotInRange", "data.absent", ([4, 6],), False),
        ("BoolEquals", "data.isLatest", (True,), True),
        ("BoolEquals", "data.isLatest", (False,), False),
        ("BoolEquals", "data.flags", (True,), True),
        ("BoolEquals", "data.modelVersion", (True,), False),
        ("BoolEquals", "data.absent", (False,), False),
        ("StringIn", "data.modelTags.stage", ("test", "PRODUCTION"), True),
        ("StringIn", "data.modelTags.stage", ("prod",), False),
        ("StringIn", "data.words", ("BETA",), True),
        ("StringIn", "data.absent", ("a",), False),
        ("StringNotIn", "data.modelTags.stage", ("test",), True),
        ("StringNotIn", "data.modelTags.stage", ("production",), False),
        ("StringNotIn", "data.words", ("gamma", "alpha"), False),
        ("StringNotIn", "data.absent", ("a",), True),
        ("StringContains", "data.modelName", ("xyz", "ABET"), True),
        ("StringContains", "data.words", ("lph",), True),
        ("StringContains", "data.modelVersion", ("3",), False),
        ("StringNotContains", "data.modelName", ("xyz",), True),
        ("StringNotContains", "data.modelName", ("xyz", "abet"), False),
        ("StringNotContains", "data.words", ("ETA",), False),
        ("StringNotContains", "data.absent", ("a",), False),  # not matched when the key is missing, as documented
        ("StringBeginsWith", "data.modelName", ("DIA",), True),
        ("StringBeginsWith", "data.modelName", ("abet",), False),
        ("StringNotBeginsWith", "data.modelName", ("abet",), True),
        ("StringNotBeginsWith", "data.modelName", ("dia",), False),
        ("StringNotBeginsWith", "data.absent", ("a",), False),
        ("StringEndsWith", "data.modelName", ("BETES",), True),
        ("StringEndsWith", "data.modelName", ("bete",), False),
        ("StringNotEndsWith", "data.modelName", ("bete",), True),
        ("StringNotEndsWith", "data.modelName", ("betes",), False),
        ("StringNotEndsWith", "data.absent", ("a",), False),
        ("IsNullOrUndefined", "data.absent", (), True),
        ("IsNullOrUndefined", "data.modelTags.nothing", (), True),
        ("IsNullOrUndefined", "data.modelName", (), False),
        ("IsNullOrUndefined", "data.emptyList", (), False),
        ("IsNotNull", "data.modelName", (), True),
        ("IsNotNull", "data.modelTags.nothing", (), False),
        ("IsNotNull", "data.absent.below", (), False),
        ("NumberIn", "data.objects", (1,), False),  # arrays of objects are not filtered on
    ],
)
def test_each_operator_decides_as_documented(operator: str, key: str, values: tuple[Any, ...], expected: bool) -> None:
    assert gets(operator, key, *values) is expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ID", "4F1C"),
        ("Topic", "/subscriptions/S/workspaces/w"),
        ("source", "/subscriptions/s/workspaces/w"),
        ("Subject", "models/diabetes:3"),
        ("EventType", "microsoft.machinelearningservices.modelregistered"),
        ("type", "Microsoft.MachineLearningServices.ModelRegistered"),
        ("dataVersion", "1"),
        ("specversion", "1.0"),
        ("Data.ModelTags.Stage", "production"),
    ],
)
def test_keys_of_both_schemas_are_found_in_any_case(key: str, value: str) -> None:
    assert gets("StringIn", key, value)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"included_event_types": ("Microsoft.MachineLearningServices.ModelRegistered",)}, True),
        ({"included_event_types": ("Microsoft.MachineLearningServices.ModelDeployed",)}, False),
        ({"included_event_types": ("All",)}, True),
        ({"subject_begins_with": "MODELS/", "subject_ends_with": ":3"}, True),
        ({"subject_begins_with": "MODELS/", "is_subject_case_sensitive": True}, False),
        ({"subject_begins_with": "models/D", "is_subject_case_sensitive": True}, True),
        ({"subject_ends_with": ":4"}, False),
    ],
)
def test_types_and_subjects_are_filtered(fields: dict[str, Any], expected: bool) -> None:
    assert matches(to(**fields), EVENT) is expected


def test_values_of_one_filter_are_alternatives_and_all_filters_must_hold() -> None:
    production = {"operatorType": "StringIn", "key": "data.modelTags.stage", "values": ["production"]}
    newer = {"operatorType": "NumberGreaterThan", "key": "data.modelVersion", "value": 3}
    assert matches(to(advanced_filters=(production,)), EVENT)
    assert not matches(to(advanced_filters=(production, newer)), EVENT)


def test_all_faults_of_a_subscription_are_told_at_once() -> None:
    subscription = Subscription(
        name="x_",
        endpoint_url="http://receiver.example/hook?code=secret",
        max_delivery_attempts=31,
        event_time_to_live_min=0,
        advanced_filters=(
            {"operatorType": "StringMatches", "key": "data.a", "values": ["b"]},
            {"operatorType": "NumberIn", "key": "color", "values": ["b"]},
            {"operatorType": "NumberLessThan", "key": "data.a", "values": [1]},
            {"operatorType": "NumberInRange", "key": "data.a", "values": [[2, 1]]},
            {"operatorType": "IsNotNull", "key": "data.", "value": 1},
            {"operatorType": "StringIn", "key": "data.a", "values": ["x" * 513], "negate": True},
        ),
    )
    with pytest.raises(Invalid) as caught:
        check_subscription(subscription, signing_secret="whsec_short")
    assert {fault.pointer for fault in caught.value.faults} == {
        "/name",
        "/endpoint_url",
        "/max_delivery_attempts",
        "/event_time_to_live_min",
        "/signing_secret",
        "/advanced_filters/0/operatorType",
        "/advanced_filters/1/key",
        "/advanced_filters/1/values/0",
        "/advanced_filters/2/value",
        "/advanced_filters/2/values",
        "/advanced_filters/3/values/0",
        "/advanced_filters/4/key",
        "/advanced_filters/4/value",
        "/advanced_filters/5/negate",
        "/advanced_filters/5/values/0",
    }
    assert "code=secret" not in str(caught.value)


@pytest.mark.parametrize("count", [26, 25])
def test_25_values_in_all_filters_are_allowed(count: int) -> None:
    one = {"operatorType": "StringIn", "key": "data.a", "values": ["v"]}
    many = {"operatorType": "StringIn", "key": "data.a", "values": ["v"] * (count - 1)}
    if count <= 25:
        check_subscription(to(advanced_filters=(one, many)))
        return
    with pytest.raises(Invalid, match="26 filter values"):
        check_subscription(to(advanced_filters=(one, many)))


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example/hook?code=a",
        "https://receiver.example:8443/",
        "http://127.0.0.1:7072/hook",
        "http://127.8.8.8/",
        "http://[::1]:9/",
        "http://localhost/",
    ],
)
def test_endpoints_may_be_https_anywhere_and_http_on_this_machine(url: str) -> None:
    check_subscription(Subscription("a-name", url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "receiver.example/hook",
        "ftp://receiver.example/",
        "http://receiver.example/",
        "http://127.0.0.1.example/",
        "http://localhost.example/",
        "http://2130706433/",
        "http://0.0.0.0/",
        "https://",
        "https://user:password@receiver.example/",
        "http://localhost@receiver.example/",
        "https://receiver.example:99999/",
        "https://receiver.example/#part",
        "https://receiver.example/a b",
        "https://receiver.example/\r\nX-Header: 1",
        "https://receiver.example/" + "a" * 2048,
    ],
)
def test_other_endpoints_are_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_subscription(Subscription("a-name", url))
    assert next(fault.pointer for fault in caught.value.faults) == "/endpoint_url"
    assert "password" not in str(caught.value).replace("user name or password", "")
