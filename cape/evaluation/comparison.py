"""Methods side by side: means over splits and seeds, and paired differences with their bootstrap intervals."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from cape.evaluation.pck import HEADLINE, Interval

FINE = "PCK@0.05"


class Split(NamedTuple):
    """The pairs of one split, which all methods share."""

    category: Int[np.ndarray, "N"]
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


def paired_difference(
    first: Method, second: Method, splits: dict[int, Split], figure: str = HEADLINE, *, named: bool = False,
    draws: int = 2000, seed: int = 0,
) -> Interval:  # fmt: skip
    """First minus second: the mean over splits, runs averaged before, with its 95 % interval.

    The interval resamples the categories of each split, since pairs of one category share its pictures. It says how
    the difference would vary with other categories; the seeds' own variation stands beside it in the table.
    """
    rng = np.random.default_rng(seed)
    means, total = np.zeros(draws), 0.0
    for number, split in splits.items():
        mine = split.named if named else np.ones(len(split.category), dtype=bool)
        one, other = (
            np.mean([run[number][figure][mine] for run in method.seeds], axis=0) for method in (first, second)
        )
        _, group = np.unique(split.category[mine], return_inverse=True)
        size = np.bincount(group)
        summed = np.bincount(group, weights=one - other)
        drawn = rng.integers(len(size), size=(draws, len(size)))
        means += summed[drawn].sum(axis=1) / size[drawn].sum(axis=1) / len(splits)
        total += float((one - other).mean()) / len(splits)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(total, float(low), float(high))


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
        each = paired_difference(reference, other, splits, named=named)
        rows.append([f"{reference.name} - {other.name}", f"{each.mean:+.2f}", f"{each.low:+.2f} to {each.high:+.2f}"])
    return [f"difference of {HEADLINE}", "mean", "95 % interval"], rows
