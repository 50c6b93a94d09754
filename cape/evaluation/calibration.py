"""What a keypoint's confidence should be, and what networks say instead: the theory of CCNet as functions.

"On the Calibration of Human Pose Estimation" (arXiv 2311.17105). A keypoint is assumed to lie at N(mu, sigma² I) given
the picture, and its confidence should equal the object keypoint similarity (OKS) to be expected. Three lengths, all in
one frame (pixels of the original picture; cells of a heatmap where it says so):

    spread    sigma    how far annotations scatter around mu, along one axis
    reach     l        how far OKS forgives: 2 sigma_k sqrt(area), Eq. 7, see `evaluation.targets`
    target    l~       standard deviation of the Gaussians that a heatmap network was taught, usually 2 cells
    distance  Delta    from the prediction to mu

Errata of the printed text, found by numerical minimisation (specification §2): (15) lacks the l~ in 2 pi l~²; (110)
drops the exponential of (87); the threshold under (89) should read sigma_hat² > Delta²/2 - S. All functions take
numbers or arrays that broadcast.
"""

import numpy as np
from jaxtyping import Float

from cape.evaluation.checking import check_values

Values = Float[np.ndarray, "*_"] | float
"""A number, or an array of any shape."""


def expected_oks(spread: Values, reach: Values, distance: Values = 0.0) -> Values:
    """The OKS to be expected: l²/(sigma² + l²) exp(-Delta²/(2 (sigma² + l²))), Eq. 11; with no distance it is Eq. 12.

    Example:
        >>> round(float(expected_oks(3.0, 5.0, 4.0)), 6)
        0.581131

    Args:
        spread: Not negative.
        reach: Positive.
        distance: Not negative. 0 for a network that predicts the mean.

    Returns:
        In (0, 1].

    Raises:
        DataError: A value that is NaN, infinite or out of range.
    """
    _check(spread=spread, distance=distance, reach=reach)
    total = np.square(spread) + np.square(reach)
    return np.square(reach) / total * np.exp(-np.square(distance) / (2 * total))


def expected_oks_of_axes(across: Values, down: Values, reach: Values) -> Values:
    """The OKS to be expected of a perfect mean whose spread differs along the axes, as SimCC's: Eq. 12 for two axes.

    l²/sqrt((sigma_x² + l²)(sigma_y² + l²)); not in the paper, derived in the specification.

    Args:
        across: Spread along x, not negative.
        down: Spread along y, likewise.
        reach: Positive.

    Raises:
        DataError: As `expected_oks`.
    """
    _check(spread=across, distance=down, reach=reach)
    square = np.square(reach)
    return square / np.sqrt((np.square(across) + square) * (np.square(down) + square))


def heatmap_confidence(spread: Values, target: Values) -> Values:
    """The maximum of a heatmap that was learnt perfectly: l~²/(sigma² + l~²), Eq. 16-17.

    The form of Eq. 12 with the wrong length: l~ is the same for a person of any size, l is not. The best heatmap is
    2 pi l~² N(. | mu, (sigma² + l~²) I), Eq. 13-15, where the printed (15) has no l~.

    Args:
        spread: Cells, not negative.
        target: Cells, positive.

    Raises:
        DataError: As `expected_oks`.
    """
    return expected_oks(spread, target)


def heatmap_spread(confidence: Values, target: Values) -> Values:
    """Eq. 17 solved for sigma: l~ sqrt(1/s - 1), in cells.

    Args:
        confidence: Maxima of heatmaps. Below 1e-6 they are taken for 1e-6, above 1 for 1: a network may overshoot.
        target: Cells, positive.

    Raises:
        DataError: As `expected_oks`.
    """
    check_values("heatmap maximum", confidence)
    check_values("target", target, low=0.0, zero=False)
    return np.asarray(target) * np.sqrt(1 / np.clip(confidence, 1e-6, 1) - 1)


def heatmap_fitted_spread(spread: Values, target: Values, distance: Values = 0.0) -> Values:
    """The width that a heatmap with a wrong mean learns: sigma_hat² = Delta²/2 + sqrt(S² + Delta⁴/4), Eq. 109.

    S = sigma² + l~². It contains the target's own width: a perfect mean gives sigma_hat² = S (Eq. 16).

    Args:
        spread: Cells, not negative.
        target: Cells, positive.
        distance: Cells, not negative.

    Returns:
        sigma_hat in cells.

    Raises:
        DataError: As `expected_oks`.
    """
    _check(spread=spread, distance=distance, reach=target)
    total, half = np.square(spread) + np.square(target), np.square(distance) / 2
    return np.sqrt(half + np.sqrt(np.square(total) + np.square(half)))


def heatmap_fitted_confidence(spread: Values, target: Values, distance: Values = 0.0) -> Values:
    """The maximum that a heatmap with a wrong mean learns, Eq. 87 with 109.

    2 l~²/(S + sigma_hat²) exp(-Delta²/(2 (S + sigma_hat²))). The printed (110) drops the exponential: for l~ 2, sigma 3
    and Delta 4 it gives 0.2206 where the minimum of the objective has 0.1769.

    Args:
        spread: Cells, not negative.
        target: Cells, positive.
        distance: Cells, not negative.

    Raises:
        DataError: As `expected_oks`.
    """
    fitted = np.square(heatmap_fitted_spread(spread, target, distance))
    total = np.square(spread) + np.square(target) + fitted
    return 2 * np.square(target) / total * np.exp(-np.square(distance) / (2 * total))


def regression_confidence(spread: Values) -> Values:
    """What networks trained with a likelihood (RLE) call their score: 1 - sigma, Eq. 18-19.

    The wrong form, and no size of the person in it.

    Args:
        spread: In sides of the network's input, not negative. Above 1 the score is negative, as those networks' would.

    Raises:
        DataError: As `expected_oks`.
    """
    check_values("spread", spread, low=0.0)
    return 1 - np.asarray(spread)


def regression_fitted_spread(spread: Values, distance: Values) -> Values:
    """The sigma that a likelihood learns around a wrong mean: sqrt(sigma² + Delta²/2), Eq. 62.

    Args:
        spread: Not negative.
        distance: Not negative.

    Raises:
        DataError: As `expected_oks`.
    """
    _check(spread=spread, distance=distance, reach=1.0)
    return np.sqrt(np.square(spread) + np.square(distance) / 2)


def laplace_scale(spread: Values) -> Values:
    """The b that a Laplace model learns on Gaussian noise: sqrt(2/pi) sigma, Eq. 120.

    Args:
        spread: Not negative.

    Raises:
        DataError: As `expected_oks`.
    """
    check_values("spread", spread, low=0.0)
    return np.sqrt(2 / np.pi) * np.asarray(spread)


def spread_of_error(error: Values) -> Values:
    """Sigma of the mean absolute error: sqrt(pi/8) E(|x| + |y|), the identity behind Eq. 19.

    Args:
        error: Means of |x| + |y|, not negative.

    Raises:
        DataError: As `expected_oks`.
    """
    check_values("error", error, low=0.0)
    return np.sqrt(np.pi / 8) * np.asarray(error)


def _check(*, spread: Values, distance: Values, reach: Values) -> None:
    check_values("spread", spread, low=0.0)
    check_values("distance", distance, low=0.0)
    check_values("reach", reach, low=0.0, zero=False)
