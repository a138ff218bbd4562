"""Which variant is the best: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.resources.optimization import Variant, VariantResult


@dataclass(frozen=True, slots=True)
class Choice:
    """The best variant, and why."""

    best: VariantResult | None  # None when nothing is verified and reliably faster
    reason: str


def choose(results: Sequence[VariantResult]) -> Choice:
    """The verified variant whose gain (geometric mean over the numbers of rows) is the largest, and whose interval lies
    above 1. Those whose intervals overlap with its own are ties: of them the smallest file is taken, of equally small
    ones the faster, then the one that is named first in Variant. () gives none."""
    verified = [one for one in results if one.verified]
    if not verified:
        return Choice(None, "no variant gives the same answers as the original")
    faster = [one for one in verified if _low(one) > 1]
    if not faster:
        return Choice(None, "no variant that gives the same answers is reliably faster than the original")
    fastest = max(faster, key=_value)
    ties = [one for one in faster if one is fastest or _high(one) >= _low(fastest)]
    best = min(ties, key=lambda one: (one.size_bytes, -_value(one), list(Variant).index(one.variant)))
    reason = f"{best.variant} is {_value(best):.2f}x as fast as the original ({_low(best):.2f} to {_high(best):.2f})"
    if slower := [f"{each.rows:,}" for each in best.latencies if each.gain.high < 1]:
        reason += f", though slower at {' and '.join(slower)} rows"
    others = ", ".join(one.variant for one in ties if one is not best)
    return Choice(best, f"{reason}; smaller than {others}, and not reliably slower" if others else reason)


def _low(one: VariantResult) -> float:
    return one.gain.low if one.gain else 0.0


def _high(one: VariantResult) -> float:
    return one.gain.high if one.gain else 0.0


def _value(one: VariantResult) -> float:
    return one.gain.value if one.gain else 0.0
