"""When a deployment's processes end because nobody asks, and when they are started again: never with a request lost."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.local.idle import AWAKE, Activity, Rest, activity_of, decided, with_ready
from shared.ports import DesiredDeployment

ONE = DesiredDeployment("blue", "", "", (), (), "", "", (), 1, {}, 5_000, idle_timeout_s=10)
QUIET = Activity(0, 0, is_routed=True)


def step(
    before: Rest, seen: Activity | None, now_s: float, one: DesiredDeployment = ONE, mirrored: bool = False
) -> Rest:
    return decided(before, one, "d", seen, is_mirrored=mirrored, now_s=now_s)


def test_one_that_nobody_asks_rests_then_ends_and_wakes() -> None:
    rest = with_ready(step(AWAKE, None, 0), 1, ONE, 100)
    assert rest == Rest("d", since_s=100)
    assert step(rest, QUIET, 109) == rest
    assert step(rest, replace(QUIET, last_request_s=105), 111) == rest
    assert step(rest, replace(QUIET, waiting=1), 999) == rest
    resting = step(rest, QUIET, 111)
    assert (resting.rests, resting.may_end) == (True, False)
    assert step(resting, None, 112) == resting
    assert not step(resting, QUIET, 112).may_end  # the router does not know yet
    ended = step(resting, replace(QUIET, is_routed=False), 113)
    assert ended.may_end
    assert step(ended, replace(QUIET, waiting=1, is_routed=False), 114) == Rest("d")
    assert step(ended, replace(QUIET, last_request_s=120, is_routed=False), 121) == Rest("d")


def test_what_is_not_to_rest_does_not() -> None:
    rest = Rest("d", since_s=100)
    assert not step(rest, QUIET, 999, replace(ONE, idle_timeout_s=None)).rests
    assert not step(rest, QUIET, 999, mirrored=True).rests
    assert decided(replace(rest, rests=True), ONE, "another", QUIET, is_mirrored=False, now_s=999) == Rest("another")
    assert not step(Rest("d"), QUIET, 999).rests  # it was never ready: what is wrong is seen first


@given(
    st.builds(Rest, st.just("d"), st.booleans(), st.booleans(), st.floats(0, 1e4)),
    st.floats(0, 1e4),
    st.booleans(),
    st.floats(0, 1e4),
)
def test_a_request_that_waits_wakes_it_and_nothing_ends_that_the_router_uses(
    before: Rest, last_s: float, is_routed: bool, now_s: float
) -> None:
    assert not step(before, Activity(last_s, 1, is_routed), now_s).rests or not before.rests
    after = step(before, Activity(last_s, 0, is_routed=True), now_s)
    assert after.may_end <= before.may_end


def test_the_routers_figures() -> None:
    text = """slipway_router_held{deployment="blue"} 2
slipway_router_in_flight{deployment="blue"} 1
slipway_router_last_request_timestamp_seconds{deployment="blue"} 1700000000
slipway_router_process_in_flight{deployment="green",process="127.0.0.1:1"} 0
"""
    assert activity_of(text, "blue") == Activity(1700000000, 3, is_routed=False)
    assert activity_of(text, "green") == Activity(0, 0, is_routed=True)
    assert activity_of("", "blue") is None
