"""What looks odd in finished work: a program's second look at what people, or it, have accepted."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from cape.annotator.replies import Check
from cape.annotator.schema import Category, Instance, Picture

LEAST = 5
"""Instances below which there is no telling what is odd."""
CLOSE = 0.01
"""Two points closer than this, in sides of the pose, are at one place."""
ODD = 6.0
"""Residuals of so many times the median are odd."""
LIKE, FINE = 0.05, 0.02
"""Sides of the pose: a mean distance that is like the others', and the least that counts as usual of one point."""
SWAPPED = 0.6
"""Exchanging two sides must bring the residual below this share."""


def find_checks(category: Category, instances: Sequence[Instance], pictures: dict[str, Picture]) -> list[Check]:
    """All that looks odd in accepted instances of one category, the worst first."""
    names = {each.id: each.name or f"point {place + 1}" for place, each in enumerate(category.keypoints)}
    points = np.array([_placed(each, category) for each in instances]).reshape(len(instances), len(names), 2)
    found: list[Check] = []
    for instance, places in zip(instances, points, strict=True):
        found += _missing(instance, names) + _duplicates(instance, names, places)
        picture = pictures.get(instance.picture_id)
        found += _outside(instance, names, places, picture) if picture else []
    if len(instances) >= LEAST and len(names) >= 3:
        found += _odd(category, instances, names, points)
    return sorted(found, key=lambda each: -each.severity)


def _placed(instance: Instance, category: Category) -> list[tuple[float, float]]:
    """Places in the category's order, NaN where there is none."""
    known = {each.keypoint: each for each in instance.points if each.visibility}
    found = (known.get(each.id) for each in category.keypoints)
    return [(np.nan, np.nan) if p is None or p.x is None or p.y is None else (p.x, p.y) for p in found]


def _missing(instance: Instance, names: dict[str, str]) -> list[Check]:
    there = {each.keypoint for each in instance.points}
    gone = [each for each in names if each not in there]
    if not gone:
        return []
    said = ", ".join(names[each] for each in gone[:5])
    return [_check("missing", instance, gone, 0.3 + len(gone) / len(names), f"neither placed nor absent: {said}")]


def _duplicates(instance: Instance, names: dict[str, str], places: Float[np.ndarray, "K 2"]) -> list[Check]:
    ids, side = list(names), _side(places)
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1)
    pairs = np.argwhere(np.triu(gaps < CLOSE * side, k=1))
    return [
        _check("duplicate", instance, [ids[a], ids[b]], 0.8, f"at one place: {names[ids[a]]}, {names[ids[b]]}")
        for a, b in pairs[:5]
    ]


def _outside(
    instance: Instance, names: dict[str, str], places: Float[np.ndarray, "K 2"], picture: Picture
) -> list[Check]:
    ids, limit = list(names), np.array([picture.width, picture.height]) - 0.5
    with np.errstate(invalid="ignore"):
        out = ((places < -0.5) | (places > limit)).any(axis=1)
    gone = [ids[place] for place in np.flatnonzero(out)]
    said = ", ".join(names[each] for each in gone[:5])
    return [_check("outside", instance, gone, 0.9, f"outside the picture: {said}")] if gone else []


def _odd(
    category: Category, instances: Sequence[Instance], names: dict[str, str], points: Float[np.ndarray, "N K 2"]
) -> list[Check]:
    """Poses that the others do not look like, and those that do once two sides are exchanged."""
    mean = _mean_shape(points)
    residuals = np.array([_residual(each, mean) for each in points])
    usual = np.array(
        [max(np.median(each[np.isfinite(each)]), FINE) if np.isfinite(each).any() else 1.0 for each in residuals.T]
    )
    ids = list(names)
    place = {each: index for index, each in enumerate(ids)}
    found = []
    for instance, places, residual in zip(instances, points, residuals, strict=True):
        swapped = _swapped(places, mean, category.swap, place)
        for a, b in swapped:
            found.append(_check("swapped", instance, [a, b], 1.0, f"sides exchanged? {names[a]}, {names[b]}"))
        taken = {each for pair in swapped for each in pair}
        with np.errstate(invalid="ignore"):
            far = np.flatnonzero(residual > ODD * usual)
        for index in [index for index in far if ids[index] not in taken][:3]:
            severity = float(min(residual[index] / (ODD * usual[index]) / 2, 1.0))
            found.append(
                _check("outlier", instance, [ids[index]], severity, f"far from where it is: {names[ids[index]]}")
            )
    return found


