"""Choices keep their weights exactly, spread evenly, and sticky ones move nobody who need not move."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shared.router.choose import EvenShare, SmoothChoice, sticky_choice


@dataclass(frozen=True)
class Weighted:
    name: str
    weight: int


@st.composite
def weights(draw: st.DrawFn) -> list[Weighted]:
    parts = draw(st.lists(st.integers(1, 60), min_size=1, max_size=5))
    return [Weighted(f"d{index}", weight) for index, weight in enumerate(parts)]


@given(weights(), st.integers(1, 3))
def test_each_gets_its_weight_of_every_round(among: list[Weighted], rounds: int) -> None:
    choice = SmoothChoice()
    total = sum(one.weight for one in among)
    chosen = [choice.choose(among).name for _ in range(total * rounds)]
    assert {one.name: chosen.count(one.name) for one in among} == {one.name: one.weight * rounds for one in among}


def test_the_choice_is_smooth() -> None:
    """nginx's own example: of 5, 1, 1 the first comes a a b a c a a, not five times in a row."""
    among = [Weighted("a", 5), Weighted("b", 1), Weighted("c", 1)]
    choice = SmoothChoice()
    assert "".join(choice.choose(among).name for _ in range(7)) == "aabacaa"


@given(weights(), weights(), st.binary(max_size=20))
def test_a_key_stays_unless_its_deployment_loses_share(
    before: list[Weighted], after: list[Weighted], key: bytes
) -> None:
    first, second = sticky_choice(before, key), sticky_choice(after, key)
    assert first == sticky_choice(list(reversed(before)), key)
    if first.name != second.name:
        old = {one.name: one.weight for one in before}
        new = {one.name: one.weight for one in after}
        lost = new.get(first.name, 0) < old[first.name]
        won = new[second.name] > old.get(second.name, 0)
        assert lost or won


def test_keys_are_shared_by_weight() -> None:
    among = [Weighted("blue", 90), Weighted("green", 10)]
    hits = sum(sticky_choice(among, str(key).encode()).name == "green" for key in range(20_000))
    assert abs(hits - 2000) < 2.576 * (20_000 * 0.1 * 0.9) ** 0.5


@given(st.integers(0, 50), st.integers(1, 4))
def test_an_even_share_is_exact(percent: int, rounds: int) -> None:
    share = EvenShare()
    assert sum(share.hit(percent) for _ in range(100 * rounds)) == percent * rounds
