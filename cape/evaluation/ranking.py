"""How well confidences rank: average precision and recall, correlations, sparsification, risk and coverage.

Instances with one prediction each (crops of single people or things, none missed): the setting of CCNet's Eq. 8-9.
Equal confidences say nothing about the order of their instances, so every figure that depends on it is the expectation
over all orders of them; only COCO's precision goes by the order given, as its tool does. So a constant confidence gets
what a random one gets on average.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import kendalltau, rankdata

from cape.evaluation.checking import check_values

THRESHOLDS = tuple(step / 100 for step in range(50, 100, 5))
"""Of OKS, as COCO has them."""
STEPS = 100
"""In which the least confident are removed, for the sparsification error: the paper names none."""


def average_recall(
    truth: Float[np.ndarray, "N"], thresholds: tuple[float, ...] = THRESHOLDS
) -> Float[np.ndarray, "_"]:  # fmt: skip
    """Share of instances whose value exceeds each threshold (Eq. 8 before its mean). No confidence is in it.

    Args:
        truth: OKS of each instance, or another value in [0, 1].
        thresholds: Of it.

    Raises:
        DataError: No instance, or a value that is NaN or outside [0, 1].
    """
    check_values("truth", truth, low=0.0, high=1.0)
    return np.array([(truth > threshold).mean() for threshold in thresholds])


def average_precision(
    confidence: Float[np.ndarray, "N"], truth: Float[np.ndarray, "N"], thresholds: tuple[float, ...] = THRESHOLDS
) -> Float[np.ndarray, "_"]:
    """Un-interpolated average precision at each threshold (Eq. 9 before its mean): at most the recall.

    1/N sum_i 1(c_i > t) sum_{j <= i} 1(c_j > t)/i, i in the order of falling confidence. Ranked by the truth itself it
    is the recall exactly. In expectation over the orders of each group of equal confidences: with n before it of which
    q exceed, and p of its m exceeding, the j-th of the group adds p/m (q + 1 + (j - 1)(p - 1)/(m - 1))/(n + j).

    Args:
        confidence: Any finite scores.
        truth: OKS of each instance, or another value in [0, 1].
        thresholds: Of it.

    Raises:
        DataError: No instance, NaN, or a truth outside [0, 1].
    """
    check_values("confidence", confidence)
    check_values("truth", truth, low=0.0, high=1.0)
    order, group, size, before = _groups(confidence)
    place = np.arange(1, len(order) + 1)
    within = place - before[group]  # j, from 1
    figures = []
    for threshold in thresholds:
        good = (truth[order] > threshold).astype(np.float64)
        exceeding = np.bincount(group, weights=good)
        earlier = (np.cumsum(exceeding) - exceeding)[group]
        p, m = exceeding[group], size[group]
        others = (within - 1) * np.divide(p - 1, m - 1, out=np.zeros_like(p), where=m > 1)
        figures.append((p / m * (earlier + 1 + others) / place).sum() / len(order))
    return np.array(figures)


def coco_average_precision(
    confidence: Float[np.ndarray, "N"], truth: Float[np.ndarray, "N"], thresholds: tuple[float, ...] = THRESHOLDS
) -> Float[np.ndarray, "_"]:
    """Average precision as COCO's tool has it: the best precision from each of 101 recalls on. A little higher.

    An instance counts when its value reaches the threshold; equal confidences keep the order given.

    Args:
        confidence: Any finite scores.
        truth: OKS of each instance, or another value in [0, 1].
        thresholds: Of it.

    Raises:
        DataError: As `average_precision`.
    """
    check_values("confidence", confidence)
    check_values("truth", truth, low=0.0, high=1.0)
    order = np.argsort(-confidence, kind="stable")
    figures = []
    for threshold in thresholds:
        found = np.cumsum(truth[order] >= threshold)
        precision = found / (np.arange(1, len(order) + 1) + np.spacing(1))
        best = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(found / len(order), np.linspace(0, 1, 101), side="left")
        figures.append(np.append(best, 0.0)[at].mean())
    return np.array(figures)


class Correlations(NamedTuple):
    """Between confidences and truths; NaN where either is constant."""

    pearson: float
    spearman: float
    kendall: float


def correlations(confidence: Float[np.ndarray, "N"], truth: Float[np.ndarray, "N"]) -> Correlations:
    """Linear and rank correlation, of instances or of keypoints pooled.

    Args:
        confidence: Any finite scores.
        truth: Likewise.

    Raises:
        DataError: Nothing, or NaN.
    """
    check_values("confidence", confidence)
    check_values("truth", truth)
    if np.ptp(confidence) == 0 or np.ptp(truth) == 0:
        return Correlations(np.nan, np.nan, np.nan)
    ranks = _linear(rankdata(confidence), rankdata(truth))
    return Correlations(_linear(confidence, truth), ranks, float(np.asarray(kendalltau(confidence, truth))[0]))


def _linear(first: Float[np.ndarray, "N"], second: Float[np.ndarray, "N"]) -> float:
    one, other = first - first.mean(), second - second.mean()
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale > 0 else float("nan")


class RiskCoverage(NamedTuple):
    """The error that is left when only the most confident are kept."""

    coverage: Float[np.ndarray, "N"]
    """Share kept: 1/N, 2/N, ..., 1."""
    risk: Float[np.ndarray, "N"]
    """Mean error of those kept."""
    oracle: Float[np.ndarray, "N"]
    """The same had they been ranked by their errors."""

    @property
    def area(self) -> float:
        """Mean risk over all coverages."""
        return float(self.risk.mean())

    @property
    def excess(self) -> float:
        """Mean risk above the oracle's."""
        return float((self.risk - self.oracle).mean())


