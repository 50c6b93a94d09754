"""Methods side by side: means over splits and seeds, and paired differences with their bootstrap intervals."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from cape.evaluation.pck import HEADLINE, Interval

FINE = "PCK@0.05"


class Split(NamedTuple):
    """The pairs of one split, which all methods share."""

    category: Int[np.ndarray, "N"]
    query: Int[np.ndarray, "N"]
    """Instance that was asked about."""
    named: Bool[np.ndarray, "N"]
    """The pair's category has real keypoint names."""


class Method(NamedTuple):
    """One row of a comparison."""

    name: str
    seeds: list[dict[int, dict[str, Float[np.ndarray, "N"]]]]
    """Per training run: by split, by figure, a score per pair. A method without training has one."""


def split_means(
    method: Method, splits: dict[int, Split], figure: str = HEADLINE, *, named: bool = False
) -> Float[np.ndarray, "R _"]:
    """The figure of each run on each split: its mean over pairs.

    Args:
        method: The method.
        splits: The pairs; only these splits are looked at.
        figure: Its name.
        named: Only pairs of categories with real names.
    """
    return np.array([
        [run[number][figure][split.named if named else slice(None)].mean() for number, split in splits.items()]
        for run in method.seeds
    ])  # fmt: skip


class Difference(NamedTuple):
    """One method minus another."""

    interval: Interval
    categories: int
    """How many the interval rests on."""


def paired_difference(
    first: Method, second: Method, splits: dict[int, Split], figure: str = HEADLINE, *, named: bool = False,
    draws: int = 2000, seed: int = 0,
) -> Difference:  # fmt: skip
    """First minus second: the mean over splits, runs averaged before, with its 95 % interval.

    The interval resamples the categories of all splits together, and in each one drawn its query pictures: pairs of a
    category share both. It says how the difference would vary with other categories and pictures; the seeds' own
    variation stands beside it in the table. On a handful of categories it is a rough guide.
    """
    rng = np.random.default_rng(seed)
    weights, values = [], []
    for number, split in splits.items():
        mine = split.named if named else np.ones(len(split.category), dtype=bool)
        one, other = (np.mean([run[number][figure][mine] for run in each.seeds], axis=0) for each in (first, second))
        for category in np.unique(split.category[mine]):
            chosen = split.category[mine] == category
            _, query = np.unique(split.query[mine][chosen], return_inverse=True)
            size = np.bincount(query)
            summed = np.bincount(query, weights=(one - other)[chosen])
            drawn = rng.integers(len(size), size=(draws + 1, len(size)))
            drawn[0] = np.arange(len(size))  # the data as they are
            values.append(summed[drawn].sum(axis=1) / size[drawn].sum(axis=1))
            weights.append(chosen.mean() / len(splits))
    weight, value = np.array(weights), np.array(values)  # [categories], [categories, draws + 1]
    picked = rng.integers(len(weight), size=(draws, len(weight)))
    means = (weight[picked] * value[picked, np.arange(1, draws + 1)[:, None]]).sum(axis=1) / weight[picked].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Difference(Interval(float(weight @ value[:, 0]), float(low), float(high)), len(weight))


def comparison_table(
    methods: list[Method], splits: dict[int, Split], *, named: bool = False
) -> tuple[list[str], list[list[str]]]:
    """PCK@0.2 per split and their mean, seeds averaged; the seeds' spread of the mean, and PCK@0.05."""
    heads = [HEADLINE, *(f"split {number}" for number in splits), "mean", "seeds", FINE]
    rows = []
    for method in methods:
        means = split_means(method, splits, named=named)
        over_splits = means.mean(axis=1)
        seeds = f"{over_splits.min():.2f} to {over_splits.max():.2f}" if len(over_splits) > 1 else "-"
        fine = split_means(method, splits, FINE, named=named).mean()
        figures = [*means.mean(axis=0), over_splits.mean()]
        rows.append([method.name, *(f"{value:.2f}" for value in figures), seeds, f"{fine:.2f}"])
    return heads, rows


def difference_table(
    reference: Method, others: list[Method], splits: dict[int, Split], *, named: bool = False
) -> tuple[list[str], list[list[str]]]:
    """The reference minus each other method."""
    rows = []
    for other in others:
        each, categories = paired_difference(reference, other, splits, named=named)
        interval = f"{each.low:+.2f} to {each.high:+.2f}"
        rows.append([f"{reference.name} - {other.name}", f"{each.mean:+.2f}", interval, str(categories)])
    return [f"difference of {HEADLINE}", "mean", "95 % interval", "categories"], rows
