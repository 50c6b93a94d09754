"""Fits against scikit-learn's definition, what they leave alone, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save
from scipy.special import expit, logit

from cape.errors import DataError, FormatError, UsageError
from cape.evaluation.ranking import average_precision, sparsification
from cape.evaluation.recalibration import MINIMUM, Affine, Isotonic, fit_affine, fit_isotonic, from_arrays, to_arrays
from cape.evaluation.reliability import brier, reliability

FITS = {"isotonic": fit_isotonic, "affine": fit_affine}
samples = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40)


@pytest.fixture
def over_confident():
    """Confidences whose logits are twice as far as they should be, and a half on top; and what happened."""
    rng = np.random.default_rng(0)
    chance = rng.beta(4, 2, 40_000)
    return expit(2 * logit(chance) + 0.5), (rng.random(40_000) < chance).astype(float), chance


@pytest.mark.parametrize("kind", FITS)
def test_what_is_miscalibrated_is_mended_on_new_samples(kind, over_confident):
    confidence, event, chance = over_confident
    curve = FITS[kind](confidence[:20_000], event[:20_000])
    mended = curve.apply(confidence[20_000:])
    assert reliability(confidence, event).expected_error > 0.12
    assert reliability(mended, event[20_000:]).expected_error < 0.01
    assert np.sqrt(np.mean((mended - chance[20_000:]) ** 2)) < 0.02
    assert brier(mended, event[20_000:]).score < brier(confidence[20_000:], event[20_000:]).score - 0.01


def test_the_affine_fit_finds_its_parameters(over_confident):
    confidence, _, chance = over_confident
    curve = fit_affine(confidence, chance)  # the probabilities themselves: no noise
    assert (curve.slope, curve.offset) == (pytest.approx(0.5, abs=2e-3), pytest.approx(-0.25, abs=2e-3))
    assert fit_affine(chance, chance).slope == pytest.approx(1, abs=1e-4)
    unrelated = fit_affine(confidence, chance[::-1].copy())
    assert 0 < unrelated.slope < 0.02 and unrelated.apply(confidence) == pytest.approx(chance.mean(), abs=0.06)
    backwards = fit_affine(1 - confidence, chance)
    assert backwards.slope == pytest.approx(1e-3)  # it never turns a ranking round
    certain = fit_affine(confidence, np.ones(len(confidence)))
    assert np.isfinite(certain).all() and certain.apply(confidence).min() > 0.9


def test_the_isotonic_fit_by_hand():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])
    curve = fit_isotonic(scores, np.array([0.0, 0.6, 0.4, 0.5, 0.8, 1.0]), minimum=1)
    # 0.6 falls to 0.4 and 0.5: pooled; the two at 0.5 are one knot
    assert curve.scores.tolist() == [0.1, 0.2, 0.4, 0.5] and curve.values == pytest.approx([0, 0.5, 0.5, 0.9])
    heavy = fit_isotonic(np.array([0.1, 0.1, 0.1, 0.2]), np.array([1.0, 1.0, 1.0, 0.0]), minimum=1)
    assert heavy.values == pytest.approx([0.75, 0.75])
    assert curve.apply(np.array([0.0, 0.15, 0.3, 0.45, 2.0])) == pytest.approx([0, 0.25, 0.5, 0.7, 0.9], abs=1e-4)
    assert curve.apply(np.zeros((2, 0))).shape == (2, 0) and curve.apply(np.zeros((2, 3))).shape == (2, 3)
    constant = fit_isotonic(np.full(4, 0.3), np.array([0.0, 1.0, 1.0, 1.0]), minimum=1)
    assert constant.apply(np.array([0.1, 0.9])) == pytest.approx([0.75, 0.75], abs=1e-4)


@given(samples, st.sampled_from(sorted(FITS)))
def test_curves_rise_and_stay_in_the_unit_interval(pairs, kind):
    confidence, truth = np.array(pairs, dtype=float).T
    curve = FITS[kind](confidence, truth, minimum=1)
    values = curve.apply(np.linspace(0, 1, 101))
    assert (np.diff(values) >= 0).all() and (values >= 0).all() and (values <= 1).all()
    arrays = load(save(to_arrays(curve)))
    again = from_arrays(arrays)
    assert type(again) is type(curve) and (again.apply(confidence) == curve.apply(confidence)).all()


@pytest.mark.parametrize("kind", FITS)
def test_the_ranking_stays(kind, over_confident):
    confidence, event, _ = (each[:5000] for each in over_confident)
    assert len(np.unique(confidence)) == len(confidence)
    mended = FITS[kind](confidence, event).apply(confidence)
    assert (np.argsort(mended) == np.argsort(confidence)).all()
    assert (average_precision(mended, event) == average_precision(confidence, event)).all()
    assert sparsification(mended, 1 - event).ause == sparsification(confidence, 1 - event).ause
    assert reliability(mended, event).expected_error < reliability(confidence, event).expected_error / 3


def test_scores_of_any_range_can_be_made_probabilities():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, 2000)
    event = (rng.random(2000) < expit(logits)).astype(float)
    mended = fit_isotonic(logits, event).apply(logits)
    assert mended.min() >= 0 and mended.max() <= 1 and np.abs(mended - expit(logits)).mean() < 0.05
    assert (np.argsort(mended) == np.argsort(logits)).all()


@pytest.mark.parametrize("kind", FITS)
def test_too_few_and_bad_samples(kind, refused):
    few, fit = MINIMUM[kind] - 1, FITS[kind]
    good = np.linspace(0, 1, few + 1)
    assert fit(good, good)
    with refused(DataError, f"at least {few + 1} samples", str(few)):
        fit(good[1:], good[1:])
    with refused(DataError, "recalibration"):
        fit(good[:0], good[:0])
    bad = good.copy()
    bad[3] = np.nan
    with refused(DataError, "confidence", "NaN"):
        fit(bad, good)
    with refused(DataError, "truth", "NaN"):
        fit(good, bad)
    with refused(DataError, "truth"):
        fit(good, 2 * good)
    with refused(UsageError, f"({few},)"):
        fit(good[1:], good)
    with refused(DataError, "NaN"):
        fit(good, good).apply(bad)
    if kind == "affine":
        with refused(DataError, "at most 1"):
            fit(2 * good, good)
        with refused(DataError, "at most 1"):
            fit(good, good).apply(2 * good)


def test_arrays_that_are_no_curve(refused):
    good = to_arrays(Isotonic(np.array([0.0, 1.0]), np.array([0.2, 0.9])))
    straight = to_arrays(Affine(np.array(1.0), np.array(0.0)))
    assert isinstance(from_arrays(good), Isotonic) and isinstance(from_arrays(straight), Affine)
    spoilt = [
        {}, {"isotonic.scores": good["isotonic.scores"]}, {**good, **straight},
        {**good, "isotonic.values": np.array([0.9, 0.2])}, {**good, "isotonic.values": np.array([0.2, 1.2])},
        {**good, "isotonic.values": np.array([0.2, np.nan])}, {**good, "isotonic.scores": np.array([0.0, 0.0])},
        {**good, "isotonic.values": np.array([0.5])}, {name: np.zeros(0) for name in good},
        {**straight, "affine.slope": np.array(-1.0)}, {**straight, "affine.offset": np.array(np.nan)},
        {**straight, "affine.slope": np.array([1.0])},
    ]  # fmt: skip
    for arrays in spoilt:
        with refused(FormatError, "recalibration"):
            from_arrays(arrays)
