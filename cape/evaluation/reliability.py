"""Whether confidences are what they claim: reliability bins, expected calibration error, Brier score.

The truth of a confidence is a value in [0, 1] (OKS) or an event (within PCK's threshold, OKS above one): in each bin
the mean confidence should be the mean truth (CCNet §6; the calibration plot).
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from cape.errors import UsageError
from cape.evaluation.checking import check_values
from cape.evaluation.ranking import THRESHOLDS

BINS = 15
Width = Literal["equal width", "equal mass"]


class Reliability(NamedTuple):
    """The data of a reliability diagram: bins that hold something, in order."""

    low: Float[np.ndarray, "_"]
    """Edges."""
    high: Float[np.ndarray, "_"]
    confidence: Float[np.ndarray, "_"]
    """Mean of those in the bin."""
    truth: Float[np.ndarray, "_"]
    """Likewise."""
    held: Float[np.ndarray, "_"]
    """How many."""

    @property
    def share(self) -> Float[np.ndarray, "_"]:
        """Of all, in each bin."""
        return self.held / self.held.sum()

    @property
    def expected_error(self) -> float:
        """ECE: the mean distance between confidence and truth, bins weighted by what they hold."""
        return float((self.share * np.abs(self.confidence - self.truth)).sum())

    @property
    def maximum_error(self) -> float:
        """MCE: the largest such distance."""
        return float(np.abs(self.confidence - self.truth).max())

    @property
    def bias(self) -> float:
        """Mean confidence minus mean truth: positive is over-confident."""
        return float((self.share * (self.confidence - self.truth)).sum())


def reliability(
    confidence: Float[np.ndarray, "N"], truth: Float[np.ndarray, "N"], *, bins: int = BINS, width: Width = "equal width"
) -> Reliability:
    """Confidences in bins.

    Args:
        confidence: In [0, 1].
        truth: In [0, 1].
        bins: How many at most. A bin includes its upper edge, the first its lower one, too.
        width: Equal width: 1/bins. Equal mass: edges at quantiles of the confidences; equal ones share a bin.

    Raises:
        DataError: Nothing, NaN, or values outside [0, 1].
        UsageError: No bin.
    """
    check_values("confidence", confidence, low=0.0, high=1.0)
    check_values("truth", truth, low=0.0, high=1.0)
    if bins < 1:
        raise UsageError("bins", expected="at least 1", got=str(bins), fix="Take 15, as papers do.")
    steps = np.linspace(0, 1, bins + 1)
    edges = steps if width == "equal width" else np.unique(np.quantile(confidence, steps, method="inverted_cdf"))
    if len(edges) == 1:
        edges = np.repeat(edges, 2)
    place = np.searchsorted(edges[1:-1], confidence, side="left")
    count = np.bincount(place, minlength=len(edges) - 1)
    filled = count > 0
    one, other = (np.bincount(place, weights=each, minlength=len(count))[filled] for each in (confidence, truth))
    held = count[filled].astype(np.float64)
    return Reliability(edges[:-1][filled], edges[1:][filled], one / held, other / held, held)


class Brier(NamedTuple):
    """The mean square of confidence minus truth, and what it comes from."""

    score: float
    reliability: float
    """Mean square distance of the bins from the diagonal: smaller is better."""
    resolution: float
    """Variance of the bins' truths: larger is better."""
    uncertainty: float
    """Variance of the truth, whatever is predicted."""

    @property
    def within(self) -> float:
        """What the bins hide: score - (reliability - resolution + uncertainty), 0 where a bin is one confidence."""
        return self.score - (self.reliability - self.resolution + self.uncertainty)


def brier(
    confidence: Float[np.ndarray, "N"], truth: Float[np.ndarray, "N"], *, bins: int = BINS, width: Width = "equal width"
) -> Brier:
    """The Brier score (for a truth that is no event: the mean squared error) with Murphy's decomposition over bins.

    Args:
        confidence: In [0, 1].
        truth: In [0, 1].
        bins: As `reliability`.
        width: Likewise.

    Raises:
        CapeError: As `reliability`.
    """
    found = reliability(confidence, truth, bins=bins, width=width)
    mean = truth.mean()
    return Brier(
        score=float(np.square(confidence - truth).mean()),
        reliability=float((found.share * np.square(found.confidence - found.truth)).sum()),
        resolution=float((found.share * np.square(found.truth - mean)).sum()),
        uncertainty=float(np.square(truth - mean).mean()),
    )


def threshold_errors(
    confidence: Float[np.ndarray, "N"], truth: Float[np.ndarray, "N"], *,
    thresholds: tuple[float, ...] = THRESHOLDS, bins: int = BINS, width: Width = "equal width",
) -> dict[float, float]:  # fmt: skip
    """ECE of the confidence as the probability that the truth exceeds each threshold.

    A confidence cannot be that probability for all thresholds at once: calibrated to OKS it is at their mean at best.

    Args:
        confidence: In [0, 1].
        truth: In [0, 1].
        thresholds: Of the truth.
        bins: As `reliability`.
        width: Likewise.

    Raises:
        CapeError: As `reliability`.
    """
    check_values("truth", truth, low=0.0, high=1.0)
    events = {threshold: (truth > threshold).astype(np.float64) for threshold in thresholds}
    return {
        threshold: reliability(confidence, event, bins=bins, width=width).expected_error
        for threshold, event in events.items()
    }
