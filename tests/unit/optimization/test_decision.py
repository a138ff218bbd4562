"""Which variant is chosen, for whatever was verified and measured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.optimization.decision import choose
from shared.resources.optimization import Interval, Latency, Variant, VariantResult


@st.composite
def _result(draw: st.DrawFn, variant: Variant) -> VariantResult:
    low, value, high = sorted(draw(st.tuples(*[st.sampled_from([0.4, 0.9, 1.0, 1.1, 1.5, 2.0, 3.0, 9.0])] * 3)))
    verified = draw(st.booleans())
    gain = Interval(value=value, low=low, high=high) if verified else None
    return VariantResult(variant=variant, size_bytes=draw(st.integers(1, 4)), verified=verified, gain=gain)


RESULTS = st.lists(st.sampled_from(Variant), unique=True).flatmap(lambda found: st.tuples(*map(_result, found)))


def gain_of(one: VariantResult) -> Interval:
    assert one.gain is not None
    return one.gain


@given(RESULTS)
def test_the_best_is_verified_reliably_faster_and_not_beaten(results: tuple[VariantResult, ...]) -> None:
    candidates = [one for one in results if one.verified and gain_of(one).low > 1]
    choice = choose(results)
    assert choice.reason
    if not candidates:
        assert choice.best is None
        return
    best = choice.best
    assert best in candidates
    fastest = max(gain_of(one).value for one in candidates)
    for one in candidates:
        if gain_of(one).value == fastest:  # nothing that is the fastest is reliably faster than what was chosen
            assert best.size_bytes < one.size_bytes or gain_of(best).value == fastest
            assert gain_of(best).high >= gain_of(one).low
            assert best.size_bytes <= one.size_bytes


@given(RESULTS, st.randoms())
def test_the_order_of_the_table_has_no_meaning(results: tuple[VariantResult, ...], random: object) -> None:
    distinct = {(gain_of(one).value) for one in results if one.gain}
    shuffled = list(results)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    if len(distinct) == sum(one.gain is not None for one in results):  # equally fast ones may differ in their ties
        assert choose(shuffled).best == choose(results).best


def _measured(variant: Variant, size_bytes: int, low: float, value: float, high: float) -> VariantResult:
    gain = Interval(low=low, value=value, high=high)
    return VariantResult(variant=variant, size_bytes=size_bytes, verified=True, gain=gain)


def test_of_two_that_are_equally_fast_the_smaller_one_is_taken() -> None:
    large, small = _measured(Variant.ONNX, 100, 2.0, 3.0, 4.0), _measured(Variant.INT8_STATIC, 30, 1.8, 2.5, 2.9)
    choice = choose([large, small])
    assert choice.best == small
    assert "smaller than onnx" in choice.reason
    assert choose([large, _measured(Variant.INT8_STATIC, 30, 1.1, 1.5, 1.9)]).best == large


def test_where_the_best_is_slower_is_said() -> None:
    one = _measured(Variant.ONNX, 1, 2.0, 3.0, 4.0)
    slow = Interval(low=0.2, value=0.3, high=0.4)
    one.latencies = [Latency(rows=10_000, original_ms=1, variant_ms=3, gain=slow, rounds=5)]
    assert "slower at 10,000 rows" in choose([one]).reason


def test_nothing_to_choose_from_says_why() -> None:
    assert "same answers" in choose([]).reason
    slower = _measured(Variant.ONNX, 1, 0.9, 1.5, 2.0)
    assert choose([slower]).best is None
    assert "reliably faster" in choose([slower]).reason
