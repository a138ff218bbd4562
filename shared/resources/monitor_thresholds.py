"""From where on monitors alert: thresholds by metric."""

from __future__ import annotations

from typing import Annotated, Literal

from shared.resources.shapes import AnyCase, Number, Shape, may, must

DataType = Annotated[Literal["numerical", "categorical"], AnyCase()]


class NumericalDrift(Shape):
    """Metrics of numerical features."""

    jensen_shannon_distance: Number | None = may("threshold")
    normalized_wasserstein_distance: Number | None = may("threshold")
    population_stability_index: Number | None = may("threshold")
    two_sample_kolmogorov_smirnov_test: Number | None = may("threshold of the p-value")


class CategoricalDrift(Shape):
    """Metrics of categorical features."""

    jensen_shannon_distance: Number | None = may("threshold")
    pearsons_chi_squared_test: Number | None = may("threshold of the p-value")
    population_stability_index: Number | None = may("threshold")


class DriftThresholds(Shape):
    """Thresholds of drift."""

    data_type: DataType | None = may("of one threshold for all: its type of features")
    threshold: Number | None = may("one threshold for all")
    numerical: NumericalDrift | None = may("metrics of numerical features")
    categorical: CategoricalDrift | None = may("metrics of categorical features")


class QualityRates(Shape):
    """Shares of values that are wrong."""

    data_type_error_rate: Number | None = may("of a wrong type")
    null_value_rate: Number | None = may("missing")
    out_of_bounds_rate: Number | None = may("out of the reference's range")


class QualityThresholds(Shape):
    """Thresholds of data quality."""

    data_type: DataType | None = may("of one threshold for all: its type of features")
    threshold: Number | None = may("one threshold for all")
    numerical: QualityRates | None = may("metrics of numerical features")
    categorical: QualityRates | None = may("metrics of categorical features")


class AttributionThresholds(Shape):
    """Thresholds of feature attribution drift."""

    threshold: Number | None = may("one threshold for all")
    normalized_discounted_cumulative_gain: Number | None = may("threshold")


class ClassificationThresholds(Shape):
    """Metrics of classification."""

    accuracy: Number | None = may("threshold")
    precision: Number | None = may("threshold")
    recall: Number | None = may("threshold")


class RegressionThresholds(Shape):
    """Metrics of regression."""

    mae: Number | None = may("threshold of the mean absolute error")
    mse: Number | None = may("threshold of the mean squared error")
    rmse: Number | None = may("threshold of the root mean squared error")


class PerformanceThresholds(Shape):
    """Thresholds of model performance."""

    threshold: Number | None = may("one threshold for all")
    classification: ClassificationThresholds | None = may("metrics of classification")
    regression: RegressionThresholds | None = may("metrics of regression")


class CustomThreshold(Shape):
    """Threshold of a metric of your own."""

    metric_name: str = must("the metric", min_length=1)
    threshold: Number | None = may("threshold")


class Groundedness(Shape):
    """Whether answers rest on the context."""

    aggregated_groundedness_pass_rate: Number | None = may("share that passes")
    acceptable_groundedness_score_per_instance: Number | None = may("score of one answer that passes")


class Relevance(Shape):
    """Whether answers answer."""

    aggregated_relevance_pass_rate: Number | None = may("share that passes")
    acceptable_relevance_score_per_instance: Number | None = may("score of one answer that passes")


class Coherence(Shape):
    """Whether answers hang together."""

    aggregated_coherence_pass_rate: Number | None = may("share that passes")
    acceptable_coherence_score_per_instance: Number | None = may("score of one answer that passes")


class Fluency(Shape):
    """Whether answers read well."""

    aggregated_fluency_pass_rate: Number | None = may("share that passes")
    acceptable_fluency_score_per_instance: Number | None = may("score of one answer that passes")


class Similarity(Shape):
    """Whether answers are like the expected ones."""

    aggregated_similarity_pass_rate: Number | None = may("share that passes")
    acceptable_similarity_score_per_instance: Number | None = may("score of one answer that passes")


class SafetyThresholds(Shape):
    """Thresholds of generated texts."""

    groundedness: Groundedness | None = may("whether answers rest on the context")
    relevance: Relevance | None = may("whether answers answer")
    coherence: Coherence | None = may("whether answers hang together")
    fluency: Fluency | None = may("whether answers read well")
    similarity: Similarity | None = may("whether answers are like the expected ones")


class TotalTokens(Shape):
    """Tokens in all."""

    total_token_count: Number | None = may("threshold")
    total_token_count_per_group: Number | None = may("threshold of a group")


class TokenThresholds(Shape):
    """Thresholds of token use."""

    totaltoken: TotalTokens | None = may("tokens in all")


class InfrastructureThresholds(Shape):
    """Thresholds of what a deployment serves and uses."""

    requests_per_minute: Number | None = may("above it is a breach", ge=0)
    min_requests_per_minute: Number | None = may("below it is a breach", ge=0)
    error_rate: Number | None = may("share of requests answered with 5xx or not at all", ge=0, le=1)
    request_latency_p50_ms: Number | None = may("that half of the requests do not exceed", ge=0)
    request_latency_p90_ms: Number | None = may("that 90 of 100 requests do not exceed", ge=0)
    request_latency_p95_ms: Number | None = may("that 95 of 100 requests do not exceed", ge=0)
    request_latency_p99_ms: Number | None = may("that 99 of 100 requests do not exceed", ge=0)
    cpu_utilization_percentage: Number | None = may("of the processors that instances may use", ge=0)
    cpu_memory_utilization_percentage: Number | None = may("of the memory that an instance may use", ge=0)
