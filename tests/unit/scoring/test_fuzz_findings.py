"""What coverage-guided fuzzing (tests/scoring_fuzz) found, each as it was found; and that its seeds still hold."""

from __future__ import annotations

import pytest

from tests.scoring_fuzz.checks import TARGETS
from tests.scoring_fuzz.seeds import seeds


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_are_answered_as_they_should(target: str) -> None:
    for data in seeds(target):
        TARGETS[target](data)


@pytest.mark.parametrize(
    ("target", "data"),
    [
        # half of a surrogate pair in a query's JSON came into the message, and no answer could be made of that
        ("queries", b'\x02data=["\\ud800"]'),
    ],
)
def test_what_was_found_stays_mended(target: str, data: bytes) -> None:
    TARGETS[target](data)
