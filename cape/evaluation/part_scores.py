"""Each part of the whole body ranked by a score of its own, against all by the person's (CCNet's Table 3, §3.7)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from cape.data.skeletons import read_regions
from cape.errors import UsageError
from cape.evaluation.aggregation import Rule, aggregate_parts
from cape.evaluation.checking import check_values
from cape.evaluation.wholebody import PARTS, figures_of

ORDER = ("body", "foot", "face", "left hand", "right hand", "hand", "whole")
"""Columns, in the order of Table 3, with the two hands beside their mean."""


class People(NamedTuple):
    """Predictions of people, whatever made them."""

    picture: Sequence[int]
    """Id of each one's picture."""
    points: Float[np.ndarray, "M 133 2"]
    """Pixels of the picture."""
    scores: Float[np.ndarray, "M 133"]
    """Of the keypoints."""
    sides: Float[np.ndarray, "M 2"]
    """Of the box that each was found in: suppression divides by its area."""


def heuristic_scores(
    scores: Float[np.ndarray, "M 133"], *, rule: Rule, threshold: float = 0.2, by_part: bool
) -> Float[np.ndarray, "M _"]:
    """`part_scores` of each person out of its keypoint scores.

    Args:
        scores: Of the keypoints.
        rule: "mean" or "threshold", see `aggregation`; the others need a visibility.
        threshold: Of the rule of that name.
        by_part: From the part's keypoints; else all parts have the whole person's.

    Returns:
        In the order of `wholebody.scored_parts`.

    Raises:
        CapeError: As `aggregate_parts`.
    """
    found = aggregate_parts(scores, parts=read_regions("coco_wholebody"), rule=rule, threshold=threshold)
    columns = np.stack(list(found.values()), axis=1)
    return columns if by_part else np.repeat(columns[:, :1], columns.shape[1], axis=1)


def part_figures(
    people: People, rankings: Mapping[str, Float[np.ndarray, "M _"]], *, annotations: Path
) -> dict[str, dict[str, float]]:
    """The figures of `wholebody.figures_of` under each ranking.

    Args:
        people: The predictions.
        rankings: `part_scores` by name.
        annotations: COCO-WholeBody's file.

    Raises:
        UsageError: No ranking.
        CapeError: As `figures_of`.
    """
    if not rankings:
        raise UsageError("rankings", expected="at least one", got="none", fix="Name some scores.")
    check_values("sides of the boxes", people.sides, low=0.0, zero=False)
    found = {}
    for name, scores in rankings.items():
        samples = [_sample(people, index, scores[index : index + 1]) for index in range(len(people.picture))]
        found[name] = figures_of(samples, kind="coco_wholebody", annotations=annotations)
    return found


def _sample(people: People, index: int, scores: Float[np.ndarray, "1 _"]) -> dict[str, Any]:
    return {
        "id": index,
        "img_id": people.picture[index],
        "pred_instances": {
            "keypoints": people.points[index : index + 1],
            "keypoint_scores": people.scores[index : index + 1],
            "part_scores": scores,
        },
        "gt_instances": {"bbox_scores": np.ones(1), "bbox_scales": people.sides[index : index + 1]},
    }


def part_table(figures: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[list[str]]]:
    """AP in per cent, a row a ranking and a column a part, "-" where nobody counts; last AR, which no order changes.

    Where rankings suppress other people, AR is the largest of theirs.

    Args:
        figures: As `part_figures` gives them.
    """
    rows = {name: [mine[f"{PARTS[part]}AP"] for part in ORDER] for name, mine in figures.items()}
    recall = [max(mine[f"{PARTS[part]}AR"] for mine in figures.values()) for part in ORDER]
    cells = [
        [name, *("-" if np.isnan(value) else f"{100 * value:.1f}" for value in values)]
        for name, values in {**rows, "AR": recall}.items()
    ]
    return ["AP ranked by", *ORDER], cells
