"""What CIGPose's interventions hit: pure functions for the analyses of the paper (Fig. 3 and 4, Tables 5 and 7).

Scores are those of the confounder: the larger, the more a keypoint is taken to be one. All arrays are of M people with
K keypoints each.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from cape.errors import UsageError
from cape.evaluation.pck import Interval

TABLE_7: dict[str, tuple[int, ...]] = {
    "face": (*range(5), *range(23, 91)),
    "torso": (5, 6, 11, 12),
    "arms": (7, 8, 9, 10),
    "hands": tuple(range(91, 133)),
    "legs": (13, 14, 15, 16),
    "feet": tuple(range(17, 23)),
}
"""Parts of the 133 keypoints of which the paper reports frequencies: their sizes times Table 7 sum to 100 %."""
PARTS_OF: dict[int, dict[str, tuple[int, ...]]] = {
    133: TABLE_7,
    17: {"face": tuple(range(5)), **{part: TABLE_7[part] for part in ("torso", "arms", "legs")}},
    14: {"head": (12, 13), "torso": (0, 1, 6, 7), "arms": (2, 3, 4, 5), "legs": (8, 9, 10, 11)},
}
"""The same of COCO and CrowdPose, by how many keypoints there are."""


def select(score: Float[np.ndarray, "M K"], count: int) -> Bool[np.ndarray, "M K"]:
    """The `count` keypoints of the highest score of each person; of equal ones the first.

    Raises:
        UsageError: Fewer than none, or more than there are.
    """
    if not 0 <= count <= score.shape[1]:
        raise UsageError("count", expected=f"0 to {score.shape[1]} keypoints", got=str(count), fix="Mend it.")
    chosen = np.zeros(score.shape, dtype=bool)
    np.put_along_axis(chosen, np.argsort(-score, axis=1, kind="stable")[:, :count], True, axis=1)
    return chosen


def enrichment(
    score: Float[np.ndarray, "M K"], error: Float[np.ndarray, "M K"], visible: Bool[np.ndarray, "M K"], count: int
) -> Float[np.ndarray, "M"]:
    """By how much the error of the selected keypoints is larger than that of the others (paper Eq. 7, Table 5).

    T is the top `count` by score, V what is visible. The paper averages over T itself, though an error needs ground
    truth: here, as in the specification (§9), over T and V; the others are V without T.

    Args:
        score: Of the confounder.
        error: Distance to the ground truth; not looked at where a keypoint is not visible.
        visible: Keypoints with ground truth.
        count: How many are selected.

    Returns:
        Each person's mean error of the selected minus that of the others; NaN where either set is empty.

    Raises:
        UsageError: As `select`.
    """
    chosen = select(score, count)
    return _mean(error, chosen & visible) - _mean(error, visible & ~chosen)


def harder(
    error: Float[np.ndarray, "M K"], visible: Bool[np.ndarray, "M K"], *, dropped: float
) -> Bool[np.ndarray, "M"]:
    """The people left when the easiest share is dropped, by their mean error over visible keypoints (Table 5).

    The paper does not say what makes a person easy; somebody without a visible keypoint is dropped, too.

    Args:
        error: Distance to the ground truth.
        visible: Keypoints with ground truth.
        dropped: The share, of those who have a mean error: 0.3 and 0.5 in the paper.

    Raises:
        UsageError: A share that is none.
    """
    if not 0 <= dropped < 1:
        raise UsageError("dropped", expected="a share of at least 0 and below 1", got=str(dropped), fix="Mend it.")
    mean = _mean(error, visible)
    order = np.argsort(mean, kind="stable")  # NaN last
    counted = int(np.isfinite(mean).sum())
    kept = np.zeros(len(mean), dtype=bool)
    kept[order[int(dropped * counted) : counted]] = True
    return kept


def mean_interval(values: Float[np.ndarray, "M"], *, level: float = 0.95, draws: int = 1000, seed: int = 0) -> Interval:
    """The mean over people with its percentile bootstrap interval; NaN values are nobody's.

    Args:
        values: One for each person.
        level: Of the interval.
        draws: Bootstrap samples.
        seed: Of the resampling.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return Interval(np.nan, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    means = [known[rng.integers(len(known), size=len(known))].mean() for _ in range(draws)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(known.mean()), float(low), float(high))


def intervention_frequency(
    chosen: Bool[np.ndarray, "M K"], parts: Mapping[str, Sequence[int]] = TABLE_7
) -> dict[str, float]:
    """How often a keypoint of each part is intervened on: the mean over people and the part's keypoints (Table 7).

    With n interventions per person, the frequencies of parts that share out all keypoints, times the parts' sizes, sum
    to n: the paper's sum to 1, so it reports inference, where n is 1 (specification §2.3).

    Args:
        chosen: Keypoints that were replaced.
        parts: Named groups of indices.

    Raises:
        UsageError: No person, or an empty part or one of other keypoints.
    """
    count = chosen.shape[1]
    if not len(chosen):
        raise UsageError("chosen", expected="at least one person", got="none", fix="Check the data.")
    for name, members in parts.items():
        if not members or not all(0 <= index < count for index in members):
            got = f"{list(members)}"[:80]
            raise UsageError(f"part {name!r}", expected=f"0-based indices below {count}", got=got, fix="Mend it.")
    return {name: float(chosen[:, list(members)].mean()) for name, members in parts.items()}


def auroc(score: Float[np.ndarray, "N"], positive: Bool[np.ndarray, "N"]) -> float:
    """Area under the ROC curve: how probably a positive has a higher score than a negative, a tie counting half.

    Args:
        score: Of any finite values.
        positive: What the score should find: occluded keypoints, for instance (Fig. 3; experiment E1 of §11).

    Returns:
        NaN where there are no positives, or nothing else.
    """
    count = int(positive.sum())
    if not 0 < count < len(positive):
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))


