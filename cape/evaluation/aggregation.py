"""One confidence of an instance out of those of its keypoints (CCNet §3.5; of each part of the body, §3.7)."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float

from cape.errors import UsageError
from cape.evaluation.checking import check_same_shape, check_values

Rule = Literal["soft", "hard", "threshold", "mean"]
WHOLE = "whole"


def aggregate(
    confidence: Float[np.ndarray, "M K"], visibility: Float[np.ndarray, "M _"] | None = None, *, rule: Rule = "soft",
    asked: Bool[np.ndarray, "M _"] | None = None, threshold: float = 0.2,
) -> Float[np.ndarray, "M"]:  # fmt: skip
    """The confidence of each instance.

    soft        sum of v s over sum of v: CCNet's. Where every v is 0 it is the mean, which equal v have as their limit
    hard        mean of s where v > 0.5; of all where there is none
    threshold   mean of s where s exceeds the threshold (Eq. 5), the usual heuristic; 0 where none does, as in mmpose
    mean        of all

    Args:
        confidence: s of the keypoints. NaN is allowed where they were not asked for.
        visibility: v, the probability that a keypoint is annotated. Needed for soft and hard.
        rule: How.
        asked: Keypoints that count; padding does not. None: all.
        threshold: Of the rule of that name; 0.2 in mmpose.

    Returns:
        NaN for an instance of which nothing was asked.

    Raises:
        DataError: NaN, or a visibility outside [0, 1].
        UsageError: An unknown rule, a missing visibility, shapes that disagree.
    """
    counted = np.ones(confidence.shape, dtype=bool) if asked is None else asked
    check_same_shape("confidence", confidence, "asked", counted)
    if counted.any():
        check_values("confidence", confidence[counted])
    score = np.where(counted, confidence, 0.0)
    if rule not in get_args(Rule):
        got, fix = str(rule), "Choose one of them."
        raise UsageError("rule", expected=f"one of {', '.join(get_args(Rule))}", got=got, fix=fix)
    if rule == "threshold":
        above = counted & (score > threshold)
        return np.where(counted.any(axis=1), _mean(score, above.astype(np.float64), otherwise=0.0), np.nan)
    weight = counted.astype(np.float64)
    plain = _mean(score, weight, otherwise=np.nan)
    if rule == "mean":
        return plain
    if visibility is None:
        fix = "Give it, or choose threshold or mean."
        raise UsageError(f"rule {rule}", expected="a visibility of each keypoint", got="none", fix=fix)
    check_same_shape("confidence", confidence, "visibility", visibility)
    if counted.any():
        check_values("visibility", visibility[counted], low=0.0, high=1.0)
    seen = np.where(counted, visibility, 0.0)
    return _mean(score, seen if rule == "soft" else (seen > 0.5).astype(np.float64), otherwise=plain)


def _mean(
    score: Float[np.ndarray, "M K"], weight: Float[np.ndarray, "M K"], *, otherwise: Float[np.ndarray, "M"] | float
) -> Float[np.ndarray, "M"]:
    """Weighted means; `otherwise` where nothing weighs anything."""
    largest = weight.max(axis=1, initial=0.0, keepdims=True)
    scaled = np.divide(weight, largest, out=np.zeros_like(weight), where=largest > 0)  # tiny ones would underflow
    total = scaled.sum(axis=1)
    fallback = np.broadcast_to(np.asarray(otherwise, dtype=np.float64), total.shape).copy()
    return np.divide((scaled * score).sum(axis=1), total, out=fallback, where=total > 0)


def aggregate_parts(
    confidence: Float[np.ndarray, "M K"], visibility: Float[np.ndarray, "M _"] | None = None, *,
    parts: Mapping[str, Sequence[int]], rule: Rule = "soft", asked: Bool[np.ndarray, "M _"] | None = None,
    threshold: float = 0.2,
) -> dict[str, Float[np.ndarray, "M"]]:  # fmt: skip
    """The confidence of each part of each person, and of the whole first, under `WHOLE` (§3.7).

    Args:
        confidence: As in `aggregate`, like the other arguments.
        visibility: Likewise.
        parts: Indices by name: `data.skeletons.read_regions("coco_wholebody")`.
        rule: How.
        asked: Keypoints that count.
        threshold: Of the rule of that name.

    Raises:
        DataError: As `aggregate`.
        UsageError: As `aggregate`; or a part that is empty, has other keypoints, or is called `WHOLE`.
    """
    everything = range(confidence.shape[1])
    for name, members in parts.items():
        if name == WHOLE or not len(members) or not set(members) <= set(everything):
            expected, got = f"a part of {len(everything)} keypoints, not called {WHOLE}", f"{list(members)}"[:80]
            raise UsageError(f"part {name!r}", expected=expected, got=got, fix="Give 0-based indices.")
    return {
        name: aggregate(
            confidence[:, list(members)],
            None if visibility is None else visibility[:, list(members)],
            rule=rule,
            asked=None if asked is None else asked[:, list(members)],
            threshold=threshold,
        )
        for name, members in {WHOLE: everything, **parts}.items()
    }
