"""All figures at once, paired differences, the occlusion curve, and bad input to each."""

import numpy as np
import pytest

from cape.errors import DataError, UsageError
from cape.evaluation.confidence import PROBABILITIES, RANKED, difference, figures, keypoint_figures, occlusion_curve
from cape.evaluation.ranking import average_precision, average_recall, correlations, risk_coverage, sparsification
from cape.evaluation.reliability import brier, reliability, threshold_errors


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    truth = rng.beta(5, 2, 400)
    return np.clip(truth + rng.normal(0, 0.15, 400), 0, 1), truth


def ece(confidence, truth):
    return reliability(confidence, truth).expected_error


def test_every_figure_is_what_its_function_says(sample):
    found = figures(*sample)
    confidence, truth = sample
    assert found["AP"] == average_precision(*sample).mean() and found["AR"] == average_recall(truth).mean()
    assert found["AR - AP"] == pytest.approx(found["AR"] - found["AP"]) and found["AR - AP"] > 0
    assert found["AP (COCO)"] > found["AP"]
    assert [found[name] for name in ("Pearson", "Spearman", "Kendall")] == list(correlations(*sample))
    assert found["AUSE"] == sparsification(confidence, 1 - truth).ause
    assert found["AUSE (normalised)"] == pytest.approx(found["AUSE"] / (1 - truth).mean())
    assert found["AURC"] == risk_coverage(confidence, 1 - truth).area
    assert found["ECE"] == ece(*sample) and found["MCE"] == reliability(*sample).maximum_error
    assert found["ECE (equal mass)"] == reliability(*sample, width="equal mass").expected_error
    assert found["bias"] == pytest.approx(confidence.mean() - truth.mean())
    assert [found[name] for name in ("Brier", "reliability", "resolution")] == list(brier(*sample))[:3]
    assert found["ECE over thresholds"] == pytest.approx(np.mean(list(threshold_errors(*sample).values())))
    assert set(RANKED) | set(PROBABILITIES) < set(found) and len(found) == len(RANKED) + len(PROBABILITIES) + 6


def test_the_truth_as_confidence_is_perfect(sample):
    found = figures(sample[1], sample[1])
    zero = ("AR - AP", "AUSE", "AUSE (normalised)", "ECE", "ECE (equal mass)", "MCE", "bias", "Brier", "reliability")
    assert [found[name] for name in zero] == pytest.approx([0] * len(zero), abs=1e-9)
    assert [found[name] for name in ("Pearson", "Spearman", "Kendall")] == pytest.approx([1, 1, 1])


def test_scores_that_are_no_probabilities_are_ranked_all_the_same(sample):
    confidence, truth = sample
    logits, plain = figures(10 * confidence - 3, truth), figures(confidence, truth)
    assert all(np.isnan(logits[name]) for name in PROBABILITIES)
    assert np.isnan(figures(confidence - 0.5, truth)["ECE"]) and np.isnan(figures(confidence + 0.5, truth)["ECE"])
    same = [name for name in plain if name not in PROBABILITIES]
    assert [logits[name] for name in same] == pytest.approx([plain[name] for name in same])


def test_keypoints_are_pooled_where_they_are_labelled(sample):
    confidence, truth = (each.reshape(100, 4).copy() for each in sample)
    labelled = np.random.default_rng(1).random((100, 4)) < 0.6
    confidence[~labelled], truth[~labelled] = np.nan, 7.0
    found = keypoint_figures(confidence, truth, labelled)
    pooled = figures(confidence[labelled], truth[labelled])
    assert found == {name: value for name, value in pooled.items() if name not in RANKED}


def test_a_paired_difference_of_any_figure(sample):
    confidence, truth = sample
    groups = np.repeat(np.arange(40), 10)
    found = difference(np.sqrt(confidence), confidence, truth, groups, ece, draws=300)
    assert found.categories == 40
    assert found.interval.mean == ece(np.sqrt(confidence), truth) - ece(confidence, truth)
    assert 0 < found.interval.low < found.interval.mean < found.interval.high
    back = difference(confidence, np.sqrt(confidence), truth, groups, ece, draws=300)
    assert back.interval == pytest.approx([-found.interval.mean, -found.interval.high, -found.interval.low])
    same = difference(confidence, confidence, truth, groups, ece, draws=20)
    assert same.interval == (0, 0, 0)
    wide = difference(np.sqrt(confidence), confidence, truth, np.repeat(np.arange(4), 100), ece, draws=300, level=0.5)
    assert wide.categories == 4 and wide.interval.low < wide.interval.high


