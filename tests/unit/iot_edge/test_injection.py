"""What people may set stays where it was set: in no query, no other field, no other module."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.deployment_targets.iot_edge.configurations import live_configuration
from shared.deployment_targets.iot_edge.manifest import module_of
from shared.deployment_targets.iot_edge.render import layers
from shared.errors import Invalid
from tests.doubles.hub_queries import condition
from tests.doubles.iot_hub_devices import metric
from tests.unit.iot_edge.samples import devices
from tests.unit.kubernetes.samples import deployment, endpoint

HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "' OR 1=1 --",
            "]] = 1 OR [[x",
            '"}},"$edgeHub":{}',
            "$edgeAgent",
            "a.b.c",
            "${HOME}",
            "\u2028\n\r\t",
            "x" * 300,
        ]
    ),
)
IDS = re.compile(r"[a-z0-9-]{1,128}")  # of what a hub takes, the part that nothing has to escape
PLAIN = layers(endpoint(deployment(), weights={"blue": 100}), devices(), "")["blue"]


@settings(max_examples=80, deadline=None)
@given(HOSTILE, HOSTILE, st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True), HOSTILE))
def test_names_and_variables_are_values_only(name: str, deployment_name: str, environ: dict[str, str]) -> None:
    one = deployment(deployment_name, environ=environ)
    try:
        (found,) = layers(endpoint(one, name=name, weights={deployment_name: 100}), devices(), "").values()
    except Invalid:
        assert any("\0" in value for value in environ.values()) or len(json.dumps(environ)) > 4096
        return
    document = json.loads(json.dumps(found.document()))
    assert IDS.fullmatch(found.id)
    assert found.condition == PLAIN.condition
    for text in found.queries.values():
        metric(text)
    assert [re.sub(r"\w{8,}", "", text) for text in found.queries.values()] == [
        re.sub(r"\w{8,}", "", text) for text in PLAIN.queries.values()
    ]
    assert set(document["content"]["modulesContent"]) == {"$edgeAgent", "$edgeHub"}
    module = module_of(document["content"])
    assert set(module) == set(module_of(dict(PLAIN.content)))
    own = {"SERVER_PORT", "SLIPWAY_SCORING_ENDPOINT", "SLIPWAY_SCORING_DEPLOYMENT", "SCORING_TIMEOUT_MS"}
    own.add("SLIPWAY_SCORING_MODEL_VERSION")
    assert {key: each["value"] for key, each in module["env"].items() if key not in own} == {
        key: value for key, value in environ.items() if key not in own
    }
    assert module["env"]["SLIPWAY_SCORING_DEPLOYMENT"] == {"value": deployment_name}
    assert document["labels"]["slipwayEndpoint"] == name
    back = live_configuration({**document, "etag": "x"}).configuration
    assert back == found


@settings(max_examples=100, deadline=None)
@given(st.one_of(HOSTILE, st.text(alphabet="()' ORtags.x=1<>ANDNOT", max_size=30)))
def test_a_target_condition_that_is_taken_narrows_nothing_but_itself(said: str) -> None:
    """In a ring it is one operand: whatever it says, devices outside of the ring do not meet it."""
    try:
        compute = devices(target_condition=said)
    except ValidationError:
        return
    ring = layers(
        endpoint(deployment("blue"), deployment("green"), weights={"blue": 90, "green": 10}), compute, "blue"
    )["green"]
    try:
        condition(said)
    except ValueError:
        return  # no condition at all: the hub says so
    test: Any = condition(ring.condition)
    assert not test({"deviceId": "x", "tags": {"ring": 50, "x": 1, "site": "north"}})
    assert not test({"deviceId": "x", "tags": {"x": 1}})
