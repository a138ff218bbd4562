"""Metrics agree with SciPy and scikit-learn to 1e-9 where these define the same: ties, outliers, unequal sizes."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import special, stats
from scipy.spatial import distance as scipy_distance
from sklearn import metrics as sk

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics import (
    energy,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
    wasserstein,
)
from shared.monitoring.metrics import special as ours
from shared.monitoring.metrics.bins import equal_width_edges, number_counts
from shared.monitoring.metrics.metric import Found
from shared.monitoring.metrics.table import METRICS, metrics_of
from tests.unit.monitoring.sketching import categories, numbers

CLOSE = 1e-9
RNG = np.random.default_rng(20)
PAIRS: dict[str, tuple[Floats, Floats]] = {
    "normal": (RNG.normal(size=500), RNG.normal(0.2, 1.1, size=500)),
    "unequal sizes": (RNG.normal(size=700), RNG.normal(0.1, 1.0, size=311)),
    "many": (RNG.normal(size=9_000), RNG.normal(0.02, 1.0, size=7_001)),
    "ties": (RNG.integers(0, 12, 600).astype(float), RNG.integers(1, 13, 450).astype(float)),
    "heavy tails": (RNG.lognormal(0, 2, 800), RNG.lognormal(0.3, 2, 640)),
    "zeros": (np.where(RNG.random(500) < 0.6, 0.0, RNG.normal(size=500)), RNG.normal(size=400)),
    "apart": (RNG.random(200), RNG.random(150) + 5.0),
    "the same": (np.arange(100.0), np.arange(100.0)),
    "far from zero": (1e9 + RNG.normal(size=300), 1e9 + 0.5 + RNG.normal(size=280)),
}
COUNTS = {
    "alike": ([100, 200, 300], [110, 190, 310]),
    "moved": ([500, 300, 200, 90], [300, 400, 100, 250]),
    "two": ([40, 60], [55, 45]),
}


@pytest.mark.parametrize("name", PAIRS)
class TestNumbers:
    def test_wasserstein(self, name: str) -> None:
        first, second = PAIRS[name]
        expected = stats.wasserstein_distance(first, second)
        assert wasserstein.distance(numbers(first), numbers(second)) == pytest.approx(expected, abs=1e-9, rel=1e-9)

    def test_kolmogorov_smirnov(self, name: str) -> None:
        first, second = PAIRS[name]
        found = kolmogorov_smirnov.METRIC.numerical(numbers(first), numbers(second), "azureml")  # type: ignore[misc]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            expected = stats.ks_2samp(first, second, method="exact")
        assert found.effect_size == pytest.approx(expected.statistic, abs=CLOSE)
        assert found.value == pytest.approx(expected.pvalue, abs=CLOSE)

    def test_energy(self, name: str) -> None:
        first, second = PAIRS[name]
        expected = stats.energy_distance(first, second)
        assert energy.distance(numbers(first), numbers(second)) == pytest.approx(expected, abs=1e-9, rel=1e-9)

    def test_equal_width_bins_are_numpys(self, name: str) -> None:
        first, second = numbers(PAIRS[name][0]), numbers(PAIRS[name][1])
        edges = equal_width_edges(first, second)
        assert len(edges) - 1 == math.ceil(math.log2(min(first.count, second.count)) + 1)
        for found, values in zip(number_counts(first, second, "azureml"), PAIRS[name], strict=True):
            assert found.tolist() == np.histogram(values, edges)[0].tolist()

    def test_moments(self, name: str) -> None:
        first = PAIRS[name][0]
        moments = numbers(first).moments
        assert moments.mean == pytest.approx(first.mean(), rel=1e-12)
        assert moments.std == pytest.approx(first.std(), rel=1e-9)
        assert moments.sample_std == pytest.approx(first.std(ddof=1), rel=1e-9)


@pytest.mark.parametrize("name", COUNTS)
class TestCounts:
    def test_jensen_shannon(self, name: str) -> None:
        first, second = (np.array(one, dtype=float) for one in COUNTS[name])
        expected = scipy_distance.jensenshannon(first, second, base=2)
        assert jensen_shannon.distance(first, second) == pytest.approx(expected, abs=CLOSE)

    def test_chi_squared_of_two_samples(self, name: str) -> None:
        first, second = COUNTS[name]
        expected = stats.chi2_contingency([first, second], correction=False)
        found = _categorical("pearsons_chi_squared_test", first, second, "slipway")
        assert found.value == pytest.approx(expected.pvalue, abs=CLOSE)
        v = stats.contingency.association(np.array([first, second]), method="cramer")
        assert found.effect_size == pytest.approx(v, abs=CLOSE)

    def test_chi_squared_as_azure_ml_has_it(self, name: str) -> None:
        first, second = (np.array(one, dtype=float) for one in COUNTS[name])
        expected = stats.chisquare(second, first / first.sum() * second.sum())
        found = _categorical("pearsons_chi_squared_test", first, second, "azureml")
        assert found.value == pytest.approx(expected.pvalue, abs=CLOSE)

    def test_population_stability_as_azure_ml_has_it(self, name: str) -> None:
        first, second = (np.array(one, dtype=float) + 1.0 for one in COUNTS[name])
        p, c = first / first.sum(), second / second.sum()
        found = _categorical("population_stability_index", *COUNTS[name], "azureml")
        assert found.value == pytest.approx(stats.entropy(p, c) + stats.entropy(c, p), abs=CLOSE)


def _categorical(name: str, first: object, second: object, compatibility: str) -> Found:
    compute = METRICS[name].categorical
    assert compute is not None
    return compute(categories([int(n) for n in first]), categories([int(n) for n in second]), compatibility)  # type: ignore[attr-defined,arg-type]


def test_distributions_of_tests() -> None:
    for degrees in (1, 2, 3, 7, 20, 99, 1_000, 9_999):
        for x in (1e-6, 0.1, 1.0, 0.5 * degrees, degrees, 1.3 * degrees, 3.0 * degrees, 1e5):
            assert ours.chi_squared_sf(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees), abs=1e-11)
    for z in np.linspace(0.01, 6, 300):
        assert ours.kolmogorov_sf(float(z)) == pytest.approx(special.kolmogorov(z), abs=1e-12)


def test_large_samples_take_the_limit() -> None:
    found = kolmogorov_smirnov.p_value(0.01, 40_000, 30_000, "slipway")
    assert found == pytest.approx(special.kolmogorov(0.01 * math.sqrt(40_000 * 30_000 / 70_000)), abs=1e-12)


def test_psi_of_deciles_is_that_of_the_same_bins_by_hand() -> None:
    first, second = PAIRS["heavy tails"]
    edges = np.quantile(first, np.arange(1, 10) / 10, method="inverted_cdf")
    counts = [np.bincount(np.searchsorted(edges, one, "left"), minlength=10) + 0.5 for one in (first, second)]
    p, c = (one / one.sum() for one in counts)
    found = population_stability.METRIC.numerical(numbers(first), numbers(second), "slipway")  # type: ignore[misc]
    assert found.value == pytest.approx(float(((c - p) * np.log(c / p)).sum()), abs=CLOSE)


def test_classification() -> None:
    truth, told = RNG.integers(0, 3, 400), RNG.integers(0, 3, 400)
    confusion = sk.confusion_matrix(truth, told).astype(float)
    expected = {
        "accuracy": sk.accuracy_score(truth, told),
        "precision": sk.precision_score(truth, told, average="macro"),
        "recall": sk.recall_score(truth, told, average="macro"),
        "f1_score": sk.f1_score(truth, told, average="macro"),
    }
    found = {name: one.compute(confusion) for name, one in metrics_of("classification").items() if one.compute}
    assert found == pytest.approx(expected, abs=CLOSE)


def test_area_under_the_curve() -> None:
    positive = RNG.random(300) < 0.3
    probability = np.round(RNG.random(300) * 0.7 + positive * 0.3, 2)
    compute = METRICS["roc_auc"].compute
    assert compute is not None
    assert compute(positive, probability) == pytest.approx(sk.roc_auc_score(positive, probability), abs=CLOSE)


def test_regression() -> None:
    truth = RNG.normal(size=300)
    told = truth + RNG.normal(0, 0.4, 300)
    expected = {
        "mae": sk.mean_absolute_error(truth, told),
        "mse": sk.mean_squared_error(truth, told),
        "rmse": sk.root_mean_squared_error(truth, told),
        "r2_score": sk.r2_score(truth, told),
    }
    found = {name: one.compute(truth, told) for name, one in metrics_of("regression").items() if one.compute}
    assert found == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize("ties", [False, True])
def test_ranking_of_features(ties: bool) -> None:
    names = [f"f{place}" for place in range(9)]
    before, now = RNG.random(9), RNG.random(9)
    if ties:
        now = np.round(now * 2)
    compute = METRICS["normalized_discounted_cumulative_gain"].compute
    assert compute is not None
    found = compute(dict(zip(names, before, strict=True)), dict(zip(names, now, strict=True)))
    assert found == pytest.approx(sk.ndcg_score([before], [now]), abs=CLOSE)


def test_correlation_of_the_classifier() -> None:
    from shared.monitoring.metrics.classifier_two_sample import matthews

    truth, told = RNG.random(200) < 0.5, RNG.random(200) < 0.4
    assert matthews(truth, told) == pytest.approx(sk.matthews_corrcoef(truth, told), abs=CLOSE)
