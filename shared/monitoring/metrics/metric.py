"""What a metric is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.numerical import NumericalSketch

Compatibility = Literal["slipway", "azureml"]
NUMERICAL: Literal["numerical"] = "numerical"
CATEGORICAL: Literal["categorical"] = "categorical"


class Found(NamedTuple):
    """What a metric says of one feature."""

    value: float
    p_value: float | None = None  # of tests
    effect_size: float | None = None  # of tests: what is large or small in any number of rows
    effect: str = ""  # what the effect size is


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: what it is called, what it says, and where its definition comes from."""

    name: str  # Azure ML's, where it has one
    kind: Literal["drift", "multivariate", "quality", "classification", "ranking", "regression", "attribution"]
    source: str  # of the definition
    direction: Literal["above", "below"] = "above"  # on which side of the threshold the breach lies
    unit: str = ""
    # Of drift: by the type of the feature. None where the metric does not exist for it.
    numerical: Callable[[NumericalSketch, NumericalSketch, Compatibility], Found] | None = None
    categorical: Callable[[CategoricalSketch, CategoricalSketch, Compatibility], Found] | None = None
    compute: Callable[..., Any] | None = None  # of the other kinds; their tables say with what
    thresholds: dict[str, float] = field(default_factory=dict)  # "slipway numerical" -> default; others are shown only
    usual: float | None = None  # the threshold of one that is asked for without a threshold; None: shown only
    least_effect: float = 0.0  # of tests: with a smaller effect, a small p-value is no breach

    @property
    def is_test(self) -> bool:
        """Whether its value is a p-value."""
        return self.unit == "p-value"
