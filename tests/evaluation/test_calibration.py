"""The theory against simulation, numerical minimisation and the constants of the specification (§7, checks 1 to 4)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from cape.errors import DataError
from cape.evaluation import calibration as theory

lengths = st.floats(0.05, 50.0)


def test_the_expected_similarity_by_simulation_and_at_its_limits():
    assert theory.expected_oks(3.0, 5.0, 4.0) == pytest.approx(0.581131, abs=5e-7)
    assert theory.expected_oks(3.0, 5.0) == pytest.approx(0.735294, abs=5e-7)
    truth = np.random.default_rng(0).normal(0, 3, (1_000_000, 2)) + np.array([4.0, 0.0])
    drawn = np.exp(-(truth**2).sum(axis=1) / 50)
    assert theory.expected_oks(3.0, 5.0, 4.0) == pytest.approx(drawn.mean(), abs=1e-3)
    assert theory.expected_oks(0.0, 5.0, 4.0) == pytest.approx(np.exp(-16 / 50), abs=1e-12)
    assert theory.expected_oks(3.0, 1e6, 4.0) == pytest.approx(1.0, abs=1e-9)


@given(lengths, lengths, lengths)
def test_the_expected_similarity_is_monotone(spread, reach, distance):
    here = theory.expected_oks(spread, reach, distance)
    assert 0 < here < 1 or here == pytest.approx(0, abs=1e-300) or here == 1
    assert theory.expected_oks(spread, 1.1 * reach, distance) >= here
    assert theory.expected_oks(spread, reach, 1.1 * distance) <= here
    perfect = theory.expected_oks(spread, reach)
    assert theory.expected_oks(1.1 * spread, reach) < perfect
    assert theory.expected_oks_of_axes(spread, spread, reach) == pytest.approx(perfect)
    assert theory.heatmap_confidence(theory.heatmap_spread(perfect, reach), reach) == pytest.approx(max(perfect, 1e-6))


def test_two_axes_by_simulation():
    truth = np.random.default_rng(1).normal(0, 1, (1_000_000, 2)) * np.array([1.0, 4.0])
    drawn = np.exp(-(truth**2).sum(axis=1) / 18)
    assert theory.expected_oks_of_axes(1.0, 4.0, 3.0) == pytest.approx(drawn.mean(), abs=1e-3)


def test_the_heatmap_maximum_by_averaging_rendered_targets():
    """Eq. 17: the best heatmap is the mean of the targets; its peak is the confidence, its width Eq. 16."""
    assert theory.heatmap_confidence(3.0, 2.0) == pytest.approx(0.307692, abs=5e-7)
    y, x = np.mgrid[:41, :41].astype(float)
    places = np.random.default_rng(2).normal(20, 3, (20_000, 2))
    across = np.exp(-((x[0] - places[:, :1]) ** 2) / 8)  # Gaussians separate
    down = np.exp(-((y[:, 0] - places[:, 1:]) ** 2) / 8)
    mean = down.T @ across / len(places)
    assert mean[20, 20] == pytest.approx(0.307692, rel=0.01)
    # the errata of Eq. 15: the mean heatmap sums to 2 pi l~², not 2 pi l
    assert mean.sum() == pytest.approx(2 * np.pi * 4, rel=0.01)
    assert theory.heatmap_spread(0.307692, 2.0) == pytest.approx(3.0, abs=1e-5)
    assert theory.heatmap_spread(np.array([1.2, -0.1]), 2.0) == pytest.approx([0.0, 2000.0], rel=1e-3)


def test_the_constants_of_likelihood_networks():
    drawn = np.random.default_rng(3).normal(0, 3, (1_000_000, 2))
    assert theory.spread_of_error(float(np.abs(drawn).sum(axis=1).mean())) == pytest.approx(3.0, abs=0.01)
    assert theory.regression_fitted_spread(3.0, 4.0) == pytest.approx(4.123106, abs=5e-7)
    assert theory.laplace_scale(3.0) == pytest.approx(2.393654, abs=5e-7)
    assert theory.regression_confidence(np.array([0.0, 0.25, 1.5])).tolist() == [1.0, 0.75, -0.5]


def test_a_wrong_mean_by_numerical_minimisation():
    """Eq. 62 minimises the negative log-likelihood, Eq. 109 and 87 the squared error to the rendered targets."""
    spread, target, distance = 3.0, 2.0, 4.0
    fitted = minimize(lambda s: np.log(s[0] ** 2) + (2 * spread**2 + distance**2) / (2 * s[0] ** 2), [2.0]).x[0]
    assert theory.regression_fitted_spread(spread, distance) == pytest.approx(fitted, rel=1e-4)
    y, x = np.mgrid[-40:41, -40:41] / 1.0
    total = spread**2 + target**2
    best = target**2 / total * np.exp(-((x - distance) ** 2 + y**2) / (2 * total))

    def loss(parameters):
        height, width = parameters
        return ((height * np.exp(-(x**2 + y**2) / (2 * width**2)) - best) ** 2).sum()

    height, width = minimize(loss, [0.3, 4.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14}).x
    assert theory.heatmap_fitted_spread(spread, target, distance) == pytest.approx(width, rel=1e-5)
    assert theory.heatmap_fitted_confidence(spread, target, distance) == pytest.approx(height, rel=1e-5)


def test_the_printed_equation_110_is_rejected():
    square = theory.heatmap_fitted_spread(3.0, 2.0, 4.0) ** 2
    assert square == pytest.approx(23.264338, abs=5e-7)
    printed = 2 * 2.0**2 / (3.0**2 + 2.0**2 + square)
    assert printed == pytest.approx(0.220602, abs=5e-7)
    assert theory.heatmap_fitted_confidence(3.0, 2.0, 4.0) == pytest.approx(0.176931, abs=5e-7)
    assert abs(theory.heatmap_fitted_confidence(3.0, 2.0, 4.0) - printed) > 0.04


@given(lengths, lengths)
def test_without_a_distance_the_wrong_mean_is_right(spread, target):
    total = spread**2 + target**2
    assert theory.heatmap_fitted_spread(spread, target) == pytest.approx(np.sqrt(total))
    assert theory.heatmap_fitted_confidence(spread, target) == pytest.approx(theory.heatmap_confidence(spread, target))
    assert theory.regression_fitted_spread(spread, 0.0) == pytest.approx(spread)


def test_arrays_broadcast():
    values = theory.expected_oks(np.full((4, 1), 3.0), np.array([5.0, 6.0]), 0.0)
    assert values.shape == (4, 2) and values[0, 0] == pytest.approx(0.735294, abs=5e-7)


def test_lengths_that_are_none(refused):
    for bad in (float("nan"), -1.0, float("inf")):
        with refused(DataError, "spread"):
            theory.expected_oks(bad, 5.0)
        with refused(DataError, "distance"):
            theory.heatmap_fitted_confidence(3.0, 2.0, bad)
        with refused(DataError, "spread"):
            theory.laplace_scale(bad)
        with refused(DataError, "spread"):
            theory.regression_confidence(bad)
        with refused(DataError, "error"):
            theory.spread_of_error(bad)
    for function in (theory.expected_oks, theory.heatmap_confidence, theory.heatmap_fitted_spread):
        with refused(DataError, "reach"):
            function(3.0, 0.0)
    with refused(DataError, "heatmap maximum", "none"):
        theory.heatmap_spread(np.zeros(0), 2.0)
    with refused(DataError, "2 of 3"):
        theory.expected_oks(np.array([np.nan, 1.0, np.inf]), 5.0)
