"""How much a method depends on which support picture it is shown (the paper's Fig. 2)."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int64


class Spread(NamedTuple):
    """One method on one category: a mean score for each support set of the official episodes."""

    supports: Int64[np.ndarray, "_ S"]
    """Instances."""
    means: Float[np.ndarray, "_"]
    """Mean over the pairs of each."""
    fair: Float[np.ndarray, "_"]
    """The same, if all supports met equally hard queries; see `support_spread`."""

    @property
    def deviations(self) -> tuple[float, float]:
        """Standard deviation of both between supports; nan for a single one."""
        if len(self.means) < 2:
            return float("nan"), float("nan")
        return float(self.means.std(ddof=1)), float(self.fair.std(ddof=1))


def support_spread(
    scores: Float[np.ndarray, "N"], supports: Int64[np.ndarray, "N S"], query: Int64[np.ndarray, "N"]
) -> Spread:
    """Group the pairs of a category by their support set.

    An episode has 15 queries of 80 or so, and which ones is luck: a method that never looks at its support would
    still have another mean with each. For `fair` each pair counts by how far it lies from the mean of its query
    over all supports, and the category's mean is added back. That method then has almost no spread: what is
    left is that the support decides which keypoints count.

    Args:
        scores: Of one category's pairs.
        supports: Instances shown.
        query: Instance asked about.
    """
    sets, group = np.unique(supports, axis=0, return_inverse=True)
    _, asked = np.unique(query, return_inverse=True)
    group, asked = group.reshape(-1), asked.reshape(-1)
    relative = scores - _means(scores, asked)[asked] + scores.mean()
    return Spread(sets, _means(scores, group), _means(relative, group))


def _means(values: Float[np.ndarray, "N"], group: Int[np.ndarray, "N"]) -> Float[np.ndarray, "_"]:
    """By group, numbered from 0 without gaps."""
    return np.bincount(group, weights=values) / np.bincount(group)


def spread_table(
    spreads: dict[str, dict[str, Spread]], pictures: dict[str, list[str]]
) -> tuple[list[str], list[list[str]]]:
    """A row for each category and method.

    Args:
        spreads: By category, by method.
        pictures: File of each instance, by category.
    """
    heads = ["category", "method", "supports", "mean", "sd", "sd, fair", "worst support", "best support"]
    rows = []
    for category, methods in spreads.items():
        for name, each in methods.items():
            ends = [
                f"{each.means[place]:.1f} ({', '.join(pictures[category][index] for index in each.supports[place])})"
                for place in (each.means.argmin(), each.means.argmax())
            ]
            plain, fair = each.deviations
            figures = [f"{each.means.mean():.1f}", f"{plain:.1f}", f"{fair:.1f}"]
            rows.append([category, name, str(len(each.means)), *figures, *ends])
    return heads, rows


def spread_summary(spreads: dict[str, dict[str, Spread]]) -> tuple[list[str], list[list[str]]]:
    """A row for each method: means over the categories."""
    rows = []
    for name in next(iter(spreads.values())):
        mine = [methods[name] for methods in spreads.values()]
        plain, fair = np.mean([each.deviations for each in mine], axis=0)
        ends = np.mean([(each.means.mean(), each.means.min(), each.means.max()) for each in mine], axis=0)
        rows.append([name, *(f"{value:.1f}" for value in (ends[0], plain, fair, ends[1], ends[2]))])
    return ["mean over categories", "mean", "sd", "sd, fair", "worst support", "best support"], rows