def same_keypoint_auroc(
    score: Float[np.ndarray, "M K"], positive: Bool[np.ndarray, "M K"], counted: Bool[np.ndarray, "M K"]
) -> float:
    """`auroc` among people, a keypoint at a time: scores of different keypoints are never compared.

    Ankles are hidden more often than noses, and a score may be high for all ankles: this one does not count that.

    Args:
        score: Of any finite values.
        positive: What the score should find.
        counted: Which of all there are; no others are looked at.

    Returns:
        The mean over keypoints, weighted by how many pairs each has; NaN without a pair.
    """
    found, pairs = 0.0, 0
    for keypoint in range(score.shape[1]):
        mine = counted[:, keypoint]
        hits = positive[mine, keypoint]
        weight = int(hits.sum()) * int((~hits).sum())
        if weight:
            found, pairs = found + weight * auroc(score[mine, keypoint], hits), pairs + weight
    return found / pairs if pairs else float("nan")


def auroc_interval(
    score: Float[np.ndarray, "M K"], positive: Bool[np.ndarray, "M K"], counted: Bool[np.ndarray, "M K"], *,
    level: float = 0.95, draws: int = 200, seed: int = 0,
) -> Interval:  # fmt: skip
    """`auroc` over all counted keypoints with a percentile bootstrap interval that resamples people.

    Args:
        score: Of any finite values.
        positive: What the score should find.
        counted: Which of all there are.
        level: Of the interval.
        draws: Bootstrap samples.
        seed: Of the resampling.
    """
    rng = np.random.default_rng(seed)
    rows = [np.arange(len(score)), *(rng.integers(len(score), size=len(score)) for _ in range(draws))]
    mean, *found = (auroc(score[each][counted[each]], positive[each][counted[each]]) for each in rows)
    known = np.array(found)[~np.isnan(found)]
    if np.isnan(mean) or not len(known):
        return Interval(np.nan, np.nan, np.nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))


class Axes(NamedTuple):
    """The plane in which points spread most."""

    mean: Float[np.ndarray, "D"]
    axes: Float[np.ndarray, "2 D"]
    """Of unit length; the larger of each one's components is positive, so that a picture does not flip."""
    share: float
    """Of the variance that the plane holds."""

    def __call__(self, points: Float[np.ndarray, "*N D"]) -> Float[np.ndarray, "*N 2"]:
        """Points of the plane."""
        return (points - self.mean) @ self.axes.T


def principal_axes(points: Float[np.ndarray, "N D"]) -> Axes:
    """The first two principal components.

    Raises:
        UsageError: Fewer than two points.
    """
    if len(points) < 2:
        raise UsageError("PCA", expected="at least two embeddings", got=str(len(points)), fix="Give more people.")
    mean = points.mean(axis=0)
    centred = points - mean
    variance, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors.T[::-1][:2]
    signs = np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))
    total = float(variance.sum())
    return Axes(mean, axes * signs, float(variance[-2:].sum()) / total if total > 0 else 1.0)


def spread(tokens: Float[np.ndarray, "M K D"], counted: Bool[np.ndarray, "M K"]) -> float:
    """How far embeddings lie from the middle of their keypoint, relative to how far those middles lie apart.

    The root of the ratio of both mean squared distances (Fig. 4 of the paper draws this): the smaller, the tighter the
    clusters. NaN where fewer than two keypoints are seen.
    """
    seen = counted.any(axis=0)
    if seen.sum() < 2:
        return float("nan")
    weights = counted[:, seen, None] / counted[:, seen].sum(axis=0)[None, :, None]
    middles = (tokens[:, seen] * weights).sum(axis=0)
    within = (((tokens[:, seen] - middles) ** 2) * weights).sum(axis=(0, 2)).mean()
    apart = ((middles - middles.mean(axis=0)) ** 2).sum(axis=1).mean()
    return float(np.sqrt(within / apart)) if apart > 0 else float("nan")


def _mean(values: Float[np.ndarray, "M K"], of: Bool[np.ndarray, "M K"]) -> Float[np.ndarray, "M"]:
    """Row means over a mask; NaN where a row has none."""
    count = of.sum(axis=1)
    total = np.where(of, values, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
