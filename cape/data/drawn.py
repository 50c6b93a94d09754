"""Drawn: procedural categories, drawn on the fly; tests and the demo need no download.

The categories are descriptions (`blueprints`), to which more can be added without code. Annotations are computed at
construction without drawing (`layout`); `picture` paints one instance each time that it is asked for.
"""

import colorsys
from collections.abc import Iterable
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cape.data.blueprints import Blueprint, blueprints
from cape.data.layout import Layout, Style, lay_out
from cape.errors import UsageError
from cape.registry import DATASETS
from cape.structures import Instance

_BLOCK = 256
"""Instances laid out at once."""
_SHIFT = 5
"""Binary digits of the sub-pixel coordinates that OpenCV draws with."""


@DATASETS.register_module()
class Drawn:
    """Instances of procedural categories; each is a pure function of (seed, category id, number in its category).

    Left and right are the subject's own on bodies and vehicles and the viewer's on faces, furniture and tools.
    Visibility is 2 where a point can be seen, 1 where another part or a foreign thing covers it, 0 outside the picture.

    Args:
        seed: Of everything random.
        instances: Per category.
        categories: Names, in the order wanted; None: all, by id.
        size: Width and height of the pictures in pixels.
        rotation: Of the object in the picture plane, in degrees either way.
        occlusion: Probability of a foreign thing in front of the object.
        truncation: Probability that the picture's edge may cut the object. Half of its keypoints stay inside.

    Attributes:
        categories: By id; the texts are the keypoint names.
        instances: Category by category.

    Raises:
        UsageError: An unknown category or a number out of range.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        instances: int = 20,
        categories: tuple[str, ...] | list[str] | None = None,
        size: int = 192,
        rotation: float = 30.0,
        occlusion: float = 0.25,
        truncation: float = 0.12,
    ) -> None:
        for name, value, least in (("seed", seed, 0), ("instances", instances, 1), ("size", size, 16)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UsageError(name, expected=f"a whole number of at least {least}", got=str(value), fix="Raise it.")
        for name, value, most in (
            ("rotation", rotation, 180),
            ("occlusion", occlusion, 1),
            ("truncation", truncation, 1),
        ):
            if not 0 <= value <= most:
                raise UsageError(name, expected=f"a number from 0 to {most}", got=str(value), fix="Change it.")
        self.seed, self.style = seed, Style(size, rotation, occlusion, truncation)
        self._blueprints = {blueprint.category.id: blueprint for blueprint in _choose(categories)}
        self.categories = {number: blueprint.category for number, blueprint in self._blueprints.items()}
        self._per_category = instances
        self.instances = [instance for number in self.categories for instance in self._instances(number)]

    def __len__(self) -> int:
        return len(self.instances)

    def by_category(self) -> dict[int, list[int]]:
        """Indices of `instances` per category id."""
        count = self._per_category
        return {number: list(range(i * count, (i + 1) * count)) for i, number in enumerate(self.categories)}

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The whole picture of an instance, RGB."""
        instance = self.instances[index]
        number = index % self._per_category
        blueprint = self._blueprints[instance.category]
        layout = lay_out(blueprint, self._draws(blueprint, [number]), self.style)
        rng = np.random.default_rng((self.seed, instance.category, number, 1))
        return paint(blueprint, layout, rng, self.style.size)

    def _draws(self, blueprint: Blueprint, numbers: Iterable[int]) -> Float[np.ndarray, "N _"]:
        keys = ((self.seed, blueprint.category.id, number) for number in numbers)
        return np.stack([np.random.default_rng(key).random(blueprint.draws) for key in keys])

    def _instances(self, category: int) -> list[Instance]:
        blueprint, side = self._blueprints[category], self.style.size
        found = []
        for start in range(0, self._per_category, _BLOCK):
            numbers = range(start, min(start + _BLOCK, self._per_category))
            layout = lay_out(blueprint, self._draws(blueprint, numbers), self.style)
            points = np.where(layout.visibility[..., None] > 0, layout.points, 0).astype(np.float32)
            for row, number in enumerate(numbers):
                name = f"drawn/{blueprint.category.name}/{number:06d}.png"
                found.append(
                    Instance(
                        category * 1_000_000 + number, name, (side, side), category, layout.box[row], points[row],
                        layout.visibility[row],
                    )
                )  # fmt: skip
        return found


def _choose(names: Iterable[str] | None) -> list[Blueprint]:
    known = blueprints()
    wanted = list(known) if names is None else list(names)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted or len(set(wanted)) != len(wanted):
        raise UsageError(
            "categories", expected=f"different names out of {', '.join(known)}", got=repr(unknown or wanted),
            fix="Take names from this list, or None for all.",
        )  # fmt: skip
    return [known[name] for name in wanted]


def paint(blueprint: Blueprint, layout: Layout, rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "H W 3"]:
    """Draw the first instance of a layout on a cluttered background."""
    families = {name: rng.uniform(*ranges.T) for name, ranges in blueprint.colours.items()}
    canvas = _background(rng, size)
    for index in blueprint.order:
        part = blueprint.parts[index]
        if len(part.outline):
            hue, saturation, value = families[part.colour]
            colour = colorsys.hsv_to_rgb(hue / 360 % 1, saturation, min(1.0, value * part.shade))
            _fill(canvas, layout.outlines[index][0], part.contours, np.array(colour) * 255)
    foreign = rng.uniform(30, 230, 3)
    if layout.occluded[0]:
        _fill(canvas, layout.occluder[0], (0, layout.occluder.shape[1]), foreign)
    grain = rng.integers(-9, 10, canvas.shape, dtype=np.int16)
    return (canvas + grain).clip(0, 255).astype(np.uint8)


def _fill(
    canvas: UInt8[np.ndarray, "H W 3"],
    outline: Float[np.ndarray, "_ 2"],
    contours: tuple[int, ...],
    colour: Float[np.ndarray, "3"],
) -> None:
    """Fill, even-odd, and draw a darker rim."""
    fixed = np.round(outline * 2**_SHIFT).astype(np.int32)
    rings = [fixed[first:end] for first, end in pairwise(contours)]
    cv2.fillPoly(canvas, rings, colour.tolist(), cv2.LINE_AA, _SHIFT)
    width = max(1, round(len(canvas) / 256))
    cv2.polylines(canvas, rings, True, (colour * 0.6).tolist(), width, cv2.LINE_AA, _SHIFT)


def _background(rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "H W 3"]:
    """A gradient, soft blotches, and clutter."""
    # Mostly grey, as photographs are: each colour is a lightness plus a little chroma.
    corners = rng.uniform(50, 215, (2, 2, 1)) + rng.normal(0, 16, 3) + rng.normal(0, 10, (2, 2, 3))
    blotches = rng.normal(0, 14, (9, 9, 1)) + rng.normal(0, 5, (9, 9, 3))
    field = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR)
    field = field + cv2.resize(blotches, (size, size), interpolation=cv2.INTER_CUBIC)
    canvas = field.clip(0, 255).astype(np.uint8)
    for _ in range(rng.integers(4, 12)):
        around = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 14)))
        radius = size * rng.uniform(0.04, 0.22) * rng.uniform(0.6, 1, len(around))
        shape = np.stack([np.cos(around) * radius, np.sin(around) * radius * rng.uniform(0.2, 1)], axis=1)
        centre = rng.uniform(0, size, 2)
        near = canvas[int(centre[1]), int(centre[0])].astype(np.float64)
        _fill(canvas, shape + centre, (0, len(shape)), near * 0.5 + rng.uniform(20, 235, 3) * 0.5)
    return canvas
