"""Azure ML's traffic rules, every fault in one answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Invalid
from shared.rollout.traffic import (
    Traffic,
    faults_of,
    patched,
    weights_of_v1,
    with_deployment,
    without_deployment,
)

BLUE = Traffic({"blue": 100, "green": 0}, {})


def test_a_patch_leaves_those_alone_whom_it_does_not_name() -> None:
    three = Traffic({"blue": 70, "green": 10, "red": 20}, {})
    after = patched(three, Traffic({"blue": 60, "green": 20}, {}), three.weights)
    assert after.weights == {"blue": 60, "green": 20, "red": 20}


def test_a_patch_that_breaks_the_sum_says_who_was_not_named() -> None:
    with pytest.raises(Invalid, match="unchanged: blue=100") as refused:
        patched(BLUE, Traffic({"green": 10}, {}), BLUE.weights)
    assert [fault.message for fault in refused.value.faults] == ["the percentages sum up to 110"]


def test_all_faults_come_in_one_answer() -> None:
    wrong = Traffic({"blue": 120, "grey": 5, "green": -1}, {"blue": 60, "green": 10})
    assert {fault.pointer for fault in faults_of(wrong, ["blue", "green"])} == {
        "/traffic/grey",
        "/traffic/blue",
        "/traffic/green",
        "/traffic",
        "/mirror_traffic",
        "/mirror_traffic/blue",
    }


@pytest.mark.parametrize(("percent", "right"), [(1, True), (50, True), (51, False)])
def test_a_mirror_has_its_limit(percent: int, right: bool) -> None:
    assert (faults_of(Traffic({"blue": 100, "green": 0}, {"green": percent}), BLUE.weights) == ()) is right


def test_a_mirror_of_nothing_is_refused() -> None:
    (fault,) = faults_of(Traffic({"blue": 0, "green": 0}, {"green": 10}), BLUE.weights)
    assert fault.message == "there is no traffic to copy"


def test_a_patch_takes_the_place_of_the_mirror_and_ends_it_with_0() -> None:
    mirrored = patched(BLUE, Traffic({}, {"green": 10}), BLUE.weights)
    assert mirrored.mirror == {"green": 10}
    assert patched(mirrored, Traffic({"blue": 100}, {}), BLUE.weights).mirror == {"green": 10}
    assert patched(mirrored, Traffic({}, {"green": 0}), BLUE.weights).mirror == {}


def test_a_new_deployment_gets_0_and_one_with_traffic_stays() -> None:
    assert with_deployment(Traffic({"blue": 100}, {}), "green").weights == {"blue": 100, "green": 0}
    assert with_deployment(BLUE, "blue").weights == BLUE.weights
    assert without_deployment(BLUE, "green").weights == {"blue": 100}
    with pytest.raises(Invalid, match="blue has traffic"):
        without_deployment(BLUE, "blue")
    with pytest.raises(Invalid, match="mirrored to 'green'"):
        without_deployment(Traffic(BLUE.weights, {"green": 5}), "green")


def test_v1_gives_the_default_what_is_left() -> None:
    assert weights_of_v1({"v1": 20, "v2": 10}, "v1") == {"v1": 90, "v2": 10}
    assert weights_of_v1({"v1": 20, "v2": 40}, "v2") == {"v1": 20, "v2": 80}
    seven = {f"v{index}": 101 for index in range(7)}
    with pytest.raises(Invalid) as refused:
        weights_of_v1(seven, "v9")
    assert len(refused.value.faults) == 10


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(-10, 110)), st.integers(0, 3))
def test_what_is_accepted_is_whole(patch: dict[str, int], percent: int) -> None:
    before = Traffic({"a": 60, "b": 40, "c": 0, "d": 0}, {})
    try:
        after = patched(before, Traffic(patch, {"d": percent}), before.weights)
    except Invalid:
        return
    assert sum(after.weights.values()) in (0, 100)
    assert all(after.weights[name] == before.weights[name] for name in before.weights if name not in patch)
    assert not (after.mirror.get("d") and after.weights["d"])