def test_the_interval_of_a_mean_is_that_of_its_standard_error(sample):
    confidence, truth = sample
    found = difference(confidence, truth, truth, np.arange(400), lambda one, _: float(one.mean()), draws=2000)
    error = (confidence - truth).std(ddof=1) / 20
    assert found.interval.high - found.interval.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_groups_are_drawn_whole_and_figures_that_are_nan_do_not_count():
    truth = np.repeat([0.2, 0.4], 50)
    found = difference(truth, np.zeros(100), truth, np.repeat([3, 9], 50), lambda one, _: float(one.mean()), draws=200)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.2, 0.4)), "the two groups, or one twice"

    def pearson(confidence, truth):
        return correlations(confidence, truth).pearson

    rising = np.repeat([0.1, 0.2, 0.3], [1, 1, 98])
    found = difference(rising, -rising, rising, np.arange(100), pearson, draws=200)
    assert found.interval.mean == pytest.approx(2) and found.interval.low == pytest.approx(2)
    nothing = difference(np.ones(4), np.ones(4), np.ones(4), np.arange(4), pearson, draws=5)
    assert all(np.isnan(nothing.interval))


def test_the_occlusion_curve_by_hand():
    sizes = np.array([0.0, 0.1, 0.2])
    confidence = np.array([[0.9, 0.7], [0.6, 0.6], [0.1, 0.3]])
    found = occlusion_curve(sizes, confidence, np.array([[1.0, 0.6], [0.5, 0.5], [0.0, 0.2]]))
    assert found.confidence == pytest.approx([0.8, 0.6, 0.2]) and found.truth == pytest.approx([0.8, 0.5, 0.1])
    assert 0.98 < found.pearson < 1
    swapped = occlusion_curve(sizes, confidence + np.array([0.4, -0.4]), np.array([[1.0, 0.6], [0.5, 0.5], [0.0, 0.2]]))
    assert swapped.pearson == pytest.approx(found.pearson), "of the means: instances differ for other reasons"
    assert np.isnan(occlusion_curve(sizes, np.ones((3, 2)), confidence).pearson)


def test_bad_input(sample, refused):
    confidence, truth = sample
    spoilt = confidence.copy()
    spoilt[7] = np.nan
    groups = np.arange(400)
    with refused(DataError, "confidence", "1 of 400"):
        figures(spoilt, truth)
    with refused(DataError, "truth"):
        figures(confidence, spoilt)
    with refused(DataError, "truth", "at most 1"):
        figures(confidence, 2 * truth)
    with refused(DataError, "none"):
        figures(confidence[:0], truth[:0])
    with refused(UsageError, "(399,)"):
        figures(confidence[1:], truth)
    with refused(UsageError, "keypoint_figures"):
        figures(confidence.reshape(20, 20), truth.reshape(20, 20))
    grid, labelled = confidence.reshape(20, 20), np.ones((20, 20), bool)
    with refused(DataError, "a labelled keypoint"):
        keypoint_figures(grid, grid, ~labelled)
    with refused(DataError, "confidence", "1 of 400"):
        keypoint_figures(spoilt.reshape(20, 20), grid, labelled)
    with refused(UsageError, "(20, 19)"):
        keypoint_figures(grid, grid, labelled[:, 1:])
    with refused(UsageError, "(20, 19)"):
        keypoint_figures(grid, grid[:, 1:], labelled)
    with refused(DataError, "second confidence"):
        difference(confidence, spoilt, truth, groups, ece)
    with refused(UsageError, "groups", "1"):
        difference(confidence, confidence, truth, 0 * groups, ece)
    for pair in ((spoilt, truth), (truth, spoilt)):
        with refused(DataError, "1 of 400"):
            occlusion_curve(np.arange(20.0), *(each.reshape(20, 20) for each in pair))
