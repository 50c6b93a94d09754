"""What to look at next, and why, in words.

A picture's priority is how unsure its prediction is, times how different it is from what was looked at or stands higher
in the queue already: ten pictures with the same mistake teach less than ten with different ones. Pictures on which the
model found nothing come first, not last.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from cape.annotator.replies import PredictedPoint, Prediction, Queue, QueueEntry
from cape.annotator.schema import Category, Picture
from cape.annotator.tables import PredictionRow

LOW = 0.5
"""Scores below it are said."""
TIE, APART = 0.05, 0.1
"""Left and right closer than this, or branches further apart, in sides of the pose, are said."""
MOST_REASONS, MOST_COMPARED = 4, 2000


def reasons_for(points: Sequence[PredictedPoint], category: Category, picture: Picture) -> list[str]:
    """Why a prediction should be looked at; none where all seems well."""
    names = {each.id: each.name or f"point {place + 1}" for place, each in enumerate(category.keypoints)}
    known = {each.keypoint: each for each in points if each.asked}
    if not known:
        return ["nothing to go by"]
    places = np.array([[each.x, each.y] for each in known.values()])
    side = max(float(np.ptp(places, axis=0).max()), 1.0)
    loose = sorted(
        (each for each in known.values() if not each.fixed and each.score < LOW), key=lambda each: each.score
    )
    found = [f"low: {names[each.keypoint]}" for each in loose[:2]]
    for a, b in category.swap:
        if a in known and b in known:
            gap = np.hypot(known[a].x - known[b].x, known[a].y - known[b].y)
            found += [f"left/right tie: {names[a]}, {names[b]}"] if gap < TIE * side else []
    torn = {each.keypoint: _spread(each) for each in known.values() if not each.fixed}
    worst = max(torn, key=lambda each: torn[each], default=None)
    if worst is not None and torn[worst] > APART * side:
        found.append(f"branches disagree: {names[worst]}")
    for each in known.values():
        if not (-0.5 <= each.x <= picture.width - 0.5 and -0.5 <= each.y <= picture.height - 0.5):
            found.append(f"outside the picture: {names[each.keypoint]}")
    return found[:MOST_REASONS]


def uncertainty_of(prediction: Prediction | None) -> float:
    """From 0 to 1: half of it is the pose as a whole, half its worst keypoint; 1 where nothing was found."""
    if prediction is None:
        return 1.0
    scores = [each.score for each in prediction.points if each.asked]
    if not scores:
        return 1.0
    doubt = 1 - (prediction.confidence + min(scores)) / 2
    return float(
        np.clip(max(doubt, 0.6 if any("tie" in each or "branches" in each for each in prediction.reasons) else 0), 0, 1)
    )


def make_queue(
    pictures: Sequence[Picture],
    known: Mapping[str, PredictionRow],
    finished: Sequence[str],
    category_id: str,
    limit: int,
) -> Queue:
    """The review queue of a category.

    Args:
        pictures: Those that are open, by file name.
        known: Predictions by picture; of finished pictures, too.
        finished: Pictures that were looked at.
        category_id: Of the category.
        limit: Entries wanted.
    """
    predicted = [each for each in pictures if each.id in known]
    told = [Prediction.model_validate_json(known[each.id].body) for each in predicted[:MOST_COMPARED]]
    predicted = predicted[: len(told)]
    doubts = np.array([uncertainty_of(each) for each in told])
    done = [known[each] for each in finished if each in known][-MOST_COMPARED:]
    looks = _looks([*(known[each.id] for each in predicted), *done])
    order = _ordered(doubts, looks[: len(predicted)], looks[len(predicted) :], limit)
    entries = [
        QueueEntry(
            picture=predicted[index], category_id=category_id, confidence=told[index].confidence,
            uncertainty=float(doubts[index]), diversity=diversity, priority=float(doubts[index]) * diversity,
            reasons=told[index].reasons or ["sure, not looked at"],
        )
        for index, diversity in order
    ]  # fmt: skip
    unknown = [each for each in pictures if each.id not in known][: max(limit - len(entries), 0)]
    entries += [
        QueueEntry(
            picture=each, category_id=category_id, confidence=None, uncertainty=1.0, diversity=1.0, priority=0.0,
            reasons=["not predicted yet"],
        )
        for each in unknown
    ]  # fmt: skip
    return Queue(entries=entries, predicted=sum(each.id in known for each in pictures), open=len(pictures))


def _spread(point: PredictedPoint) -> float:
    places = np.asarray(point.branches, dtype=float).reshape(-1, 2)
    return float(np.linalg.norm(places - places.mean(axis=0), axis=1).max() * 2) if len(places) > 1 else 0.0


def _looks(rows: Sequence[PredictionRow]) -> Float[np.ndarray, "N C"]:
    """Unit vectors of what pictures look like; those of another length than most are zero."""
    raw = [np.frombuffer(row.embedding, dtype=np.float16).astype(np.float64) for row in rows]
    width = max((len(each) for each in raw), default=1)
    found = np.array([each if len(each) == width else np.zeros(width) for each in raw]).reshape(-1, width)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def _ordered(
    doubts: Float[np.ndarray, "N"], looks: Float[np.ndarray, "N C"], before: Float[np.ndarray, "M C"], limit: int
) -> list[tuple[int, float]]:
    """Greedy: each time the greatest doubt x distance to the nearest that was looked at or chosen."""
    if not len(doubts):
        return []
    nearest = np.min(1 - looks @ before.T, axis=1) if len(before) else np.ones(len(doubts))
    left = np.ones(len(doubts), dtype=bool)
    found = []
    for _ in range(min(limit, len(doubts))):
        diversity = 0.1 + 0.9 * np.clip(nearest, 0, 1)
        best = int(np.argmax(np.where(left, doubts * diversity, -1)))
        found.append((best, float(diversity[best])))
        left[best] = False
        nearest = np.minimum(nearest, 1 - looks @ looks[best])
    return found
