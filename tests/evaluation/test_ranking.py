"""Precision and recall (§7, checks 5 to 7), AUSE (check 8), correlations, each against counting by hand."""

import contextlib
import io
import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import stats

from cape.errors import DataError
from cape.evaluation.ranking import (
    THRESHOLDS,
    average_precision,
    average_recall,
    coco_average_precision,
    correlations,
    risk_coverage,
    sparsification,
)

samples = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 20)), min_size=1, max_size=40)


def columns(pairs):
    confidence, truth = np.array(pairs, dtype=float).T
    return confidence / 6, truth / 20


def precision_by_counting(order, truth, threshold):
    total, good = 0.0, 0
    for place, index in enumerate(order, 1):
        if truth[index] > threshold:
            good += 1
            total += good / place
    return total / len(truth)


def test_thresholds_are_cocos():
    assert pytest.approx(np.arange(50, 100, 5) / 100) == THRESHOLDS


def test_ranked_by_the_truth_precision_is_recall():
    truth = np.random.default_rng(0).beta(6, 2, 20_000)
    assert np.abs(average_precision(truth, truth) - average_recall(truth)).max() < 1e-12
    assert np.abs(average_precision(truth**3 - 5, truth) - average_recall(truth)).max() < 1e-12
    noisy = truth + np.random.default_rng(1).normal(0, 0.1, len(truth))
    assert (average_precision(noisy, truth) < average_recall(truth) - 1e-3).all()


@given(samples)
def test_no_ranking_beats_recall_and_rising_maps_change_nothing(pairs):
    confidence, truth = columns(pairs)
    precision = average_precision(confidence, truth)
    assert (precision <= average_recall(truth) + 1e-12).all()
    assert average_precision(np.exp(3 * confidence) - 7, truth) == pytest.approx(precision, abs=1e-12)
    shuffled = np.random.default_rng(0).permutation(len(truth))
    assert average_precision(confidence[shuffled], truth[shuffled]) == pytest.approx(precision, abs=1e-12)


def test_equal_confidences_are_the_mean_over_their_orders():
    confidence, truth = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1]), np.array([0.4, 0.9, 0.2, 0.7, 0.8, 0.95])
    orders = [[0, *middle, 5] for middle in itertools.permutations(range(1, 5))]
    for threshold in (0.1, 0.5, 0.75, 0.99):
        expected = np.mean([precision_by_counting(order, truth, threshold) for order in orders])
        assert average_precision(confidence, truth, (threshold,)) == pytest.approx([expected])


def test_a_random_ranking_by_its_formula_and_by_shuffling():
    """§7, check 6: a constant confidence gets what a random order gets on average, and about the square of recall."""
    rng = np.random.default_rng(0)
    truth = rng.beta(6, 2, 20_000)
    constant, recall = average_precision(np.ones(len(truth)), truth), average_recall(truth)
    place, number = np.arange(1, len(truth) + 1), len(truth)
    for found, rate in zip(constant, recall, strict=True):
        positives = rate * number
        terms = rate / place + (place - 1) / place * rate * (positives - 1) / (number - 1)
        assert found == pytest.approx(terms.mean(), abs=1e-12)
    assert (recall.mean(), average_precision(truth, truth).mean()) == pytest.approx((0.5545, 0.5545), abs=0.005)
    assert constant.mean() == pytest.approx(0.3996, abs=0.006)
    assert 0 < constant.mean() - (recall**2).mean() < 2e-4
    drawn = [average_precision(rng.random(number), truth).mean() for _ in range(20)]
    assert np.mean(drawn) == pytest.approx(constant.mean(), abs=0.002)


def test_cocos_precision_equals_pycocotools():
    rng = np.random.default_rng(0)
    count, sigmas = 60, np.array([0.05])
    confidence, error = rng.random(count).round(1), rng.exponential(6, count)  # with ties
    people = [
        {"id": i + 1, "image_id": i, "category_id": 1, "keypoints": [50.0, 50.0, 2], "num_keypoints": 1,
         "area": 2500.0, "bbox": [25.0, 25.0, 50.0, 50.0], "iscrowd": 0}
        for i in range(count)
    ]  # fmt: skip
    found = [
        {"image_id": i, "category_id": 1, "keypoints": [50.0 + error[i], 50.0, 1], "score": confidence[i]}
        for i in range(count)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {}, "images": [{"id": i} for i in range(count)], "annotations": people,
            "categories": [{"id": 1, "name": "point", "keypoints": ["a"]}],
        }  # fmt: skip
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "keypoints")
        evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, 0, 0, 0].mean(axis=1)
    oks = np.exp(-(error**2) / (2 * 2500.0 * (2 * sigmas[0]) ** 2))
    mine = coco_average_precision(confidence, oks)
    assert mine == pytest.approx(precision, abs=1e-9) and 0.1 < mine.mean() < 0.9
    assert evaluation.eval["recall"][:, 0, 0, 0] == pytest.approx(average_recall(oks))


