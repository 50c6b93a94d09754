"""All figures of a set of confidences at once, differences with their intervals, and the occlusion curve.

`figures` for instances, `keypoint_figures` for the keypoints pooled; what each is stands in `ranking` and
`reliability`. Fractions, but AUSE, which is 100 times one.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from cape.errors import DataError, UsageError
from cape.evaluation.checking import check_same_shape, check_values
from cape.evaluation.comparison import Difference
from cape.evaluation.pck import Interval
from cape.evaluation.ranking import (
    average_precision,
    average_recall,
    coco_average_precision,
    correlations,
    risk_coverage,
    sparsification,
)
from cape.evaluation.reliability import BINS, brier, reliability, threshold_errors

RANKED = ("AP", "AP (COCO)", "AR", "AR - AP")
PROBABILITIES = (
    *("ECE", "ECE (equal mass)", "MCE", "bias", "Brier", "reliability", "resolution", "ECE over thresholds"),
)  # fmt: skip
"""The figures that only a confidence in [0, 1] has."""


def figures(
    confidence: Float[np.ndarray, "*_"], truth: Float[np.ndarray, "*_"], *, bins: int = BINS
) -> dict[str, float]:
    """Everything about one confidence for each instance.

    AP, AP (COCO), AR, AR - AP    Eq. 8-9, means over thresholds
    Pearson, Spearman, Kendall    NaN where either is constant
    AUSE, AUSE (normalised)       of the error 1 - truth
    AURC                          mean risk over coverages
    ECE, MCE, bias, Brier, ...    `PROBABILITIES`: NaN for scores that leave [0, 1], such as SimCC's logits

    Args:
        confidence: [N] finite scores.
        truth: [N] OKS of each instance, or another value in [0, 1].
        bins: Of the reliability.

    Raises:
        DataError: No instance, NaN, or a truth outside [0, 1].
        UsageError: Other shapes.
    """
    _check(confidence, truth)
    precision, recall = average_precision(confidence, truth).mean(), average_recall(truth).mean()
    ranked = {
        "AP": precision, "AP (COCO)": coco_average_precision(confidence, truth).mean(), "AR": recall,
        "AR - AP": recall - precision,
    }  # fmt: skip
    found = {**ranked, **_rank_figures(confidence, truth), **_probability_figures(confidence, truth, bins)}
    return {name: float(value) for name, value in found.items()}


def keypoint_figures(
    confidence: Float[np.ndarray, "M _"], truth: Float[np.ndarray, "M _"], labelled: Bool[np.ndarray, "M _"], *,
    bins: int = BINS,
) -> dict[str, float]:  # fmt: skip
    """The same but for AP and AR, over all labelled keypoints of all instances pooled.

    Args:
        confidence: Of each keypoint.
        truth: `targets` of each keypoint.
        labelled: Which count; the others may hold anything.
        bins: Of the reliability.

    Raises:
        DataError: No labelled keypoint, or among them NaN or a truth outside [0, 1].
        UsageError: Shapes that disagree.
    """
    check_same_shape("confidence", confidence, "truth", truth)
    check_same_shape("confidence", confidence, "labelled", labelled)
    if not labelled.any():
        fix = "Check the annotations: nothing can be said of unlabelled keypoints."
        raise DataError("calibration", expected="a labelled keypoint", got="none", fix=fix)
    confidence, truth = confidence[labelled], truth[labelled]
    _check(confidence, truth)
    found = {**_rank_figures(confidence, truth), **_probability_figures(confidence, truth, bins)}
    return {name: float(value) for name, value in found.items()}


def _check(confidence: np.ndarray, truth: np.ndarray) -> None:
    check_same_shape("confidence", confidence, "truth", truth)
    if confidence.ndim != 1:
        fix = "Aggregate the keypoints first, or use keypoint_figures."
        raise UsageError("confidence", expected="one for each instance", got=f"shape {confidence.shape}", fix=fix)
    check_values("confidence", confidence)
    check_values("truth", truth, low=0.0, high=1.0)


def _rank_figures(confidence: Float[np.ndarray, "N"], truth: Float[np.ndarray, "N"]) -> dict[str, float]:
    found, sparse = correlations(confidence, truth), sparsification(confidence, 1 - truth)
    return {
        "Pearson": found.pearson, "Spearman": found.spearman, "Kendall": found.kendall, "AUSE": sparse.ause,
        "AUSE (normalised)": sparse.normalised, "AURC": risk_coverage(confidence, 1 - truth).area,
    }  # fmt: skip


def _probability_figures(
    confidence: Float[np.ndarray, "N"], truth: Float[np.ndarray, "N"], bins: int
) -> dict[str, float]:
    if confidence.min() < 0 or confidence.max() > 1:
        return dict.fromkeys(PROBABILITIES, float("nan"))
    wide, score = reliability(confidence, truth, bins=bins), brier(confidence, truth, bins=bins)
    even = reliability(confidence, truth, bins=bins, width="equal mass")
    over = np.mean(list(threshold_errors(confidence, truth, bins=bins).values()))
    values = wide.expected_error, even.expected_error, wide.maximum_error, wide.bias
    parts = score.score, score.reliability, score.resolution, float(over)
    return dict(zip(PROBABILITIES, (*values, *parts), strict=True))


def difference(
    first: Float[np.ndarray, "N"], second: Float[np.ndarray, "N"], truth: Float[np.ndarray, "N"],
    groups: Int[np.ndarray, "N"], figure: Callable[[np.ndarray, np.ndarray], float], *, level: float = 0.95,
    draws: int = 1000, seed: int = 0,
) -> Difference:  # fmt: skip
    """A figure of the first confidence minus that of the second, with its paired bootstrap interval.

    Whole groups are drawn with replacement, the same for both, and the figure is computed anew on all that they hold:
    ECE, AUSE and AP are no means over instances, so `comparison.paired_difference` does not do for them.

    Args:
        first: Of each instance or keypoint.
        second: Of the same.
        truth: Theirs.
        groups: What is drawn: categories, pictures, or each instance by itself (`numpy.arange`).
        figure: Of (confidence, truth); a draw for which it is NaN does not count.
        level: Of the interval.
        draws: Bootstrap samples.
        seed: Of the drawing.

    Raises:
        DataError: No instance, or NaN.
        UsageError: One group alone, from which nothing can be drawn anew.
    """
    for name, each in (("first confidence", first), ("second confidence", second), ("truth", truth)):
        check_values(name, each)
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    if count < 2:
        fix = "Group by something finer."
        raise UsageError("groups", expected="two groups or more to draw from", got=str(count), fix=fix)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        rows = np.concatenate([members[each] for each in rng.integers(count, size=count)])
        found.append(figure(first[rows], truth[rows]) - figure(second[rows], truth[rows]))
    known = np.array(found)[~np.isnan(found)]
    ends = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) if len(known) else (np.nan, np.nan)
    whole = figure(first, truth) - figure(second, truth)
    return Difference(Interval(float(whole), float(ends[0]), float(ends[1])), count)


class OcclusionCurve(NamedTuple):
    """Fig. 3: confidence and truth under patches of growing size."""

    sizes: Float[np.ndarray, "R"]
    """Of the patches, in sides of the input."""
    confidence: Float[np.ndarray, "R"]
    """Mean over instances."""
    truth: Float[np.ndarray, "R"]
    """Likewise."""
    pearson: float
    """Between the two means; above 0.95 is expected of a calibrated confidence. NaN where either is constant."""


def occlusion_curve(
    sizes: Float[np.ndarray, "R"], confidence: Float[np.ndarray, "R N"], truth: Float[np.ndarray, "R N"]
) -> OcclusionCurve:
    """Means at each size of a patch that hides a keypoint.

    Args:
        sizes: Of the patches.
        confidence: Of the same N instances or keypoints under each.
        truth: Likewise.

    Raises:
        DataError: Nothing, or NaN.
    """
    check_values("confidence", confidence)
    check_values("truth", truth)
    means = confidence.mean(axis=1), truth.mean(axis=1)
    return OcclusionCurve(sizes, *means, correlations(*means).pearson)
