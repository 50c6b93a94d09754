"""How uncertain a network is, read off what it puts out, and the closed-form correction that follows (Table 1).

A heatmap network's spread is in the width of its heatmaps, a likelihood network's (RLE) is a number that it predicts,
a SimCC network's is in its two distributions. With the spread in pixels of the original picture and the area of the
instance, `closed_form` is the confidence that the network should have given (Eq. 12).

The target's own width is taken off as a variance (Eq. 16); where less is left than `FLOOR`, that is the spread.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from cape.errors import UsageError
from cape.evaluation.calibration import expected_oks, expected_oks_of_axes
from cape.evaluation.checking import check_values
from cape.evaluation.targets import reach

FLOOR = 0.01
"""The least spread that is read off a heatmap or a distribution, in cells or bins."""


class Width(NamedTuple):
    """A Gaussian fitted to each heatmap."""

    spread: Float[np.ndarray, "M K"]
    """sigma_hat in cells, with the target's width in it; infinite where no peak stands out."""
    centre: Float[np.ndarray, "M K 2"]
    """x, y in cells."""


def moments(heatmaps: Float[np.ndarray, "M K H W"], *, window: int) -> Width:
    """Mean and second moment of each heatmap in a square window around its maximum, negative values left out.

    The window cuts the tails off: of a Gaussian of width s a window of 3 s keeps 98 % of the second moment, one of 2 s
    82 %. Prefer `fitted` where heatmaps are about Gaussian.

    Args:
        heatmaps: As the network gives them.
        window: Cells on each side of the maximum.

    Raises:
        DataError: A value is not finite.
        UsageError: A window of less than a cell.
    """
    patch, x, y, mass, peak = _windows(heatmaps, window)
    total = patch.sum(axis=(2, 3))
    share = np.divide(patch, total[..., None, None], out=np.zeros_like(patch), where=total[..., None, None] > 0)
    mean_x, mean_y = (share * x).sum(axis=(2, 3)), (share * y).sum(axis=(2, 3))
    across = (share * (x - mean_x[..., None, None]) ** 2).sum(axis=(2, 3))
    down = (share * (y - mean_y[..., None, None]) ** 2).sum(axis=(2, 3))
    spread = np.where(mass, np.sqrt((across + down) / 2), np.inf)
    return Width(spread, peak + np.stack([mean_x, mean_y], axis=-1))


def fitted(heatmaps: Float[np.ndarray, "M K H W"], *, window: int) -> Width:
    """The Gaussian that fits each heatmap best in a square window around its maximum, height and centre free.

    The logarithm of a Gaussian is a - ((x - u)² + (y - v)²)/(2 s²): least squares in 1, x, y and x² + y². A cell counts
    by the square of its value, by which errors of the logarithm weigh as those of the heatmap would.

    Args:
        heatmaps: As the network gives them.
        window: Cells on each side of the maximum: about the width of the targets, for far cells are mostly noise.

    Raises:
        DataError: A value is not finite.
        UsageError: A window of less than a cell.
    """
    patch, x, y, mass, peak = _windows(heatmaps, window)
    weight = np.square(patch / np.maximum(patch.max(axis=(2, 3), keepdims=True), 1e-300))
    logs = np.log(np.maximum(patch, 1e-300)) * (patch > 0)
    terms = np.stack([np.ones_like(x), x, y, x**2 + y**2]).reshape(4, -1)
    weight, logs = weight.reshape(*weight.shape[:2], -1), logs.reshape(*logs.shape[:2], -1)
    normal = np.einsum("ap,mkp,bp->mkab", terms, weight, terms) + 1e-12 * np.eye(4)
    right = np.einsum("ap,mkp,mkp->mka", terms, weight, logs)
    _, u, v, bend = np.moveaxis(np.linalg.solve(normal, right[..., None])[..., 0], -1, 0)
    peaked = mass & (bend < -1e-9)
    bend = np.where(peaked, bend, -1.0)
    spread = np.where(peaked, np.sqrt(-0.5 / bend), np.inf)
    centre = np.where(peaked[..., None], np.stack([u, v], axis=-1) / (-2 * bend[..., None]), 0.0)
    return Width(spread, peak + centre)


def _windows(heatmaps: Float[np.ndarray, "M K H W"], window: int) -> tuple[np.ndarray, ...]:
    """Cells around the maxima with their offsets, whether there is anything, and the maxima.

    A cell beyond the border is 0. [M K h h], [h h], [h h], [M K], [M K 2].
    """
    check_values("heatmaps", heatmaps)
    if window < 1:
        raise UsageError("window", expected="at least 1 cell", got=str(window), fix="Give about 3 target widths.")
    height, width = heatmaps.shape[2:]
    flat = heatmaps.reshape(*heatmaps.shape[:2], -1)
    row, column = np.divmod(flat.argmax(axis=-1), width)
    steps = np.arange(-window, window + 1)
    y, x = (each.astype(np.float64) for each in np.meshgrid(steps, steps, indexing="ij"))
    rows, columns = row[..., None] + steps, column[..., None] + steps
    inside = ((rows >= 0) & (rows < height))[..., :, None] & ((columns >= 0) & (columns < width))[..., None, :]
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    cells = rows[..., :, None] * width + columns[..., None, :]
    patch = np.take_along_axis(flat[..., None, :], cells.reshape(*cells.shape[:2], 1, -1), axis=-1)
    patch = np.where(inside, np.maximum(patch.reshape(cells.shape).astype(np.float64), 0.0), 0.0)
    return patch, x, y, flat.max(axis=-1) > 0, np.stack([column, row], axis=-1).astype(np.float64)