def test_correlations_equal_scipys_and_say_nothing_of_constants():
    rng = np.random.default_rng(0)
    confidence = rng.random(200).round(1)
    truth = np.clip(confidence + rng.normal(0, 0.2, 200), 0, 1)
    found = correlations(confidence, truth)
    expected = stats.pearsonr, stats.spearmanr, stats.kendalltau
    assert found == pytest.approx([each(confidence, truth).statistic for each in expected])
    assert correlations(truth, truth) == pytest.approx([1, 1, 1])
    assert correlations(-(truth**3), truth)[1:] == pytest.approx([-1, -1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for pair in ((np.ones(3), np.arange(3.0)), (np.arange(3.0), np.ones(3)), (np.ones(1), np.ones(1))):
            assert np.isnan(correlations(*pair)).all()


def test_sparsification_of_four_by_hand():
    error = np.array([0.4, 0.1, 0.3, 0.0])
    confidence = np.array([0.9, 0.8, 0.2, 0.3])  # from the surest: 0.4, 0.1, 0.0, 0.3
    found = sparsification(confidence, error, 4)
    assert found.removed == pytest.approx([0, 0.25, 0.5, 0.75])
    assert found.error == pytest.approx([0.2, 0.5 / 3, 0.25, 0.4])
    assert found.oracle == pytest.approx([0.2, 0.4 / 3, 0.05, 0.0])
    assert found.ause == pytest.approx(100 * (0 + 0.1 / 3 + 0.2 + 0.4) / 4)
    assert found.normalised == pytest.approx(found.ause / 0.2)
    curve = risk_coverage(confidence, error)
    assert curve.coverage == pytest.approx([0.25, 0.5, 0.75, 1]) and curve.risk == pytest.approx(found.error[::-1])
    assert curve.area == pytest.approx(np.mean([0.4, 0.25, 0.5 / 3, 0.2]))
    assert curve.excess == pytest.approx(found.ause / 100)
    assert len(sparsification(confidence, error).error) == 100


@given(samples)
def test_the_oracle_has_no_sparsification_error_and_its_reverse_the_most(pairs):
    confidence, truth = columns(pairs)
    error = 1 - truth
    found = sparsification(confidence, error)
    assert sparsification(truth, error).ause == pytest.approx(0, abs=1e-9)
    assert -1e-9 <= found.ause <= sparsification(error, error).ause + 1e-9
    assert sparsification(confidence**3 - 4, error).ause == pytest.approx(found.ause, abs=1e-9)
    shuffled = np.random.default_rng(0).permutation(len(error))
    assert sparsification(confidence[shuffled], error[shuffled]).ause == pytest.approx(found.ause, abs=1e-9)
    assert risk_coverage(confidence, error).risk[-1] == pytest.approx(error.mean())


def test_no_error_is_no_error():
    found = sparsification(np.array([0.1, 0.9]), np.zeros(2))
    assert found.ause == found.normalised == 0


def test_bad_confidences_and_truths(refused):
    good = np.array([0.1, 0.2])
    for rank in (average_precision, coco_average_precision, correlations, risk_coverage, sparsification):
        for bad in (np.array([np.nan, 0.1]), np.array([np.inf, 0.1])):
            with refused(DataError, "confidence"):
                rank(bad, good)
            with refused(DataError):
                rank(good, bad)
        with refused(DataError, "none"):
            rank(good[:0], good[:0])
    for precision in (average_precision, coco_average_precision):
        with refused(DataError, "truth", "at most 1"):
            precision(good, np.array([0.5, 1.1]))
    with refused(DataError, "truth"):
        average_recall(np.array([-0.1]))
    with refused(DataError, "error"):
        risk_coverage(good, np.array([-0.1, 0.1]))
    with refused(DataError, "steps"):
        sparsification(good, good, 0)
