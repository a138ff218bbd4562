"""Sweeps: the space that is searched, how, for what, and when to stop."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from shared.resources.execution import QueueSettings, Resources
from shared.resources.ports import Scalar
from shared.resources.shapes import (
    AnyCase,
    BindableInt,
    Int,
    Number,
    Shape,
    by_type,
    fold,
    is_mapping,
    known_type,
    may,
    must,
    told,
)


class Choice(Shape):
    """One of some values."""

    type: Annotated[Literal["choice"], AnyCase()] = must("choice")
    values: list[Any] = must("the values", min_length=1)


class Range(Shape):
    """A number between two."""

    type: Annotated[Literal["uniform", "loguniform"], AnyCase()] = must("distribution")
    min_value: Number = must("least value; of loguniform its logarithm")
    max_value: Number = must("greatest value; of loguniform its logarithm")


class SteppedRange(Shape):
    """A multiple of q between two numbers."""

    type: Annotated[Literal["quniform", "qloguniform"], AnyCase()] = must("distribution")
    min_value: Number = must("least value")
    max_value: Number = must("greatest value")
    q: Int = must("step")


class Normal(Shape):
    """A normally distributed number."""

    type: Annotated[Literal["normal", "lognormal"], AnyCase()] = must("distribution")
    mu: Number = must("mean")
    sigma: Number = must("standard deviation")


class SteppedNormal(Shape):
    """A multiple of q, normally distributed."""

    type: Annotated[Literal["qnormal", "qlognormal"], AnyCase()] = must("distribution")
    mu: Number = must("mean")
    sigma: Number = must("standard deviation")
    q: Int = must("step")


class RandomInteger(Shape):
    """An integer from 0 to below `upper`."""

    type: Annotated[Literal["randint"], AnyCase()] = must("randint")
    upper: Int = must("above the greatest value", ge=1)


_SHAPES = {
    "choice": "<choice>",
    "uniform": "<range>",
    "loguniform": "<range>",
    "quniform": "<stepped range>",
    "qloguniform": "<stepped range>",
    "normal": "<normal>",
    "lognormal": "<normal>",
    "qnormal": "<stepped normal>",
    "qlognormal": "<stepped normal>",
    "randint": "<integer>",
}


def _distribution(value: Any) -> str | None:
    return _SHAPES.get(fold(told(value)))


Distributed = Annotated[
    Annotated[Choice, Tag("<choice>")]
    | Annotated[Range, Tag("<range>")]
    | Annotated[SteppedRange, Tag("<stepped range>")]
    | Annotated[Normal, Tag("<normal>")]
    | Annotated[SteppedNormal, Tag("<stepped normal>")]
    | Annotated[RandomInteger, Tag("<integer>")],
    Discriminator(_distribution),
    known_type(*_SHAPES),
]
Algorithm = Literal["random", "grid", "bayesian"]


class Sampling(Shape):
    """How points of the space are picked."""

    type: Annotated[Algorithm, AnyCase()] = must("algorithm")
    seed: Int | None = may("of random: seed")
    rule: Annotated[Literal["random", "sobol"], AnyCase()] | None = may("of random: how numbers are made")
    logbase: Scalar | None = may("of random: base of logarithmic sampling, a number or e")


SamplingField = Annotated[
    Annotated[Annotated[Algorithm, AnyCase(bindable=True)], Tag("<text>")] | Annotated[Sampling, Tag("<mapping>")],
    Discriminator(is_mapping),
]


class Objective(Shape):
    """What a trial is measured by."""

    goal: Annotated[Literal["minimize", "maximize"], AnyCase()] = must("whether less or more is better")
    primary_metric: str = must("metric that trials log", min_length=1)


class Bandit(Shape):
    """Stops trials that are worse than the best by more than a slack."""

    type: Annotated[Literal["bandit"], AnyCase()] = must("bandit")
    evaluation_interval: Int | None = may("metrics between evaluations")
    delay_evaluation: Int | None = may("metrics before the first evaluation")
    slack_factor: Number | None = may("slack, relative to the best")
    slack_amount: Number | None = may("slack, absolute")


class MedianStopping(Shape):
    """Stops trials that are worse than the median of the others."""

    type: Annotated[Literal["median_stopping"], AnyCase()] = must("median_stopping")
    evaluation_interval: Int | None = may("metrics between evaluations")
    delay_evaluation: Int | None = may("metrics before the first evaluation")


class TruncationSelection(Shape):
    """Stops the worst share of trials."""

    type: Annotated[Literal["truncation_selection"], AnyCase()] = must("truncation_selection")
    evaluation_interval: Int | None = may("metrics between evaluations")
    delay_evaluation: Int | None = may("metrics before the first evaluation")
    truncation_percentage: Int = must("share of trials, in percent", ge=1, le=99)
    exclude_finished_jobs: bool | None = may("whether finished trials are left out")


_POLICIES = ("bandit", "median_stopping", "truncation_selection")
EarlyTermination = Annotated[
    Annotated[Bandit, Tag("<bandit>")]
    | Annotated[MedianStopping, Tag("<median_stopping>")]
    | Annotated[TruncationSelection, Tag("<truncation_selection>")],
    Discriminator(by_type(*_POLICIES)),
    known_type(*_POLICIES),
]


class SweepLimits(Shape):
    """How many trials, and how long."""

    max_total_trials: BindableInt | None = may("trials in all, 1 to 1000")
    max_concurrent_trials: BindableInt | None = may("trials at once, 1 to 1000")
    timeout: BindableInt | None = may("seconds until the sweep is stopped")
    trial_timeout: BindableInt | None = may("seconds until a trial is stopped")


class SweepSettings(Shape):
    """What a sweep searches, in a job and in a node."""

    sampling_algorithm: SamplingField = must("how points are picked: random, grid, bayesian, or a mapping")
    search_space: dict[str, Distributed] = must("the space: distributions by name", min_length=1)
    objective: Objective = must("what a trial is measured by")
    early_termination: EarlyTermination | None = may("when a trial is stopped early")
    limits: SweepLimits | None = may("how many trials, and how long")
    resources: Resources | None = may("machines of a trial")
    queue_settings: QueueSettings | None = may("where trials queue")