def _mean_shape(points: Float[np.ndarray, "N K 2"]) -> Float[np.ndarray, "K 2"]:
    """The median of the poses, each turned and scaled onto the most complete one, twice over."""
    complete = int(np.argmax(np.isfinite(points[..., 0]).sum(axis=1)))
    mean = _normal(points[complete])
    for _ in range(2):
        laid = np.array([_laid(each, mean) for each in points])
        with np.errstate(all="ignore"):
            middle = np.array([
                [np.median(values[np.isfinite(values)]) if np.isfinite(values).any() else np.nan for values in rows.T]
                for rows in laid.transpose(1, 0, 2)
            ])  # fmt: skip
        mean = _normal(middle)
    return mean


def _laid(places: Float[np.ndarray, "K 2"], mean: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, "K 2"]:
    """A pose turned, scaled and moved onto the mean shape, by least squares; never mirrored."""
    both = np.isfinite(places[:, 0]) & np.isfinite(mean[:, 0])
    if both.sum() < 2:
        return np.full_like(places, np.nan)
    source, goal = (each[both] @ np.array([1, 1j]) for each in (places, mean))
    here, there = source.mean(), goal.mean()
    spread = float((np.abs(source - here) ** 2).sum())
    turn = ((source - here).conj() * (goal - there)).sum() / spread if spread > 0 else 1.0
    laid = (places @ np.array([1, 1j]) - here) * turn + there
    return np.column_stack([laid.real, laid.imag])


def _residual(places: Float[np.ndarray, "K 2"], mean: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, "K"]:
    return np.linalg.norm(_laid(places, mean) - mean, axis=1)


def _swapped(
    places: Float[np.ndarray, "K 2"],
    mean: Float[np.ndarray, "K 2"],
    pairs: Sequence[Sequence[str]],
    place: dict[str, int],
) -> list[Sequence[str]]:
    """The pairs that must be exchanged for a pose to look like the others, one after the other, or all at once."""
    known = [(a, b) for a, b in pairs if np.isfinite(places[[place[a], place[b]]]).all()]
    before = _error(places, mean)
    if not known or not before > LIKE:
        return []
    left, found, now = list(known), [], places
    while left:
        turned = [_exchanged(now, place[a], place[b]) for a, b in left]
        best = int(np.argmin([_error(each, mean) for each in turned]))
        if _error(turned[best], mean) >= _error(now, mean):
            break
        now = turned[best]
        found.append(left.pop(best))
    whole = places
    for a, b in known:
        whole = _exchanged(whole, place[a], place[b])
    if _error(whole, mean) < _error(now, mean):
        now, found = whole, known
    return list(found) if _error(now, mean) < SWAPPED * before else []


def _exchanged(places: Float[np.ndarray, "K 2"], a: int, b: int) -> Float[np.ndarray, "K 2"]:
    other = places.copy()
    other[[a, b]] = places[[b, a]]
    return other


def _error(places: Float[np.ndarray, "K 2"], mean: Float[np.ndarray, "K 2"]) -> float:
    """Mean distance from where the others have it, in sides of the mean shape."""
    residual = _residual(places, mean)
    there = np.isfinite(residual)
    return float(residual[there].mean()) if there.any() else 0.0


def _normal(places: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, "K 2"]:
    """Moved to the middle, of side 1."""
    there = np.isfinite(places[:, 0])
    return (places - (places[there].mean(axis=0) if there.any() else 0.0)) / _side(places)


def _side(places: Float[np.ndarray, "K 2"]) -> float:
    there = np.isfinite(places[:, 0])
    return max(float(np.ptp(places[there], axis=0).max()), 1e-6) if there.any() else 1.0


def _check(kind: str, instance: Instance, keypoints: list[str], severity: float, words: str) -> Check:
    return Check(
        kind=kind, picture_id=instance.picture_id, instance_id=instance.id, keypoints=keypoints,  # pyright: ignore[reportArgumentType]
        severity=float(min(severity, 1.0)), words=words,
    )  # fmt: skip
