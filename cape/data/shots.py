"""Clicked pictures as a model is shown them: the squares that are cut out of them, and how many."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cape.data.inputs import Picture, as_box, as_place
from cape.data.transforms import Square, apply, crop_matrix, crop_square, normalise, warp
from cape.data.whole import whole_box
from cape.errors import PromptError
from cape.structures import View

MARGIN = 0.15
"""By how much a box around clicked points is larger than they are, on each side."""
STEP = 1.5
"""By how much the sides of two shots of one picture differ at least."""
SMALLEST = 0.02
"""Points that lie closer together, as a share of the picture, do not tell how large the object is."""


class Shot(NamedTuple):
    """One clicked picture, as the model is shown it."""

    crop: UInt8[Tensor, "H W 3"]
    """The square around the object, RGB."""
    points: Float[Tensor, "K 2"]
    """Crop frame."""
    visible: Bool[Tensor, "K"]
    """Clicked keypoints."""
    picture: str
    """SHA-256 of the original picture's pixels."""
    name: str
    """The picture's file name, "" where it had none."""
    box: tuple[float, ...] | None = None
    """x, y, width, height in the crop frame of the box around the object, given or told by the points; None: the crop
    without its padding."""


def digest(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    """SHA-256 of a picture's size and pixels."""
    return hashlib.sha256(repr(picture.shape).encode() + np.ascontiguousarray(picture).tobytes()).hexdigest()


def make_shots(picture: Picture, clicks: Any, box: Any, size: int) -> tuple[Shot, ...]:
    """A clicked picture as a model of this size of pictures is shown it.

    Without a box nobody knows how large the object will be in a query: the clicked points fill the first shot, the
    whole picture is the last, and there is one between them where they differ much.

    Raises:
        PromptError: No click, or one that is no place in the picture.
        UsageError: A box that is none.
    """
    where = picture.name or "picture"
    height, width = picture.pixels.shape[:2]
    points, visible = np.zeros((len(clicks), 2)), np.zeros(len(clicks), dtype=bool)
    for index, click in enumerate(clicks):
        place = as_place(click)
        if place is None:
            raise PromptError(
                f"{where}, point {index}", expected="x, y, or None", got=str(click)[:40], fix="Give both in pixels."
            )
        if np.isnan(place).any():
            continue
        if not (-0.5 <= place[0] <= width and -0.5 <= place[1] <= height):
            raise PromptError(
                f"{where}, point {index}", expected=f"a place in the picture, {width} x {height}", got=str(click)[:40],
                fix="Give pixels, x first.",
            )  # fmt: skip
        points[index], visible[index] = place, True
    if not visible.any():
        raise PromptError(where, expected="at least one point", got="none", fix="Click one, or leave the picture out.")
    squares = [crop_square(as_box(box, where))] if box is not None else _around(points[visible], (width, height))
    crops = [torch.from_numpy(warp(picture.pixels, square, size=size)) for square in squares]
    places = [torch.from_numpy(apply(crop_matrix(square), points)).float() for square in squares]
    seen, identity = torch.from_numpy(visible), digest(picture.pixels)
    around = as_box(box, where) if box is not None else box_around(points[visible], (width, height))
    boxes = [None if around is None else _boxed(around, square) for square in squares]
    return tuple(
        Shot(crop, at, seen, identity, picture.name, each) for crop, at, each in zip(crops, places, boxes, strict=True)
    )


def _boxed(box: Float[np.ndarray, "4"], square: Square) -> tuple[float, ...]:
    """A box in the crop frame."""
    corner = apply(crop_matrix(square), box[None, :2])[0]
    return (*corner.tolist(), *(box[2:] / square.side).tolist())


def view_of(shots: Sequence[Shot], count: int, size: int) -> View:
    """A batch of one for the support encoder; of names alone one empty shot.

    Args:
        shots: Of one prompt.
        count: K of its keypoints.
        size: Of the model's pictures.
    """
    blank = not shots
    return View(
        image=torch.zeros(1, 1, 3, size, size) if blank else _stacked([normalise(s.crop.numpy()) for s in shots]),
        points=torch.zeros(1, 1, count, 2) if blank else _stacked([s.points for s in shots]),
        visible=torch.zeros(1, 1, count, dtype=torch.bool) if blank else _stacked([s.visible for s in shots]),
        to_pixels=torch.zeros(1, max(1, len(shots)), 2, 3),
    )


def _stacked(fields: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(fields))[None]


def box_around(points: Float[np.ndarray, "K 2"], size: tuple[int, int]) -> Float[np.ndarray, "4"] | None:
    """The box of an object with these points; None where they are too few or too near each other to tell its size.

    Args:
        points: In pixels.
        size: Width and height of the picture.
    """
    low, high = (points.min(axis=0), points.max(axis=0)) if len(points) > 1 else (np.zeros(2), np.zeros(2))
    extent = (high - low).max()
    if extent < SMALLEST * max(size):
        return None
    margin = MARGIN * extent
    return np.concatenate([low - margin, high - low + 2 * margin])


def _around(points: Float[np.ndarray, "K 2"], size: tuple[int, int]) -> list[Square]:
    """Squares from the one around clicked points to the one around the whole picture."""
    whole = crop_square(whole_box(size))
    box = box_around(points, size)
    if box is None:
        return [whole]
    tight = crop_square(box)
    if whole.side < STEP * tight.side:
        return [tight]
    between = Square((tight.x + whole.x) / 2, (tight.y + whole.y) / 2, (tight.side * whole.side) ** 0.5)
    return [tight, between, whole] if whole.side > STEP**2 * tight.side else [tight, whole]
