"""The features that matter most, as the training data tell."""

from __future__ import annotations

from shared.errors import Invalid
from shared.monitoring.hours import schema_of
from shared.monitoring.joined import CORRELATION
from shared.monitoring.learning import learnt
from shared.monitoring.rows import Rows
from shared.resources.importance import LearntImportance
from shared.resources.monitor_request import SignalRequest


def with_top_features(signal: SignalRequest, seed: int) -> tuple[SignalRequest, list[LearntImportance]]:
    """The signal with its features named, the most important first, and their importance, and what was learnt for it;
    itself where all count. Raises Invalid where the training data do not tell."""
    training, target = signal.training, signal.columns.truth
    if signal.top_features is None or training is None:
        return signal, []
    schema = Rows(training).schema
    if target not in schema:
        raise Invalid(f"{training.label}: there is no column {target!r}", remedy=f"name one of {', '.join(schema)}")
    now = schema_of(signal.production, Rows(signal.production))
    passed_over = {target, CORRELATION, training.correlation_column, training.time_column}
    features = [name for name in schema if name in now and name not in passed_over]
    weights, new = learnt(training, features, target, seed)
    most = sorted(weights, key=lambda name: (-weights[name], name))[: signal.top_features]
    return signal.model_copy(update={"features": most, "importance": {name: weights[name] for name in most}}), new