def without_target(spread: Float[np.ndarray, "*_"], target: float) -> Float[np.ndarray, "*_"]:
    """Sigma of a fitted width: sqrt(sigma_hat² - l~²), Eq. 16; at least `FLOOR`.

    Args:
        spread: sigma_hat in cells or bins; infinite stays so.
        target: l~ in the same.

    Raises:
        DataError: A target that is negative.
    """
    check_values("target", target, low=0.0)
    return np.sqrt(np.maximum(np.square(spread) - target**2, FLOOR**2))


def spread_of_likelihood(
    sigma: Float[np.ndarray, "M K 2"], *, input_size: tuple[int, int], pixels: Float[np.ndarray, "M"]
) -> Float[np.ndarray, "M K"]:
    """Sigma of RLE in pixels of the original picture: the mean of its two axes.

    Args:
        sigma: Along x and y, in sides of the input, after the sigmoid.
        input_size: Width and height of the input in pixels.
        pixels: Of the original picture to one of the input, for each instance.

    Raises:
        DataError: A sigma that is negative or not finite, or a scale that is not positive.
    """
    check_values("sigma", sigma, low=0.0)
    check_values("pixels", pixels, low=0.0, zero=False)
    return (sigma * np.array(input_size, dtype=np.float64)).mean(axis=-1) * pixels[:, None]


def spread_of_bins(
    logits: Float[np.ndarray, "M K _"], *, label: float, split_ratio: float, temperature: float = 1.0,
    window: int | None = None,
) -> Float[np.ndarray, "M K"]:  # fmt: skip
    """Sigma along one axis of a SimCC network, in pixels of its input: the variance of the bins minus the label's.

    Args:
        logits: Of the bins of this axis.
        label: Standard deviation of the labels, in bins.
        split_ratio: Bins to a pixel of the input.
        temperature: That logits are multiplied by before the softmax in training (beta of the loss).
        window: Only so many bins on each side of the largest count. None: all, and then the little that lies far away
            counts much.

    Raises:
        DataError: Logits that are not finite, or numbers that are not positive.
        UsageError: A window of less than a bin.
    """
    check_values("logits", logits)
    check_values("split ratio, temperature", [split_ratio, temperature], low=0.0, zero=False)
    places = np.arange(logits.shape[-1], dtype=np.float64)
    share = softmax(logits.astype(np.float64) * temperature, axis=-1)
    if window is not None:
        if window < 1:
            raise UsageError("window", expected="at least 1 bin", got=str(window), fix="Give about 3 label widths.")
        share = np.where(np.abs(places - logits.argmax(axis=-1)[..., None]) <= window, share, 0.0)
        share /= share.sum(axis=-1, keepdims=True)
    mean = (share * places).sum(axis=-1, keepdims=True)
    variance = (share * np.square(places - mean)).sum(axis=-1)
    return without_target(np.sqrt(variance), label) / split_ratio


def predicted_area(log_share: Float[np.ndarray, "M"], crop_area: Float[np.ndarray, "M"]) -> Float[np.ndarray, "M"]:
    """The area that a network predicts: exp(log(area/crop area)) times the crop's, in its unit (`Pred` of Table 1).

    Raises:
        DataError: A value that is not finite, or a crop without area.
    """
    check_values("log of the area's share", log_share)
    check_values("area of the crops", crop_area, low=0.0, zero=False)
    return np.exp(log_share) * crop_area


def closed_form(
    spread: Float[np.ndarray, "M K *_"], sigmas: Float[np.ndarray, "K"], area: Float[np.ndarray, "M"] | float
) -> Float[np.ndarray, "M K"]:
    """The confidence that OKS asks for: Eq. 12, or its form for two axes.

    Args:
        spread: Pixels of the original picture; a third axis of length 2 is along x and y. Infinite is no confidence.
        sigmas: Of the keypoints.
        area: Square pixels: the true or the predicted one of each person, or the mean of the data set for all.

    Raises:
        DataError: A spread that is negative or NaN, an area that is not positive.
        UsageError: A third axis that is not of length 2.
    """
    size = np.full(len(spread), area, dtype=np.float64) if isinstance(area, float) else np.asarray(area)
    forgiven, unknown = reach(size, sigmas), np.isposinf(spread)
    known = np.where(unknown, 0.0, spread)
    if spread.ndim == 2:
        return np.where(unknown, 0.0, expected_oks(known, forgiven))
    if spread.shape[2:] != (2,):
        got = str(spread.shape)
        raise UsageError("spread", expected="one value or x and y for each keypoint", got=got, fix="Mend its axes.")
    return np.where(unknown.any(axis=-1), 0.0, expected_oks_of_axes(known[..., 0], known[..., 1], forgiven))
