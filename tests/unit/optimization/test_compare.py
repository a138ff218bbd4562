"""When two answers are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.optimization.workers.compare import compare_outputs
from shared.resources.optimization import OutputComparison, Tolerances, VariantResult

TOLERANCES = Tolerances(max_abs=0.01, max_rel=0.1, min_label_agreement=0.9).model_dump()


def compare(expected: list[Any], got: list[Any]) -> dict[str, Any]:
    found = compare_outputs({"y": np.array(expected)}, {"y": np.array(got)}, TOLERANCES)
    VariantResult.model_validate({"variant": "onnx", **found})
    return found


@pytest.mark.parametrize(
    ("expected", "got", "verified"),
    [
        (1.0, 1.109, True),  # 0.01 + 0.1 * 1
        (1.0, 1.111, False),
        (0.0, 0.009, True),
        (0.0, 0.011, False),
        (-10.0, -11.0, True),
        (-10.0, 10.0, False),
        (np.nan, np.nan, True),
        (np.nan, 1.0, False),
        (1.0, np.nan, False),
        (np.inf, np.inf, True),
        (np.inf, -np.inf, False),
        (1.0, np.inf, False),
    ],
)
def test_numbers_are_the_same_within_the_tolerances(expected: float, got: float, verified: bool) -> None:
    found = compare([1.0, expected], [1.0, got])
    assert found["verified"] is verified
    assert [one["row"] for one in found["differing"]] == ([] if verified else [1])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 3))
def test_the_rule_is_the_one_of_isclose(expected: list[float], share: float) -> None:
    wanted = np.array(expected)
    got = wanted + share * (0.01 + 0.1 * np.abs(wanted))
    if abs(share - 1) > 1e-6:
        assert compare(expected, list(got))["verified"] == bool(np.isclose(got, wanted, rtol=0.1, atol=0.01).all())


def test_a_share_of_the_labels_must_be_equal() -> None:
    labels = ["a", "b"] * 5
    assert compare(labels, ["a", "a", *labels[2:]])["verified"]
    found = compare(labels, ["b", "a", *labels[2:]])
    assert not found["verified"]
    assert "2 of 10 labels differ, agreement 0.8000 is below 0.9" in found["reason"]
    assert found["differing"][0] == {"row": 0, "output": "y", "expected": "'a'", "got": "'b'"}
    assert OutputComparison.model_validate(found["outputs"][0]).label_agreement == pytest.approx(0.8)


def test_another_shape_is_another_answer() -> None:
    assert compare([1.0, 2.0], [[1.0], [2.0]])["verified"]
    found = compare([1.0, 2.0], [1.0])
    assert not found["verified"]
    assert "its shape is (1,), the original's (2,)" in found["reason"]
    assert found["differing"][1]["got"] == "nothing"


def test_at_most_ten_rows_are_shown_and_all_are_counted() -> None:
    found = compare([[0.0, 1.0]] * 50, [[0.0, 9.0]] * 50)
    assert [one["row"] for one in found["differing"]] == list(range(10))
    assert found["outputs"][0] == {
        **{"name": "y", "rows": 50, "differing_rows": 50, "max_abs": 8.0, "max_rel": 8.0, "label_agreement": None}
    }
    assert "50 of 50 rows differ by more than 0.01 + 0.1 * |expected|" in found["reason"]
