"""PCK, mPCK, AUC, NME and EPE of few-shot pose estimation, exactly as published numbers were made.

The conventions (specification of the data, §2.2), each of which changes the result by points:

- a keypoint counts if it is labelled in the query and in every support;
- the normaliser is the longest side of the clean box in original pixels (not its diagonal, not the crop);
- closer means strictly closer than the threshold;
- the mean is taken within a pair first and over pairs second, so every pair weighs the same;
- a pair without a valid keypoint scores 0 in PCK and AUC (hence the ceiling below 100) and 0 in NME and EPE.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

THRESHOLDS = (0.05, 0.10, 0.15, 0.20, 0.25)
AUC_STEPS = 20


class PairScores(NamedTuple):
    """Scores per pair; the mean over pairs is the published figure."""

    pck: Float[np.ndarray, "N thresholds"]
    auc: Float[np.ndarray, "N"]
    nme: Float[np.ndarray, "N"]
    epe: Float[np.ndarray, "N"]
    valid: Int[np.ndarray, "N"]
    """Valid keypoints of the pair; 0 is an empty pair."""

    def summary(self, thresholds: tuple[float, ...] = THRESHOLDS) -> dict[str, float]:
        """The figures of one row of a table: percent for PCK, mPCK and the ceiling, the rest as they are."""
        means = self.pck.mean(axis=0)
        four = [mean for mean, threshold in zip(means, thresholds, strict=True) if threshold < 0.225]
        row = {f"PCK@{threshold:.2f}": 100 * float(mean) for threshold, mean in zip(thresholds, means, strict=True)}
        return row | {
            "mPCK(.05-.20)": 100 * float(np.mean(four)),
            "mPCK(.05-.25)": 100 * float(means.mean()),
            "NME": float(self.nme.mean()),
            "AUC": float(self.auc.mean()),
            "EPE px": float(self.epe.mean()),
            "ceiling": 100 * float((self.valid > 0).mean()),
        }


def mean_valid(values: Float[np.ndarray, "N K"], valid: Bool[np.ndarray, "N K"]) -> Float[np.ndarray, "N"]:
    """Mean over the valid keypoints of each pair; 0 where there are none."""
    return np.where(valid, values, 0).sum(axis=1) / np.maximum(valid.sum(axis=1), 1)


def pck(distance: Float[np.ndarray, "N K"], valid: Bool[np.ndarray, "N K"], threshold: float) -> Float[np.ndarray, "N"]:
    """Share of valid keypoints strictly closer than the threshold, per pair."""
    return mean_valid((distance < threshold).astype(np.float64), valid)


def auc(distance: Float[np.ndarray, "N K"], valid: Bool[np.ndarray, "N K"]) -> Float[np.ndarray, "N"]:
    """Mean PCK over the 20 thresholds 0, 0.05, ..., 0.95, per pair."""
    return np.mean([pck(distance, valid, step / AUC_STEPS) for step in range(AUC_STEPS)], axis=0)


def score_pairs(
    predicted: Float[np.ndarray, "N K 2"],
    target: Float[np.ndarray, "N K 2"],
    valid: Bool[np.ndarray, "N K"],
    longest_side: Float[np.ndarray, "N"],
    *,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> PairScores:
    """All scores of N pairs.

    Args:
        predicted: Pixels of the query's original picture.
        target: Pixels, likewise.
        valid: Labelled in the query and in every support.
        longest_side: Of the query's clean box, pixels.
        thresholds: Of the PCK columns.
    """
    pixels = np.linalg.norm(predicted - target, axis=-1)
    distance = pixels / longest_side[:, None]
    return PairScores(
        pck=np.stack([pck(distance, valid, threshold) for threshold in thresholds], axis=1),
        auc=auc(distance, valid),
        nme=mean_valid(distance, valid),
        epe=mean_valid(pixels, valid),
        valid=valid.sum(axis=1),
    )


class Interval(NamedTuple):
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap(
    values: Float[np.ndarray, "N"],
    groups: Int[np.ndarray, "N"],
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a mean over pairs, resampling whole groups.

    Pairs are far from independent: 3,000 pairs of a category share 100 instances, 60,000 share 20 categories.
    Resample query instances for one category's interval, categories for a split's.

    Args:
        values: A score per pair.
        groups: What each pair belongs to.
        level: Of the interval.
        draws: Bootstrap samples.
        seed: Of the resampling.
    """
    _, group = np.unique(groups, return_inverse=True)
    totals, counts = np.bincount(group, weights=values), np.bincount(group)
    drawn = np.random.default_rng(seed).integers(len(counts), size=(draws, len(counts)))
    means = totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean(values)), float(low), float(high))
