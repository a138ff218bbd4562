"""Every metric: adding one is a module, and its line here."""

from __future__ import annotations

from shared.errors import Invalid
from shared.monitoring.metrics import (
    accuracy,
    chi_squared,
    classifier_two_sample,
    data_type_error_rate,
    energy,
    f1,
    jensen_shannon,
    kolmogorov_smirnov,
    maximum_mean_discrepancy,
    mean_absolute_error,
    mean_squared_error,
    ndcg,
    new_category_rate,
    null_value_rate,
    out_of_bounds_rate,
    population_stability,
    precision,
    r_squared,
    recall,
    roc_auc,
    root_mean_squared_error,
    wasserstein,
)
from shared.monitoring.metrics.metric import Metric

METRICS = {
    one.name: one
    for one in (
        *(wasserstein.METRIC, jensen_shannon.METRIC, population_stability.METRIC),
        *(kolmogorov_smirnov.METRIC, chi_squared.METRIC, energy.METRIC),
        *(maximum_mean_discrepancy.METRIC, classifier_two_sample.METRIC),
        *(null_value_rate.METRIC, data_type_error_rate.METRIC, out_of_bounds_rate.METRIC, new_category_rate.METRIC),
        *(accuracy.METRIC, precision.METRIC, recall.METRIC, f1.METRIC, roc_auc.METRIC),
        *(mean_absolute_error.METRIC, mean_squared_error.METRIC, root_mean_squared_error.METRIC, r_squared.METRIC),
        ndcg.METRIC,
    )
}


def metrics_of(*kinds: str) -> dict[str, Metric]:
    """The metrics of these kinds, in the order of the table."""
    return {name: one for name, one in METRICS.items() if one.kind in kinds}


def metric_of(name: str, *kinds: str) -> Metric:
    """The metric with this name. Raises Invalid with those of these kinds for another one."""
    known = metrics_of(*kinds)
    if name not in known:
        raise Invalid(f"there is no metric {name!r} here", remedy=f"name one of {', '.join(known)}")
    return known[name]
