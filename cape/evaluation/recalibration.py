"""Confidences made honest on samples with known truth: a rising curve fitted afterwards, stored as plain arrays.

Both fits rise strictly, so the order of confidences, hence AP, AUSE and rank correlations, stays what it was; ECE and
the Brier score do not. Fit on samples that the network was not trained on (CCNet's training set flatters it, §3.6).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

from cape.errors import DataError, FormatError
from cape.evaluation.checking import check_same_shape, check_values

MINIMUM = {"isotonic": 200, "affine": 50}
"""Samples below which a fit is refused.

With so many events, each fit is about 0.08 off the true probability (root mean square, simulated): more than that is
not worth mending, and less was often made worse. Calibrating to OKS, which says more than an event, needs fewer.
"""
_RISE = 1e-4
"""How much of the score itself is mixed into an isotonic fit, whose steps would make equal what was not."""
_EDGE = 1e-6
"""Logits are taken of confidences that far inside (0, 1)."""
_RIDGE = 1e-4
"""Pull towards leaving things as they are, for samples that any steep curve would fit."""


class Isotonic(NamedTuple):
    """A rising curve without a form: lines between knots, level beyond them."""

    scores: Float[np.ndarray, "_"]
    """Knots, rising."""
    values: Float[np.ndarray, "_"]
    """What they stand for, not falling, in [0, 1]."""

    def apply(self, confidence: Float[np.ndarray, "*_"]) -> Float[np.ndarray, "*_"]:
        """Recalibrate scores of any shape.

        Raises:
            DataError: NaN.
        """
        if confidence.size:
            check_values("confidence", confidence)
        known = np.interp(confidence, self.scores, self.values)
        # A trace of the score, squeezed into [0, 1] whatever its range, keeps the order on the level pieces
        trace = 0.5 + 0.5 * confidence / (1 + np.abs(confidence))
        return (1 - _RISE) * known + _RISE * trace


class Affine(NamedTuple):
    """logit(p) = slope logit(confidence) + offset, the slope positive: Platt's curve."""

    slope: Float[np.ndarray, ""]
    offset: Float[np.ndarray, ""]

    def apply(self, confidence: Float[np.ndarray, "*_"]) -> Float[np.ndarray, "*_"]:
        """Recalibrate confidences of any shape.

        Raises:
            DataError: NaN, or outside [0, 1].
        """
        if confidence.size:
            check_values("confidence", confidence, low=0.0, high=1.0)
        return expit(self.slope * logit(_inside(confidence)) + self.offset)


def fit_isotonic(
    confidence: Float[np.ndarray, "_"], truth: Float[np.ndarray, "_"], *, minimum: int = MINIMUM["isotonic"]
) -> Isotonic:
    """The rising curve with the least squared error, by pooling adjacent violators; equal scores are pooled first.

    Args:
        confidence: [N] finite scores of any range.
        truth: [N] OKS or an event, in [0, 1].
        minimum: Samples below which it is refused.

    Raises:
        DataError: Too few samples, NaN, or a truth outside [0, 1].
        UsageError: Shapes that disagree.
    """
    _check(confidence, truth, minimum)
    scores, place, count = np.unique(confidence, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=truth) / count
    values = np.clip(isotonic_regression(mean, weights=count).x, 0, 1)
    # Of a level piece its two ends are enough
    inner = np.zeros(len(scores), dtype=bool)
    inner[1:-1] = (values[1:-1] == values[:-2]) & (values[1:-1] == values[2:])
    return Isotonic(scores[~inner].astype(np.float64), values[~inner])


def fit_affine(
    confidence: Float[np.ndarray, "_"], truth: Float[np.ndarray, "_"], *, minimum: int = MINIMUM["affine"]
) -> Affine:
    """The affine map of logits with the least cross-entropy.

    Args:
        confidence: [N], in [0, 1].
        truth: [N] OKS or an event, in [0, 1].
        minimum: Samples below which it is refused.

    Raises:
        DataError: Too few samples, NaN, or values outside [0, 1].
        UsageError: Shapes that disagree.
    """
    _check(confidence, truth, minimum)
    check_values("confidence", confidence, low=0.0, high=1.0)
    inputs = logit(_inside(confidence))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, offset = parameters
        line = slope * inputs + offset
        excess = expit(line) - truth
        value = (np.logaddexp(0, line) - truth * line).mean() + _RIDGE * ((slope - 1) ** 2 + offset**2)
        pull = 2 * _RIDGE * np.array([slope - 1, offset])
        return float(value), np.array([(excess * inputs).mean(), excess.mean()]) + pull

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, 1e3), (-50.0, 50.0)])
    return Affine(np.array(found.x[0]), np.array(found.x[1]))


def to_arrays(curve: Isotonic | Affine) -> dict[str, np.ndarray]:
    """The curve as named arrays of doubles, for safetensors."""
    kind = "isotonic" if isinstance(curve, Isotonic) else "affine"
    return {f"{kind}.{name}": np.array(value, dtype=np.float64) for name, value in curve._asdict().items()}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Isotonic | Affine:
    """What `to_arrays` wrote.

    Raises:
        FormatError: Other names, shapes, or a curve that is not finite or falls.
    """
    names = set(arrays)
    content = {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
    if names == {"isotonic.scores", "isotonic.values"}:
        scores, values = content["isotonic.scores"], content["isotonic.values"]
        whole = scores.ndim == 1 and scores.shape == values.shape and scores.size and np.isfinite(scores).all()
        if whole and (np.diff(scores) > 0).all() and (np.diff(values) >= 0).all() and 0 <= values[0] <= values[-1] <= 1:
            return Isotonic(scores, values)
    if names == {"affine.slope", "affine.offset"}:
        slope, offset = content["affine.slope"], content["affine.offset"]
        if slope.shape == offset.shape == () and 0 < slope < np.inf and np.isfinite(offset):
            return Affine(slope, offset)
    got = ", ".join(f"{name} {value.shape}" for name, value in content.items()) or "nothing"
    fix = "Fit it again."
    raise FormatError("recalibration", expected="a rising curve as `to_arrays` writes it", got=got[:120], fix=fix)


def _check(confidence: np.ndarray, truth: np.ndarray, minimum: int) -> None:
    check_same_shape("confidence", confidence, "truth", truth)
    if len(confidence) < minimum:
        raise DataError(
            "recalibration", expected=f"at least {minimum} samples", got=str(len(confidence)),
            fix="Collect more: a curve through fewer says more about them than about the network.",
        )  # fmt: skip
    check_values("confidence", confidence)
    check_values("truth", truth, low=0.0, high=1.0)


def _inside(confidence: Float[np.ndarray, "*_"]) -> Float[np.ndarray, "*_"]:
    return np.clip(confidence, _EDGE, 1 - _EDGE)
