"""Whether a three-dimensional pose has the lengths of a body: LSE, BSLE, LLE (SEAL-pose §4.2), and energies beside.

All in percent, one number a frame. The definitions are the paper's; the authors' published code computes something
else, which is here as the variant "official" so that its figures can be told apart. Say which one a number is.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import kendalltau

from cape.errors import UsageError
from cape.skeleton import Skeleton

Segment = tuple[int, int]
SymmetryVariant = Literal["paper", "official", "official_limb"]
LengthVariant = Literal["paper", "official"]

HUMAN36M_16_PAIRS: tuple[tuple[Segment, Segment], ...] = (
    ((10, 11), (13, 14)),
    ((11, 12), (14, 15)),
    ((8, 10), (8, 13)),
    ((0, 4), (0, 1)),
    ((4, 5), (1, 2)),
    ((5, 6), (2, 3)),
)
"""Left and right segments of Human3.6M's 16 joints in the authors' order, on which their "all" mode depends."""
HUMAN36M_16_CHAINS: tuple[tuple[tuple[Segment, ...], tuple[Segment, ...]], ...] = (
    (((10, 11), (11, 12)), ((13, 14), (14, 15))),
    (((4, 5), (5, 6)), ((1, 2), (2, 3))),
)
"""Left and right arm, left and right leg, as the authors' "limb" mode sums them."""


def limb_pairs(skeleton: Skeleton) -> tuple[tuple[Segment, Segment], ...]:
    """The segments that have a counterpart on the other side: pairs of edges that the mirror exchanges.

    In the order of the skeleton's edges; the segment with the smaller joints comes first.
    """
    mirror = skeleton.mirror()
    pairs = []
    for a, b in skeleton.edges:
        other = tuple(sorted((int(mirror[a]), int(mirror[b]))))
        if (a, b) < other and other in skeleton.edges:
            pairs.append(((a, b), other))
    return tuple(pairs)


def lengths(poses: Float[np.ndarray, "N J 3"], segments: Sequence[Segment]) -> Float[np.ndarray, "N E"]:
    """Length of each segment in each frame.

    Raises:
        UsageError: No segment: there is no mean over nothing.
    """
    if not segments:
        raise UsageError(
            "segments", expected="at least one", got="none", fix="Give the skeleton edges, and swap pairs for symmetry."
        )
    ends = np.array(segments)
    return np.linalg.norm(poses[:, ends[:, 0]] - poses[:, ends[:, 1]], axis=-1)


def lse(
    poses: Float[np.ndarray, "N J 3"],
    pairs: Sequence[tuple[Segment, Segment]],
    *,
    variant: SymmetryVariant = "paper",
    chains: Sequence[tuple[Sequence[Segment], Sequence[Segment]]] = HUMAN36M_16_CHAINS,
) -> Float[np.ndarray, "N"]:
    """Limb symmetry error, `100 | |l| - |r| | / ((|l| + |r|) / 2)`, the mean over pairs; needs no ground truth.

    A pair of two segments of length 0 is symmetric.

    Args:
        poses: Any unit.
        pairs: A segment and its counterpart, as `limb_pairs` gives them.
        variant: "paper"; "official": the authors' denominator is |l| + |r|, half the paper's value, and as their list
            of violations starts anew in the loop only the last pair counts; "official_limb": their limb mode, whose |l|
            and |r| are sums over an arm or a leg, with the same denominator.
        chains: Of "official_limb": segments of each limb and of its counterpart.
    """
    if variant == "official_limb":
        sides = [np.stack([lengths(poses, each[side]).sum(axis=1) for each in chains], axis=1) for side in (0, 1)]
    else:
        counted = pairs[-1:] if variant == "official" else pairs
        sides = [lengths(poses, [pair[side] for pair in counted]) for side in (0, 1)]
    left, right = sides
    total = left + right
    share = np.abs(left - right) / np.where(total > 0, total, 1)
    return (200 if variant == "paper" else 100) * share.mean(axis=1)


