"""Bins, calibration errors and the Brier decomposition by hand and by their identities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cape.errors import DataError, UsageError
from cape.evaluation.reliability import brier, reliability, threshold_errors

samples = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=60)
widths = st.sampled_from(["equal width", "equal mass"])


def columns(pairs):
    return tuple(np.array(pairs, dtype=float).T)


def test_bins_by_hand():
    confidence = np.array([0.0, 0.1, 0.25, 0.3, 0.9, 1.0])
    truth = np.array([0.0, 0.0, 1.0, 0.5, 1.0, 0.5])
    found = reliability(confidence, truth, bins=4)
    assert found.low.tolist() == [0, 0.25, 0.75] and found.high.tolist() == [0.25, 0.5, 1]
    assert found.held.tolist() == [3, 1, 2]  # 0.25 belongs below
    assert found.confidence == pytest.approx([0.35 / 3, 0.3, 0.95])
    assert found.truth == pytest.approx([1 / 3, 0.5, 0.75])
    assert found.expected_error == pytest.approx((0.65 + 0.2 + 0.4) / 6)
    assert found.maximum_error == pytest.approx(0.65 / 3)
    assert found.bias == pytest.approx((-0.65 - 0.2 + 0.4) / 6) == pytest.approx(confidence.mean() - truth.mean())
    even = reliability(confidence, truth, bins=3, width="equal mass")
    assert even.held.tolist() == [2, 2, 2] and even.confidence == pytest.approx([0.05, 0.275, 0.95])


def test_bins_of_equal_mass_do_not_part_equals():
    confidence = np.array([0.2] * 7 + [0.4, 0.6, 0.8])
    shuffled = np.random.default_rng(0).permutation(10)
    found = reliability(confidence[shuffled], np.linspace(0, 1, 10)[shuffled], bins=5, width="equal mass")
    assert found.held.tolist() == [8, 2] and found.confidence == pytest.approx([0.225, 0.7])
    one = reliability(np.full(10, 0.3), np.linspace(0, 1, 10), width="equal mass")
    assert one.held.tolist() == [10] and one.truth == pytest.approx([0.5]) and one.low == one.high == [0.3]


@given(samples, widths, st.integers(1, 20))
def test_what_holds_of_all_bins(pairs, width, bins):
    confidence, truth = columns(pairs)
    found = reliability(confidence, truth, bins=bins, width=width)
    assert found.held.sum() == len(truth) and len(found.held) <= bins and (found.held > 0).all()
    assert (found.low - 1e-12 <= found.confidence).all() and (found.confidence <= found.high + 1e-12).all()
    assert abs(found.bias) <= found.expected_error + 1e-12 <= found.maximum_error + 2e-12
    assert found.bias == pytest.approx(confidence.mean() - truth.mean(), abs=1e-12)
    assert reliability(truth, truth, bins=bins, width=width).expected_error == pytest.approx(0, abs=1e-12)


@given(st.lists(st.tuples(st.sampled_from([0.05, 0.5, 0.95]), st.floats(0, 1)), min_size=1, max_size=60))
def test_the_brier_score_is_its_parts_where_a_bin_is_one_confidence(pairs):
    confidence, truth = columns(pairs)
    found = brier(confidence, truth, bins=10)
    assert found.score == pytest.approx(((confidence - truth) ** 2).mean())
    # a truth that varies within a bin is in the uncertainty as well as in the score
    assert found.within == pytest.approx(0, abs=1e-12)
    assert min(found.reliability, found.resolution, found.uncertainty) >= 0
    assert found.resolution <= found.uncertainty + 1e-12


def test_the_truth_as_confidence_and_a_constant():
    truth = np.random.default_rng(0).random(1000)
    assert brier(truth, truth).score == 0 and brier(truth, truth).reliability == pytest.approx(0, abs=1e-12)
    constant = brier(np.full(1000, 0.9), truth)
    assert constant.resolution == pytest.approx(0, abs=1e-12)
    assert constant.reliability == pytest.approx((0.9 - truth.mean()) ** 2)


def test_calibrated_confidences_have_next_to_no_error():
    rng = np.random.default_rng(0)
    confidence = rng.beta(4, 2, 200_000)
    event = (rng.random(200_000) < confidence).astype(float)
    assert reliability(confidence, event).expected_error < 0.004
    over = reliability(np.sqrt(confidence), event)
    assert over.expected_error == pytest.approx(over.bias, abs=1e-4) and over.bias > 0.1


def test_errors_over_thresholds_by_hand():
    confidence, truth = np.array([0.9, 0.9, 0.1]), np.array([0.6, 0.8, 0.3])
    found = threshold_errors(confidence, truth, thresholds=(0.5, 0.7), bins=2)
    assert found == pytest.approx({0.5: (0.2 + 0.1) / 3, 0.7: (0.8 + 0.1) / 3})
    assert list(threshold_errors(confidence, truth)) == pytest.approx(np.arange(0.5, 1, 0.05))


def test_bad_values_and_no_bin(refused):
    good = np.array([0.1, 0.2])
    for measure in (reliability, brier, threshold_errors):
        for bad in (np.nan, 1.01, -0.01):
            with refused(DataError, "confidence"):
                measure(np.array([bad, 0.1]), good)
            with refused(DataError, "truth"):
                measure(good, np.array([bad, 0.1]))
        with refused(DataError, "none"):
            measure(good[:0], good[:0])
        with refused(UsageError, "bins"):
            measure(good, good, bins=0)
