"""What the statistics of a monitor are asked: local files, features, thresholds. The answer is a MonitorResult.

`python -m shared.monitoring.worker REQUEST.json RESULT.json` reads one and writes the other.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from shared.resources.document import Document
from shared.resources.importance import LearntImportance
from shared.resources.monitor_result import DataCounts

FileFormat = Literal["parquet", "csv", "jsonl", "collected", "collected_csv"]
FeatureType = Literal["numerical", "categorical"]
SignalType = Literal[
    "data_drift", "prediction_drift", "data_quality", "feature_attribution_drift", "model_performance", "custom"
]


class DataFile(Document):
    """A file that is read."""

    path: str  # local
    # collected: JSON Lines of the data collector, a request a line; collected_csv: CSV of Azure ML's first collector
    format: FileFormat = "parquet"
    delimiter: str = ","  # between the values of a line of csv
    begins: datetime | None = None  # collected: rows of earlier times are late; None: not known


class SketchedHour(Document):
    """Collected data that were read before: what is kept of them, at the edges of the signal's reference."""

    window: str  # which, as it is asked for when its rows are needed: ENDPOINT/DEPLOYMENT/COLLECTION/FOLDER
    sketch: str  # local path
    ids: str  # local path of hashes of the ids of its lines, sorted, 8 bytes each
    columns: dict[str, str] = Field(default_factory=dict)  # type by name, of its rows
    counts: DataCounts = Field(default_factory=DataCounts)  # of the reading
    is_outside: bool = False  # whether all of its rows lie outside the data set's window


class DataSet(Document):
    """Rows from files, from stored sketches, or from both: what they count is added up."""

    label: str = ""  # how it is called in the result: NAME:VERSION, or where it came from
    files: list[DataFile] = Field(default_factory=list)
    sketches: list[str] = Field(
        default_factory=list
    )  # local paths of stored sketches; of production: against the baseline
    hours: list[SketchedHour] = Field(default_factory=list)  # of production: collected data beside those of `files`
    save_sketch: str = ""  # local path that its sketch is written to; "": nowhere
    window_start: datetime | None = None  # rows before it do not count; None: all do
    window_end: datetime | None = None  # nor rows at this time or later
    time_column: str = ""  # of files that are not collected: when a row was seen; "": rows have no time
    correlation_column: str = ""  # joins predictions with what was true; collected rows always have `correlationid`
    segment_column: str = ""  # only rows with one of these values count; "": all do
    segment_values: list[str] = Field(default_factory=list)
    only_columns: list[str] = Field(default_factory=list)  # of the files' columns, those that count; none: all
    without_columns: list[str] = Field(default_factory=list)  # and those that do not
    importances: list[LearntImportance] = Field(default_factory=list)  # what is known already of all its rows


class Columns(Document):
    """Columns by their meaning, for performance and attribution."""

    prediction: str = ""  # the predicted class or number, in production
    probability: str = ""  # of the positive class, in production: for AUC; "": none
    truth: str = ""  # what was true, in the reference; in production where there is no reference; in `training`


class SignalRequest(Document):
    """A signal to calculate."""

    name: str  # in the monitor
    type: SignalType
    production: DataSet
    reference: DataSet | None = None  # model_performance: what was true; None: it stands in production
    # of feature_attribution_drift: predictions, joined with the inputs in `production` by correlation id; None: data
    # hold explanations
    outputs: DataSet | None = None
    # of model_performance: only predictions whose correlation id is among these rows' count; None: all do
    segment: DataSet | None = None
    inputs: dict[str, DataSet] = Field(default_factory=dict)  # of custom: what the component is given, by its inputs
    features: list[str] | None = None  # None: every column that both have
    top_features: int | None = None  # of these, those that matter most in `training`; None: all
    training: DataSet | None = None  # rows with the target, which tell how much each feature matters
    types: dict[str, FeatureType] = Field(default_factory=dict)  # by feature, instead of what the baseline tells
    importance: dict[str, float] = Field(default_factory=dict)  # of features for the model, at the time of training
    # of feature_attribution_drift: now; empty: the mean magnitudes of the columns of the data, which are explanations
    production_importance: dict[str, float] = Field(default_factory=dict)
    # Thresholds by metric; None where nothing was said: defaults. A metric with None is shown and never a breach.
    numerical: dict[str, float | None] | None = None  # of numerical features
    categorical: dict[str, float | None] | None = None  # of categorical features
    overall: dict[str, float | None] | None = None  # of the signal: performance, attribution, multivariate drift
    task: Literal["classification", "regression"] = "classification"  # of model_performance
    columns: Columns = Field(default_factory=Columns)
    unavailable: str = ""  # why it cannot be calculated, found out before; "": it can be tried


class MonitorRequest(Document):
    """One run of a monitor."""

    monitor: str
    run_id: str
    endpoint: str = ""  # ENDPOINT/DEPLOYMENT; "" where none is monitored
    created_at: datetime  # of the run, for its result
    compatibility: Literal["slipway", "azureml"] = "slipway"  # whose definitions and defaults
    minimum_sample_size: int = Field(default=50, ge=1)  # rows with a value below which nothing is said
    false_alarm_rate: float = Field(default=0.05, gt=0, lt=1)  # of a run without drift, over all features of a signal
    bootstrap_samples: int = Field(default=0, ge=0, le=10_000)  # 0: no intervals
    seed: int = 0  # of what is drawn: bootstrap samples, permutations, samples of rows
    signals: list[SignalRequest] = Field(min_length=1)
