"""Search: where to look for several objects in one picture, and which poses found there are of different objects.

A look finds one pose, and loses an object that fills little of it. So a picture is looked at in squares of three sizes
that overlap by half, and what they find is looked at again from nearer (`Predictor.search`).
"""

import math
from collections.abc import Iterable

import numpy as np

from cape.data.inputs import Look, Picture
from cape.data.shots import box_around
from cape.data.transforms import Square
from cape.prediction import Prediction

LEVELS = 3
"""Sizes of squares, each half the one before, the first that of the whole picture."""
LEAST = 0.5
"""How sure a pose is that counts as found (`Seen.sure`); of cape-lite, on composed pictures, the best compromise."""
CANDIDATES = 3
"""Poses that are looked at again, for each object that is wanted."""
CLOSE = 0.2
"""Keypoints nearer to each other than this share of the larger pose may be the same."""
SMALLEST = 0.05
"""Poses smaller than this share of the picture, a single point for example, count as that large."""


def squares(size: tuple[int, int]) -> list[Square]:
    """Squares over a picture of this width and height, the one around all of it first; 11 to 59."""
    side, found = float(max(size)), []
    for level in range(LEVELS):
        across, down = (_along(length, side / 2**level) for length in size)
        found += [Square(x, y, side / 2**level) for y in down for x in across]
    return found


def looks_over(picture: Picture) -> list[Look]:
    """The squares of a picture as places to look at."""
    height, width = picture.pixels.shape[:2]
    corner = [(square, square.side / 2) for square in squares((width, height))]
    return [
        Look(picture, square, np.array([square.x - half, square.y - half, 2 * half, 2 * half]), whole=True)
        for square, half in corner
    ]


def distinct(
    found: Iterable[Prediction], *, most: int, alike: float, within: float = 1.0, least: float = 0.0
) -> list[Prediction]:
    """The surest poses, one of each object.

    Args:
        found: Of one picture and prompt.
        most: How many.
        alike: Two poses are of one object where at least this share of their keypoints is close,
        within: and where more than this share of the smaller one lies within the other.
        least: Leave out what is less sure.
    """
    kept: list[Prediction] = []
    for each in sorted(found, key=lambda pose: -pose.seen.sure):
        if len(kept) == most or each.seen.sure < least:
            break
        if all(likeness(each, other) < alike and overlap(each, other) <= within for other in kept):
            kept.append(each)
    return kept


def boxed(found: Prediction) -> Prediction:
    """The pose with the box around its points for a box, where they tell one."""
    box = box_around(found.points[found.asked], found.size)
    return found if box is None else found._replace(box=box)


def likeness(one: Prediction, other: Prediction) -> float:
    """Share of the keypoints asked for whose places in two poses are close, as shares of the larger pose."""
    first, second = (pose.points[pose.asked] for pose in (one, other))
    extent = max(float(np.ptp(points, axis=0).max()) for points in (first, second))
    reach = CLOSE * max(extent, SMALLEST * max(one.size))
    return float((np.linalg.norm(first - second, axis=1) < reach).mean())


def overlap(one: Prediction, other: Prediction) -> float:
    """Area that the boxes spanned by the points of two poses share, as a share of the smaller one's; 0 of none."""
    spans = [(points.min(axis=0), points.max(axis=0)) for points in (pose.points[pose.asked] for pose in (one, other))]
    shared = np.minimum(spans[0][1], spans[1][1]) - np.maximum(spans[0][0], spans[1][0])
    smaller = min(float((high - low).prod()) for low, high in spans)
    return float(shared.clip(0).prod()) / smaller if smaller > 0 else 0.0


def _along(length: int, side: float) -> list[float]:
    """Middles of intervals that cover a length and overlap by half at least."""
    if side >= length:
        return [length / 2]
    count = 1 + math.ceil((length - side) / (side / 2))
    return np.linspace(side / 2, length - side / 2, count).tolist()
