"""From numbers to verdicts: pure decisions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from shared.monitoring.metrics.metric import Compatibility, Found, Metric
from shared.resources.monitor_result import MetricValue, Verdict


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg (1995): the least false discovery rate at which each would be a discovery. Where nothing
    has drifted, all of them are false, so that the rate is the chance of any alarm."""
    count = len(p_values)
    order = sorted(range(count), key=lambda place: p_values[place], reverse=True)
    found, least = [1.0] * count, 1.0
    for rank, place in enumerate(order):
        least = min(least, p_values[place] * count / (count - rank))
        found[place] = least
    return found


def crosses(value: float, threshold: float, direction: str) -> bool:
    """Whether the value lies beyond its threshold, as Azure ML has it: on it is within."""
    return value > threshold if direction == "above" else value < threshold


def judged(
    metric: Metric,
    found: Found,
    threshold: float | None,
    *,
    companion: float | None = None,
    rate: float = 0.05,
    compatibility: Compatibility = "slipway",
) -> MetricValue:
    """The metric's value and what follows. `companion`: the adjusted p-value of the feature's test. Azure ML alone goes
    by the threshold; otherwise a distance beyond it is a breach when it is no chance, and a small p-value when its
    effect is not small."""
    shown = _shown(metric, found, threshold)
    strict = compatibility == "azureml"
    if not strict:
        shown.adjusted_p_value = companion
    if shown.value is None:
        return shown.model_copy(update={"verdict": Verdict.FAILED, "reason": f"{metric.name} is {found.value}"})
    if threshold is None:
        return shown
    if metric.is_test:
        p = found.p_value if strict or companion is None else companion
        beyond = p is not None and p < threshold
        shown.reason = _reason_of_test(metric, found, p, threshold) if beyond else ""
        if beyond and not strict and (found.effect_size or 0.0) < metric.least_effect:
            shown.reason, beyond = (
                f"{shown.reason}; {found.effect} below {metric.least_effect:g} is too small to matter",
                False,
            )
    else:
        beyond = crosses(found.value, threshold, metric.direction)
        shown.reason = f"{found.value:.4g} is {metric.direction} {threshold:g}" if beyond else ""
        if beyond and not strict and companion is not None:
            shown.reason += f", adjusted p-value {companion:.2g}"
            if companion > rate:
                shown.reason, beyond = f"{shown.reason}: as much happens by chance", False
    if beyond:
        shown.verdict = Verdict.BREACHED
    return shown


def _shown(metric: Metric, found: Found, threshold: float | None) -> MetricValue:
    """Before it is judged."""
    return MetricValue(
        metric=metric.name,
        value=found.value if math.isfinite(found.value) else None,
        unit=metric.unit,
        threshold=threshold,
        direction=metric.direction,
        p_value=found.p_value,
        effect_size=found.effect_size,
        effect=found.effect,
    )


def _reason_of_test(metric: Metric, found: Found, p: float | None, threshold: float) -> str:
    effect = f", {found.effect} {found.effect_size:.3g}" if found.effect_size is not None else ""
    return f"p-value {p:.2g} is below {threshold:g}{effect}"


def unjudged(metric: Metric, threshold: float | None, verdict: Verdict, reason: str) -> MetricValue:
    """A metric without a value, and why."""
    return MetricValue(
        metric=metric.name,
        unit=metric.unit,
        threshold=threshold,
        direction=metric.direction,
        verdict=verdict,
        reason=reason,
    )
