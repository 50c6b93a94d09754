"""From a picture and a box to a view: the official crop, the augmentation of the paper, flips.

A crop is a square: centre and side in pixels of the picture, and a rotation. `crop_matrix` maps pixels to the crop
frame ([0, 1] inside). The official crop is 1.25 times the longest side of the box around its centre, warped to
256 x 256 with zeros outside (specification of the data, §2.3; the three-point, non-UDP convention of mmpose 0.x,
in which the crop's pixel index is 256 times the crop coordinate).
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from cape.structures import IMAGENET_MEAN, IMAGENET_STD, View

PADDING = 1.25


class Square(NamedTuple):
    """A crop: centre and side in pixels, rotation in degrees (positive turns the content against the clock)."""

    x: float
    y: float
    side: float
    rotation: float = 0.0


def crop_square(box: Float[np.ndarray, "4"], *, padding: float = PADDING) -> Square:
    """The official crop of a box x, y, width, height."""
    x, y, width, height = (float(value) for value in box)
    return Square(x + width / 2, y + height / 2, max(width, height) * padding)


def crop_matrix(square: Square) -> Float[np.ndarray, "2 3"]:
    """Affine map from pixels of the picture to the crop frame."""
    angle = np.deg2rad(square.rotation)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / square.side
    return np.column_stack([turn, 0.5 - turn @ (square.x, square.y)])


def invert(matrix: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """The inverse of an affine map."""
    inverse = np.linalg.inv(matrix[:, :2])
    return np.column_stack([inverse, -inverse @ matrix[:, 2]])


def apply(matrix: Float[np.ndarray, "2 3"], points: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, "K 2"]:
    """Map points."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def to_crop(points: Float[np.ndarray, "N K 2"], box: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N K 2"]:
    """Official crop frame of many instances at once: pixels in, [0, 1] of each one's crop out."""
    centre, side = _centre_side(box)
    return (points - centre) / side + 0.5


def from_crop(points: Float[np.ndarray, "N K 2"], box: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N K 2"]:
    """The inverse of `to_crop`."""
    centre, side = _centre_side(box)
    return (points - 0.5) * side + centre


def _centre_side(box: Float[np.ndarray, "N 4"]) -> tuple[Float[np.ndarray, "N 1 2"], Float[np.ndarray, "N 1 1"]]:
    centre = box[:, :2] + box[:, 2:] / 2
    return centre[:, None], box[:, 2:].max(axis=1)[:, None, None] * PADDING


def warp(picture: UInt8[np.ndarray, "h w 3"], square: Square, *, size: int = 256) -> UInt8[np.ndarray, "H W 3"]:
    """Cut a crop out of a picture: bilinear, zeros outside."""
    return cv2.warpAffine(picture, crop_matrix(square) * size, (size, size), flags=cv2.INTER_LINEAR)  # type: ignore[return-value]


def normalise(image: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "3 H W"]:
    """RGB bytes to an ImageNet-normalised tensor."""
    scaled = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255
    return (scaled - torch.tensor(IMAGENET_MEAN)[:, None, None]) / torch.tensor(IMAGENET_STD)[:, None, None]


class Augmentation(NamedTuple):
    """Random geometry and light of a training view. The defaults are the paper's: no flip, no colour (§3.10)."""

    scale: float = 0.15
    """Crop side times 1 + scale * N(0, 1), clipped at one scale either way."""
    rotation: float = 15.0
    """Degrees of one standard deviation, clipped at two."""
    rotation_probability: float = 0.6
    turn: float = 0.0
    """Probability of a turn by any angle at all, for objects without an upright."""
    flip: float = 0.0
    """Probability of a mirror, with the swap pairs exchanged."""
    colour: float = 0.0
    """Largest relative change of brightness, contrast and each channel's gain."""

    def square(self, square: Square, rng: np.random.Generator) -> Square:
        """A randomly scaled and rotated version of a crop."""
        scale = float(np.clip(1 + self.scale * rng.standard_normal(), 1 - self.scale, 1 + self.scale))
        angle = float(np.clip(self.rotation * rng.standard_normal(), -2 * self.rotation, 2 * self.rotation))
        turned = rng.random() < self.rotation_probability
        if self.turn and rng.random() < self.turn:
            angle, turned = float(rng.uniform(-180, 180)), True
        return square._replace(side=square.side * scale, rotation=square.rotation + angle * turned)

    def light(self, image: UInt8[np.ndarray, "H W 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
        """Random contrast, brightness and colour cast."""
        if not self.colour:
            return image
        contrast, shift = 1 + self.colour * rng.uniform(-1, 1), 255 * self.colour * rng.uniform(-0.5, 0.5)
        gain = 1 + self.colour * rng.uniform(-0.5, 0.5, 3)
        grey = image.mean()
        return ((image - grey) * contrast * gain + grey + shift).clip(0, 255).astype(np.uint8)


def make_view(
    picture: UInt8[np.ndarray, "h w 3"],
    points: Float[np.ndarray, "K 2"],
    visible: Bool[np.ndarray, "K"],
    square: Square,
    *,
    size: int = 256,
    mirror: Int[np.ndarray, "K"] | None = None,
    augmentation: Augmentation = Augmentation(),  # noqa: B008 (a NamedTuple is immutable)
    rng: np.random.Generator | None = None,
) -> View:
    """Crop, augment and pack one instance.

    Args:
        picture: The whole picture, RGB.
        points: Pixels of the picture.
        visible: Labelled keypoints.
        square: The crop before augmentation.
        size: Side of the view in its own pixels.
        mirror: The skeleton's permutation under a flip; needed where the augmentation flips.
        augmentation: Applied where `rng` is given.
        rng: Source of all randomness of this view; None for evaluation.
    """
    if rng is not None:
        square = augmentation.square(square, rng)
    image = warp(picture, square, size=size)
    if rng is not None:
        image = augmentation.light(image, rng)
    matrix = crop_matrix(square)
    view = View(
        image=normalise(image),
        points=torch.from_numpy(apply(matrix, points.astype(np.float64))).float(),
        visible=torch.from_numpy(visible),
        to_pixels=torch.from_numpy(invert(matrix)).float(),
    )
    if rng is not None and mirror is not None and rng.random() < augmentation.flip:
        view = flip(view, mirror)
    return view


def flip(view: View, mirror: Int[np.ndarray, "K"]) -> View:
    """Mirror a view left to right; twice is the identity.

    Args:
        view: One view or a stack.
        mirror: `Skeleton.mirror()`, so that a left eye stays a left eye.
    """
    order = torch.from_numpy(mirror)
    x, y = view.points[..., order, :].unbind(-1)
    # The picture's pixel i becomes size - 1 - i, so the frame's axis is half a pixel left of the middle.
    axis = 1 - 1 / view.image.shape[-1]
    a, b, shift = view.to_pixels.unbind(-1)
    return View(
        image=view.image.flip(-1),
        points=torch.stack([axis - x, y], dim=-1),
        visible=view.visible[..., order],
        to_pixels=torch.stack([-a, b, shift + axis * a], dim=-1),
    )
