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
HEADLINE = "PCK@0.20"
AUC_STEPS = 20

Scores = dict[str, Float[np.ndarray, "N"]]
"""A score per pair under each figure's name: the mean over pairs is the published figure."""


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
) -> Scores:
    """All scores of N pairs: percent for PCK, mPCK and the ceiling, the rest as they are.

    mPCK comes in both conventions, with and without 0.25: MetaPoint's and FMMP's thresholds end at 0.20. The ceiling is
    what a perfect model would reach: pairs without a valid keypoint score 0 whatever is predicted.

    Args:
        predicted: Pixels of the query's original picture.
        target: Pixels, likewise.
        valid: Labelled in the query and in every support.
        longest_side: Of the query's clean box, pixels.
    """
    pixels = np.linalg.norm(predicted - target, axis=-1)
    distance = pixels / longest_side[:, None]
    scores = {f"PCK@{threshold:.2f}": 100 * pck(distance, valid, threshold) for threshold in THRESHOLDS}
    columns = list(scores.values())
    return scores | {
        "mPCK(.05-.20)": np.mean(columns[:4], axis=0),
        "mPCK(.05-.25)": np.mean(columns, axis=0),
        "NME": mean_valid(distance, valid),
        "AUC": auc(distance, valid),
        "EPE px": mean_valid(pixels, valid),
        "ceiling": 100.0 * valid.any(axis=1),
    }


def summary(scores: Scores) -> dict[str, float]:
    """The figures of one row of a table: means over pairs."""
    return {name: float(values.mean()) for name, values in scores.items()}


class Interval(NamedTuple):
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap(
    scores: Scores, groups: Int[np.ndarray, "N"], *, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Percentile intervals of means over pairs, resampling whole groups.

    Pairs are far from independent: 3,000 pairs of a category share 100 instances, 60,000 share 20 categories.
    Resample query instances for one category's interval, categories for a split's.

    Args:
        scores: As `score_pairs` gives them; all figures share the resamples.
        groups: What each pair belongs to.
        level: Of the interval.
        draws: Bootstrap samples.
        seed: Of the resampling.
    """
    _, group = np.unique(groups, return_inverse=True)
    counts = np.bincount(group)
    drawn = np.random.default_rng(seed).integers(len(counts), size=(draws, len(counts)))
    weight = counts[drawn].sum(axis=1)
    intervals = {}
    for name, values in scores.items():
        means = np.bincount(group, weights=values)[drawn].sum(axis=1) / weight
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        intervals[name] = Interval(float(values.mean()), float(low), float(high))
    return intervals