def risk_coverage(confidence: Float[np.ndarray, "N"], error: Float[np.ndarray, "N"]) -> RiskCoverage:
    """The risk-coverage curve.

    Args:
        confidence: Any finite scores.
        error: What each costs: 1 - OKS, or 1 where a keypoint is beyond PCK's threshold.

    Raises:
        DataError: Nothing, NaN, or a negative error.
    """
    check_values("confidence", confidence)
    check_values("error", error, low=0.0)
    order, group, size, _ = _groups(confidence)
    shared = (np.bincount(group, weights=error[order]) / size)[group]  # what each of a group is expected to cost
    count = np.arange(1, len(order) + 1)
    return RiskCoverage(count / len(order), np.cumsum(shared) / count, np.cumsum(np.sort(error)) / count)


class Sparsification(NamedTuple):
    """The error that is left as the least confident are removed."""

    removed: Float[np.ndarray, "_"]
    """Share removed: 0, 0.01, ..., 0.99."""
    error: Float[np.ndarray, "_"]
    oracle: Float[np.ndarray, "_"]
    """With the largest errors removed instead."""

    @property
    def ause(self) -> float:
        """100 times the mean gap: the magnitude of the paper's Table 5 (1.7 to 6.5)."""
        return float(100 * (self.error - self.oracle).mean())

    @property
    def normalised(self) -> float:
        """`ause` in units of the error of all; 0 where there is none."""
        return self.ause / float(self.error[0]) if self.error[0] > 0 else 0.0


def sparsification(
    confidence: Float[np.ndarray, "N"], error: Float[np.ndarray, "N"], steps: int = STEPS
) -> Sparsification:
    """Area under the sparsification error (AUSE), a measure of calibration in rank (Table 4 and 5).

    The paper says neither the steps nor the normalisation (specification §4): 100, and both.

    Args:
        confidence: Any finite scores.
        error: As `risk_coverage`.
        steps: How many shares are removed; of N items floor(f N) go.

    Raises:
        DataError: As `risk_coverage`, or no step.
    """
    check_values("steps", steps, low=1.0)
    curve = risk_coverage(confidence, error)
    share = np.arange(steps)
    kept = len(error) - share * len(error) // steps
    return Sparsification(share / steps, curve.risk[kept - 1], curve.oracle[kept - 1])


def _groups(confidence: Float[np.ndarray, "N"]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The order of falling confidence, and its groups of equals: each one's, their sizes, how many come before them."""
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    group = np.concatenate([[0], np.cumsum(ranked[1:] != ranked[:-1])]).astype(np.int64)
    size = np.bincount(group)
    return order, group, size, np.cumsum(size) - size