def bsle(
    predicted: Float[np.ndarray, "N J 3"],
    target: Float[np.ndarray, "N J 3"],
    segments: Sequence[Segment],
    *,
    variant: LengthVariant = "paper",
) -> Float[np.ndarray, "N"]:
    """Body segment length error, `100 | 1 - |k| / |t| |`, the mean over segments; on limbs it is LLE.

    A segment whose target has length 0 does not count; a frame of such segments alone is NaN.

    Args:
        predicted: Any unit.
        target: The same unit.
        segments: Those of the skeleton, or of limbs (both members of each of `limb_pairs`).
        variant: "paper"; "official": the authors go through all triplets of joined joints and count both of its
            segments each time, so that a segment weighs as many times as it has neighbours.
    """
    wanted = lengths(target, segments)
    weight = (wanted > 0).astype(np.float64)
    if variant == "official":
        ends = np.array(segments)
        degree = np.bincount(ends.ravel())
        weight = weight * (degree[ends].sum(axis=1) - 2)
    error = 100 * np.abs(1 - lengths(predicted, segments) / np.where(wanted > 0, wanted, 1))
    total = weight.sum(axis=1)
    return np.where(total > 0, (weight * error).sum(axis=1) / np.where(total > 0, total, 1), np.nan)


def structure_scores(
    predicted: Float[np.ndarray, "N J 3"], target: Float[np.ndarray, "N J 3"], skeleton: Skeleton
) -> dict[str, Float[np.ndarray, "N"]]:
    """LSE, LLE and BSLE in the paper's definition, percent, under the names of Table 4.

    Limbs are the segments that have a counterpart: also hips and shoulders, as in the authors' list of pairs.

    Raises:
        UsageError: A skeleton without edges, or without swap pairs.
    """
    pairs = limb_pairs(skeleton)
    return {
        "LSE": lse(predicted, pairs),
        "LLE": bsle(predicted, target, [segment for pair in pairs for segment in pair]),
        "BSLE": bsle(predicted, target, skeleton.edges),
    }


class Ordering(NamedTuple):
    """How well an energy orders frames as an error does."""

    tau: float
    """Kendall's τ (b, which allows for ties); NaN where one of the two is constant."""
    correct: float
    """Percentage of pairs in the right order, 100 (τ + 1) / 2, as the paper converts it."""


def ordering(energies: Float[np.ndarray, "N"], errors: Mapping[str, Float[np.ndarray, "N"]]) -> dict[str, Ordering]:
    """Kendall's τ of energies against each of several errors of the same frames (SEAL-pose §5.4)."""
    found = {}
    for name, values in errors.items():
        tau = np.asarray(kendalltau(energies, values), dtype=np.float64)[0].item()
        found[name] = Ordering(tau, 50 * (tau + 1))
    return found


class Bins(NamedTuple):
    """Mean errors of frames whose P-MPJPE is similar (SEAL-pose's Fig. 4)."""

    edges: Float[np.ndarray, "_"]
    """Bin k holds frames from edge k on, below edge k + 1; the last one its upper edge, too."""
    counts: Int[np.ndarray, "h"]
    means: dict[str, Float[np.ndarray, "h"]]
    """NaN in an empty bin."""


def binned(
    errors: Mapping[str, Float[np.ndarray, "N"]], by: Float[np.ndarray, "N"], edges: Sequence[float | int]
) -> Bins:
    """Means of errors within bins of another figure of the same frames; frames outside the edges are left out.

    Compare two models with the same edges, and look at the counts: a mean over three frames says little.

    Args:
        errors: LSE, BSLE, LLE, for example.
        by: What is binned: P-MPJPE.
        edges: Increasing, in its unit.

    Raises:
        UsageError: Fewer than two edges, or edges that do not increase.
    """
    borders = np.asarray(edges, dtype=np.float64)
    if borders.size < 2 or not (np.diff(borders) > 0).all():
        raise UsageError("edges", expected="two or more increasing numbers", got=str(list(edges)), fix="Mend them.")
    place = np.digitize(by, borders) - 1
    place[by == borders[-1]] = borders.size - 2
    inside = (place >= 0) & (place < borders.size - 1)
    counts = np.bincount(place[inside], minlength=borders.size - 1)
    means = {}
    for name, values in errors.items():
        total = np.bincount(place[inside], weights=values[inside], minlength=borders.size - 1)
        means[name] = np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
    return Bins(borders, counts, means)
