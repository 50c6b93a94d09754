"""Spreads are found again in what was rendered with them; the correction is Eq. 12."""

import numpy as np
import pytest

from cape.data.skeletons import read_sigmas
from cape.errors import DataError, UsageError
from cape.evaluation.calibration import expected_oks, heatmap_spread
from cape.evaluation.spreads import (
    FLOOR,
    closed_form,
    fitted,
    moments,
    predicted_area,
    spread_of_bins,
    spread_of_likelihood,
    without_target,
)

PLACES = np.array([[[20.3, 30.7], [24.0, 40.0]], [[40.4, 10.2], [30.0, 31.5]]])
WIDTHS = np.array([[2.0, 2.5], [3.0, 4.0]])


def rendered(height=0.7, noise=0.0):
    y, x = np.mgrid[:64, :48].astype(float)
    squared = (x - PLACES[..., :1, None]) ** 2 + (y - PLACES[..., 1:, None]) ** 2
    maps = height * np.exp(-squared / (2 * WIDTHS[..., None, None] ** 2))
    return maps + noise * np.random.default_rng(0).normal(size=maps.shape)


def test_the_fit_finds_width_and_centre_of_any_height():
    for height in (0.7, 1e-3):
        found = fitted(rendered(height), window=4)
        assert found.spread == pytest.approx(WIDTHS, rel=1e-4) and found.centre == pytest.approx(PLACES, abs=1e-3)
    found = fitted(rendered(noise=0.01), window=3)
    assert found.spread == pytest.approx(WIDTHS, rel=0.05) and np.abs(found.centre - PLACES).max() < 0.2
    # far cells, mostly noise, count little
    assert fitted(rendered(noise=0.01), window=8).spread == pytest.approx(WIDTHS, rel=0.15)
    assert fitted(rendered().astype(np.float32), window=4).spread == pytest.approx(WIDTHS, rel=1e-3)


def test_moments_of_a_wide_and_of_a_narrow_window():
    wide = moments(rendered()[:1], window=12)
    assert wide.spread == pytest.approx(WIDTHS[:1], rel=1e-3) and wide.centre == pytest.approx(PLACES[:1], abs=0.01)
    y, x = np.mgrid[-40:41, -40:41] / 1.0
    gauss = np.exp(-(x**2 + y**2) / 32)[None, None]
    shares = [moments(gauss, window=window).spread.item() ** 2 / 16 for window in (8, 12)]
    assert shares == pytest.approx([0.82, 0.98], abs=0.01)  # as the docstring says


def test_a_window_over_the_border_holds_nothing_beyond_it():
    y, x = np.mgrid[:20, :20].astype(float)
    corner = np.exp(-((x - 1) ** 2 + (y - 18.5) ** 2) / 8)[None, None]
    found = fitted(corner, window=5)
    assert found.spread.item() == pytest.approx(2) and found.centre[0, 0] == pytest.approx([1, 18.5])
    edge = np.zeros((1, 1, 9, 9))
    edge[0, 0, 4, 0] = 1.0
    assert moments(edge, window=3).spread.item() == 0


def test_three_ways_to_the_same_spread():
    """A heatmap learnt perfectly: width and height both tell sigma (Eq. 16 and 17)."""
    target, sigma = 2.0, np.sqrt(WIDTHS**2 - 4)[:, 1:]
    height = target**2 / (sigma**2 + target**2)
    maps = rendered(1.0)[:, 1:] * height[..., None, None]
    assert without_target(fitted(maps, window=4).spread, target) == pytest.approx(sigma, rel=1e-3)
    assert without_target(moments(maps, window=16).spread, target)[0] == pytest.approx(sigma[0], rel=1e-2)
    assert heatmap_spread(height, target) == pytest.approx(sigma)
    # narrower than its target, and no peak at all
    assert without_target(np.array([1.5, 2.0, np.inf]), target).tolist() == [FLOOR, FLOOR, np.inf]


def test_maps_without_a_peak_have_no_confidence():
    maps = np.stack([np.zeros((8, 8)), np.full((8, 8), -1.0), np.full((8, 8), 0.5)])[None]
    assert np.isposinf(fitted(maps, window=2).spread).all()
    assert np.isposinf(moments(maps, window=2).spread[0, :2]).all()
    maps[0, 0, 3, 3] = 1.0  # a single cell
    assert moments(maps, window=2).spread[0, 0] == 0.0
    spread = np.array([[np.inf, 1.0]])
    assert closed_form(spread, np.array([0.1, 0.1]), 100.0).tolist() == [[0.0, pytest.approx(0.8)]]
    both = np.array([[[1.0, np.inf], [1.0, 1.0]]])
    assert closed_form(both, np.array([0.1, 0.1]), 100.0).tolist() == [[0.0, pytest.approx(0.8)]]


