"""Statistical tests and intervals. p-values are one-sided: small when the candidate is worse than allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Summary:
    """Values by their first two moments."""

    count: int
    mean: float
    variance: float  # of the sample, >= 0


def alpha_of_look(alpha: float, look: int) -> float:
    """The level of the look with this number (from 1): alpha / (look (look + 1)).

    They sum up to alpha over endlessly many looks, so by Boole's inequality the chance of any false alarm is at most
    alpha, however looks depend on each other and whoever decides when to look (the idea of Darling & Robbins,
    "Confidence sequences for mean, variance, and median", PNAS 1967). Raises ValueError for a look below 1.
    """
    if look < 1:
        raise ValueError(f"looks are counted from 1, not {look}")
    return alpha / (look * (look + 1))


def binomial_upper_tail(successes: int, trials: int, chance: float) -> float:
    """P(X >= successes) for X ~ Binomial(trials, chance), exact; 1 for no trials."""
    if successes <= 0 or chance >= 1:
        return 1.0
    if successes > trials or chance <= 0:
        return 0.0
    if successes <= trials * chance:
        return max(0.0, 1.0 - _tail(trials - successes + 1, trials, 1 - chance))
    return _tail(successes, trials, chance)


def binomial_lower_tail(successes: int, trials: int, chance: float) -> float:
    """P(X <= successes) for X ~ Binomial(trials, chance), exact."""
    return binomial_upper_tail(trials - successes, trials, 1 - chance)


def _tail(least: int, trials: int, chance: float) -> float:
    """The sum from `least` on, which is beyond the mode: terms fall, and it ends where they no longer count."""
    choose = math.lgamma(trials + 1) - math.lgamma(least + 1) - math.lgamma(trials - least + 1)
    term = math.exp(choose + least * math.log(chance) + (trials - least) * math.log1p(-chance))
    total, odds = 0.0, chance / (1 - chance)
    for count in range(least, trials + 1):
        total += term
        term *= (trials - count) / (count + 1) * odds
        if term < total * 1e-17:
            break
    return min(1.0, total)


def two_proportions(candidate: tuple[int, int], stable: tuple[int, int], margin: float) -> float:
    """p-value of "the candidate's share exceeds stable's by no more than margin"; each is (count, trials), 1 without
    trials.

    The score test with the variance under the hypothesis of Farrington & Manning, Statistics in Medicine 9 (1990);
    at margin 0 it is the pooled two-proportion z test.
    """
    (bad_1, trials_1), (bad_2, trials_2) = candidate, stable
    if not (trials_1 and trials_2):
        return 1.0
    share_1, share_2 = bad_1 / trials_1, bad_2 / trials_2
    null_1 = _share_under_margin(share_1, share_2, trials_2 / trials_1, margin)
    null_2 = min(max(null_1 - margin, 0.0), 1.0)
    variance = null_1 * (1 - null_1) / trials_1 + null_2 * (1 - null_2) / trials_2
    excess = share_1 - share_2 - margin
    return _p_value(excess, variance)


def _p_value(excess: float, variance: float) -> float:
    if variance > 0:
        return 1 - _NORMAL.cdf(excess / math.sqrt(variance))
    return 0.5 if excess == 0 else float(excess < 0)


def _share_under_margin(share_1: float, share_2: float, ratio: float, margin: float) -> float:
    """The likeliest share of the first when it exceeds the second's by exactly `margin` (their appendix)."""
    a = 1 + ratio
    b = -(1 + ratio + share_1 + ratio * share_2 + margin * (ratio + 2))
    c = margin**2 + margin * (2 * share_1 + ratio + 1) + share_1 + ratio * share_2
    d = -share_1 * margin * (1 + margin)
    v = b**3 / (27 * a**3) - b * c / (6 * a**2) + d / (2 * a)
    u = math.copysign(math.sqrt(max(b**2 / (9 * a**2) - c / (3 * a), 0.0)), v)
    cosine = min(max(v / u**3, -1.0), 1.0) if u else 1.0
    w = (math.pi + math.acos(cosine)) / 3
    return min(max(2 * u * math.cos(w) - b / (3 * a), margin), 1.0)


def mann_whitney(candidate: Mapping[float, int], stable: Mapping[float, int]) -> float:
    """p-value of "the candidate's values are not above stable's", from counts by value; 1 without values.

    The normal approximation with midranks, the correction of the variance for ties, and for continuity (Mann &
    Whitney 1947; Lehmann, Nonparametrics, 1.4): counts of a histogram are nothing but ties.
    """
    size_1, size_2 = sum(candidate.values()), sum(stable.values())
    if not (size_1 and size_2):
        return 1.0
    below, rank_sum, ties = 0, 0.0, 0
    for value in sorted(set(candidate) | set(stable)):
        tied = candidate.get(value, 0) + stable.get(value, 0)
        rank_sum += candidate.get(value, 0) * (below + (tied + 1) / 2)
        ties += tied**3 - tied
        below += tied
    size = size_1 + size_2
    u = rank_sum - size_1 * (size_1 + 1) / 2
    variance = size_1 * size_2 / 12 * (size + 1 - ties / (size * (size - 1)))
    if variance <= 0:
        return 1.0
    return 1 - _NORMAL.cdf((u - size_1 * size_2 / 2 - 0.5) / math.sqrt(variance))


def welch(candidate: Summary, stable: Summary, margin: float) -> float:
    """p-value of "the candidate's mean exceeds stable's by no more than margin" (Welch 1947), with the normal
    distribution for t: callers ask for at least 30 samples of each. 1 without two samples of each."""
    if candidate.count < 2 or stable.count < 2:
        return 1.0
    excess = candidate.mean - stable.mean - margin
    variance = candidate.variance / candidate.count + stable.variance / stable.count
    return _p_value(excess, variance)


def wilson_interval(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927); (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    share, spread = successes / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe_interval(first: tuple[int, int], second: tuple[int, int], confidence: float) -> tuple[float, float]:
    """The interval of first's share less second's, each (successes, trials): the hybrid score method, number 10 of
    Newcombe, Statistics in Medicine 17 (1998); (-1, 1) without trials of one."""
    if not (first[1] and second[1]):
        return -1.0, 1.0
    share_1, share_2 = first[0] / first[1], second[0] / second[1]
    low_1, high_1 = wilson_interval(*first, confidence)
    low_2, high_2 = wilson_interval(*second, confidence)
    difference = share_1 - share_2
    return (
        difference - math.hypot(share_1 - low_1, high_2 - share_2),
        difference + math.hypot(high_1 - share_1, share_2 - low_2),
    )


def mean_interval(values: Summary, confidence: float) -> tuple[float, float]:
    """The interval of a mean by the central limit theorem; (-inf, inf) below two values."""
    if values.count < 2:
        return -math.inf, math.inf
    half = _NORMAL.inv_cdf((1 + confidence) / 2) * math.sqrt(values.variance / values.count)
    return values.mean - half, values.mean + half
