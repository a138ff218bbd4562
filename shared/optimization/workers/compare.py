"""Compares what a variant answers with what the original does, value by value."""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_SHOWN = 10
MAX_TEXT = 200


def compare_outputs(
    expected: dict[str, np.ndarray], got: dict[str, np.ndarray], tolerances: dict[str, float]
) -> dict[str, Any]:
    """{"verified", "reason", "outputs", "differing"}, with the first ten differing rows. Numbers are the same when
    |got - expected| <= max_abs + max_rel * |expected| (numpy.isclose; NaN equals NaN); integers, truth values and
    texts are labels, and of these a share of `min_label_agreement` must be equal."""
    outputs, differing, reasons = [], [], []
    for name, wanted in expected.items():
        found, wrong, reason = _compare(wanted, got[name], tolerances)
        outputs.append({"name": name, "rows": len(wanted), "differing_rows": int(wrong.sum()), **found})
        differing += [_shown(name, row, wanted, got[name]) for row in np.flatnonzero(wrong)[:MAX_SHOWN]]
        if reason:
            reasons.append(f"{name}: {reason}")
    return {
        "verified": not reasons,
        "reason": "; ".join(reasons),
        "outputs": outputs,
        "differing": sorted(differing, key=lambda one: one["row"])[:MAX_SHOWN],
    }


def _compare(
    expected: np.ndarray, got: np.ndarray, tolerances: dict[str, float]
) -> tuple[dict[str, float | None], np.ndarray, str]:
    """The largest differences, which rows differ, and why that is too much ("" when it is not)."""
    nothing: dict[str, float | None] = {"max_abs": None, "max_rel": None, "label_agreement": None}
    rows = len(expected)
    if got.size != expected.size or len(got) != rows:
        reason = f"its shape is {got.shape}, the original's {expected.shape}"
        return nothing, np.ones(rows, dtype=bool), reason
    got = got.reshape(expected.shape)
    if expected.dtype.kind != "f":
        return _compare_labels(expected, got, tolerances["min_label_agreement"])
    difference, relative = _differences(expected, got.astype(np.float64))
    limit = tolerances["max_abs"] + tolerances["max_rel"] * np.abs(expected.astype(np.float64))
    same = (difference == 0) | (np.isfinite(difference) & (difference <= limit))
    wrong = ~same.reshape(rows, -1).all(axis=1)
    large = np.abs(expected) > tolerances["max_abs"]  # of nothing, every difference is infinitely many times as much
    max_rel = _largest(relative[large]) if large.any() else None
    found = {"max_abs": _largest(difference), "max_rel": max_rel, "label_agreement": None}
    allowed = f"{tolerances['max_abs']:g} + {tolerances['max_rel']:g} * |expected|"
    return found, wrong, f"{int(wrong.sum())} of {rows} rows differ by more than {allowed}" if wrong.any() else ""


def _compare_labels(
    expected: np.ndarray, got: np.ndarray, least: float
) -> tuple[dict[str, float | None], np.ndarray, str]:
    if expected.dtype.kind != got.dtype.kind:
        expected, got = expected.astype(str), got.astype(str)
    wrong = (expected != got).reshape(len(expected), -1).any(axis=1)
    agreement = float(1 - wrong.mean())
    reason = f"{int(wrong.sum())} of {len(wrong)} labels differ, agreement {agreement:.4f} is below {least:g}"
    return {"max_abs": None, "max_rel": None, "label_agreement": agreement}, wrong, reason if agreement < least else ""


def _differences(expected: np.ndarray, got: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Absolute and relative; 0 where both are the same infinity or both no number, infinite where only one is."""
    wanted = expected.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        difference = np.abs(got - wanted)
        same = (wanted == got) | (np.isnan(wanted) & np.isnan(got))
        difference = np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference))
        relative = np.where(difference == 0, 0.0, difference / np.abs(wanted))
    return difference, np.where(np.isnan(relative), np.inf, relative)


def _largest(values: np.ndarray) -> float:
    """JSON has no infinity: the largest float stands for it."""
    return float(min(values.max(initial=0.0), np.finfo(np.float64).max))


def _shown(output: str, row: int, expected: np.ndarray, got: np.ndarray) -> dict[str, Any]:
    answer = _text(got[row]) if row < len(got) else "nothing"
    return {"row": int(row), "output": output, "expected": _text(expected[row]), "got": answer}


def _text(value: Any) -> str:
    text = np.array2string(np.asarray(value), precision=8, separator=", ", threshold=20)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."
