"""What one run of a monitor found: numbers, where they came from, and what follows from them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from shared.resources.document import Document
from shared.resources.importance import LearntImportance


class Verdict(StrEnum):
    """What is said of a number, of a signal, and of a whole run."""

    HEALTHY = "Healthy"  # within its threshold
    BREACHED = "Breached"  # beyond its threshold
    NOT_ENOUGH_DATA = "NotEnoughData"  # too little was seen: nothing is said
    FAILED = "Failed"  # it could not be calculated; `reason` says why


class Interval(Document):
    """A 95 % confidence interval by bootstrap."""

    low: float
    high: float


class MetricValue(Document):
    """One number about one feature, or about a signal as a whole."""

    metric: str  # Azure ML's name: jensen_shannon_distance, null_value_rate, accuracy...
    value: float | None = None  # None: not calculated
    unit: str = ""  # "" for plain numbers; bits, share, p-value...
    threshold: float | None = None  # from where on it is a breach; None: shown only
    direction: Literal["above", "below"] = "above"  # on which side of the threshold the breach lies
    p_value: float | None = None  # of tests
    adjusted_p_value: float | None = (
        None  # of the feature's test, by Benjamini-Hochberg over all features of the signal
    )
    effect_size: float | None = None  # beside a p-value: how much, not only how surely
    effect: str = ""  # what the effect size is: "D" of Kolmogorov-Smirnov, "Cramer's V"...
    interval: Interval | None = None  # of the value, where it was asked for
    verdict: Verdict = Verdict.HEALTHY
    reason: str = ""  # of NotEnoughData and Failed, and in words of a breach


class Distribution(Document):
    """How a feature was distributed then and now, in common bins."""

    edges: list[float] = Field(default_factory=list)  # of numerical features: one more than there are bins
    categories: list[str] = Field(default_factory=list)  # of categorical features, the most frequent first
    baseline: list[float] = Field(default_factory=list)  # shares of the bins, 0 to 1
    current: list[float] = Field(default_factory=list)


class FeatureResult(Document):
    """What was found about one feature."""

    name: str
    type: Literal["numerical", "categorical"]
    baseline_count: int = 0  # rows
    current_count: int = 0
    baseline_null_count: int = 0  # rows without a value
    current_null_count: int = 0
    baseline_mean: float | None = None  # of numerical features
    current_mean: float | None = None
    baseline_std: float | None = None  # of the population
    current_std: float | None = None
    metrics: list[MetricValue] = Field(default_factory=list)
    distribution: Distribution | None = None
    importance: float | None = None  # of the feature for the model, where it is known

    @property
    def verdict(self) -> Verdict:
        """The worst of its metrics."""
        return worst([metric.verdict for metric in self.metrics])


class DataCounts(Document):
    """What was read of the production data, so that nothing is left out unsaid."""

    files: int = 0
    rows: int = 0  # that count; of infrastructure: requests
    sketched_rows: int = 0  # of these, those that a stored sketch of their hour stood for: they were not read again
    corrupt_lines: int = 0  # that are no collected data
    duplicate_lines: int = 0  # with an id that was read before
    late_rows: int = 0  # of collected data, written in a later hour than they are of; they count where they belong
    outside_rows: int = 0  # of other times than the window


INFRASTRUCTURE = "infrastructure"  # the type of signals that read no data, but figures of the deployment


class SignalResult(Document):
    """What one signal found."""

    name: str  # in the monitor
    type: str  # data_drift, prediction_drift, data_quality...
    window_start: datetime | None = None  # of the production data; None: all there is
    window_end: datetime | None = None
    baseline: str = ""  # what it was compared with
    counts: DataCounts = Field(default_factory=DataCounts)
    features: list[FeatureResult] = Field(default_factory=list)
    metrics: list[MetricValue] = Field(default_factory=list)  # of the signal as a whole
    reason: str = ""  # why there is no result
    learnt: list[LearntImportance] = Field(default_factory=list)  # of the baseline, by this run: kept with the data

    @property
    def verdict(self) -> Verdict:
        """The worst of its features and metrics; Failed where it has a reason and neither."""
        found = [metric.verdict for metric in self.metrics] + [feature.verdict for feature in self.features]
        return worst(found) if found else (Verdict.FAILED if self.reason else Verdict.NOT_ENOUGH_DATA)


class MonitorResult(Document):
    """What one run of a monitor found."""

    monitor: str
    run_id: str
    created_at: datetime
    endpoint: str = ""  # ENDPOINT/DEPLOYMENT; "" where none is monitored
    compatibility: Literal["slipway", "azureml"] = "slipway"  # whose definitions and defaults were used
    signals: list[SignalResult] = Field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """The worst of its signals."""
        return worst([signal.verdict for signal in self.signals])


class RowsAsked(Document):
    """The answer of statistics that need rows where they were given sketches: they are to be asked again."""

    rows_of: list[str]  # windows that are to be given as files: ENDPOINT/DEPLOYMENT/COLLECTION/FOLDER


_BY_WEIGHT = (Verdict.BREACHED, Verdict.FAILED, Verdict.HEALTHY, Verdict.NOT_ENOUGH_DATA)


def worst(verdicts: list[Verdict]) -> Verdict:
    """Breached before Failed before Healthy; NotEnoughData when nothing else is said, also of nothing."""
    return min(verdicts, key=_BY_WEIGHT.index, default=Verdict.NOT_ENOUGH_DATA)