def test_likelihood_in_pixels_of_the_picture():
    sigma = np.array([[[0.1, 0.2], [0.0, 0.5]]])
    found = spread_of_likelihood(sigma, input_size=(192, 256), pixels=np.array([2.0]))
    assert found == pytest.approx(np.array([[19.2 + 51.2, 128.0]]))  # the mean of both, twice


def test_bins_without_their_labels_width():
    ratio, label, beta = 2.0, 6.0, 10.0
    bins = np.arange(400.0)
    sigma = np.array([[0.0, 5.0, 20.0]])
    logits = -((bins - 190.3) ** 2) / (2 * (sigma**2 + label**2)[..., None]) / beta
    found = spread_of_bins(logits, label=label, split_ratio=ratio, temperature=beta)
    assert found == pytest.approx(np.maximum(sigma, FLOOR) / ratio, abs=0.02)
    far = np.logaddexp(logits * beta, -10.0) / beta  # a little everywhere
    assert (spread_of_bins(far, label=label, split_ratio=ratio, temperature=beta) > found + 0.1)[0, 1]
    near = spread_of_bins(far, label=label, split_ratio=ratio, temperature=beta, window=36)
    assert near[0, 1] == pytest.approx(2.5, rel=0.05)


def test_the_correction_with_every_kind_of_area():
    sigmas, spread = read_sigmas("coco"), np.random.default_rng(1).uniform(0, 5, (3, 17))
    area = np.array([400.0, 9000.0, 40_000.0])
    exact = closed_form(spread, sigmas, area)
    reach = 2 * sigmas * np.sqrt(area)[:, None]
    assert exact == pytest.approx(reach**2 / (spread**2 + reach**2))
    assert (np.diff(closed_form(np.ones((3, 17)), sigmas, area), axis=0) > 0).all(), "the larger, the surer"
    mean = closed_form(spread, sigmas, float(area.mean()))
    assert mean == pytest.approx(expected_oks(spread, 2 * sigmas * np.sqrt(area.mean())))
    guessed = predicted_area(np.log(area / 50_000), np.full(3, 50_000.0))
    assert closed_form(spread, sigmas, guessed) == pytest.approx(exact)
    assert closed_form(np.repeat(spread[..., None], 2, axis=-1), sigmas, area) == pytest.approx(exact)


def test_bad_maps_windows_and_areas(refused):
    maps = rendered()
    for read in (fitted, moments):
        with refused(UsageError, "window"):
            read(maps, window=0)
        with refused(DataError, "heatmaps"):
            read(np.full_like(maps, np.nan), window=2)
        with refused(DataError, "heatmaps", "none"):
            read(maps[:0], window=2)
    with refused(DataError, "target"):
        without_target(WIDTHS, -1.0)
    with refused(DataError, "sigma"):
        spread_of_likelihood(np.full((1, 1, 2), np.nan), input_size=(1, 1), pixels=np.ones(1))
    with refused(DataError, "pixels"):
        spread_of_likelihood(np.ones((1, 1, 2)), input_size=(1, 1), pixels=np.zeros(1))
    for bad in ({"split_ratio": 0.0}, {"temperature": 0.0, "split_ratio": 2.0}):
        with refused(DataError, "split ratio"):
            spread_of_bins(np.ones((1, 1, 4)), label=1.0, **bad)
    with refused(DataError, "logits"):
        spread_of_bins(np.full((1, 1, 4), np.nan), label=1.0, split_ratio=2.0)
    with refused(UsageError, "window"):
        spread_of_bins(np.ones((1, 1, 4)), label=1.0, split_ratio=2.0, window=0)
    with refused(DataError, "area"):
        closed_form(np.ones((1, 2)), np.ones(2), 0.0)
    with refused(DataError, "spread"):
        closed_form(np.full((1, 2), np.nan), np.ones(2), 1.0)
    with refused(UsageError, "spread", "(1, 2, 3)"):
        closed_form(np.ones((1, 2, 3)), np.ones(2), 1.0)
    with refused(DataError, "crops"):
        predicted_area(np.zeros(1), np.zeros(1))
    with refused(DataError, "share"):
        predicted_area(np.full(1, np.nan), np.ones(1))
