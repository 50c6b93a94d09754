"""Drawn: procedural categories, drawn on the fly; tests and the demo need no download.

The categories are descriptions (`blueprints`), to which more can be added without code, and hundreds more that dice
write (`breeding`). Annotations are computed at construction without drawing (`layout`); `picture` paints one instance
each time that it is asked for (`painting`).
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, UInt8

from cape.data import breeding
from cape.data.blueprints import Blueprint, blueprints
from cape.data.layout import Style, lay_out
from cape.data.painting import paint, paint_rich
from cape.errors import UsageError
from cape.registry import DATASETS
from cape.structures import Instance

_BLOCK = 256
"""Instances laid out at once."""


@DATASETS.register_module()
class Drawn:
    """Instances of procedural categories; each is a pure function of (seed, category id, number in its category).

    Left and right are the subject's own on bodies and vehicles and the viewer's on faces, furniture and tools.
    Visibility is 2 where a point can be seen, 1 where another part or a foreign thing covers it, 0 outside the picture.

    Args:
        seed: Of everything random.
        instances: Per category.
        categories: Names of those written by hand, in the order wanted; None: all, by id.
        bred: How many bred categories come after them, or which numbers, from one up to another: `(200, 250)`.
        bred_seed: Of the bred categories themselves. Their ids depend on their numbers alone.
        size: Width and height of the pictures in pixels.
        rotation: Of the object in the picture plane, in degrees either way.
        occlusion: Probability of a foreign thing in front of the object.
        truncation: Probability that the picture's edge may cut the object. Half of its keypoints stay inside.
        squeeze: How much shorter, at most, an instance is seen along some direction; below 1.
        rich: Paint textures, light and shadow, and backgrounds with parts of other things. Annotations are the same.

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
        bred: int | tuple[int, int] | list[int] = 0,
        bred_seed: int = 0,
        size: int = 192,
        rotation: float = 30.0,
        occlusion: float = 0.25,
        truncation: float = 0.12,
        squeeze: float = 0.0,
        rich: bool = False,
    ) -> None:
        whole = (("seed", seed, 0), ("instances", instances, 1), ("size", size, 16), ("bred_seed", bred_seed, 0))
        for name, value, least in whole:
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UsageError(name, expected=f"a whole number of at least {least}", got=str(value), fix="Raise it.")
        for name, value, most in (
            ("rotation", rotation, 180),
            ("occlusion", occlusion, 1),
            ("truncation", truncation, 1),
            ("squeeze", squeeze, 0.9),
        ):
            if not 0 <= value <= most:
                raise UsageError(name, expected=f"a number from 0 to {most}", got=str(value), fix="Change it.")
        self.seed, self.style, self.rich = seed, Style(size, rotation, occlusion, truncation, squeeze), rich
        numbers = _numbers(bred)
        chosen = _choose(categories, alone=not numbers)
        chosen += [breeding.breed(bred_seed, number) for number in numbers]
        self._blueprints = {blueprint.category.id: blueprint for blueprint in chosen}
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
        painter = paint_rich if self.rich else paint
        return painter(blueprint, layout, rng, self.style.size)

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


def _numbers(bred: int | tuple[int, int] | list[int]) -> range:
    pair = (0, bred) if isinstance(bred, int) else tuple(bred)
    whole = len(pair) == 2 and all(isinstance(value, int) and not isinstance(value, bool) for value in pair)
    if not whole or isinstance(bred, bool) or not 0 <= pair[0] <= pair[1] <= breeding.MOST:
        raise UsageError(
            "bred", expected=f"a number of categories, or two numbers in order, from 0 to {breeding.MOST}",
            got=repr(bred), fix="Say bred=200, or bred=(200, 250) for others than those.",
        )  # fmt: skip
    return range(*pair)


def _choose(names: Iterable[str] | None, *, alone: bool) -> list[Blueprint]:
    known = blueprints()
    wanted = list(known) if names is None else list(names)
    unknown = [name for name in wanted if name not in known]
    if unknown or (alone and not wanted) or len(set(wanted)) != len(wanted):
        raise UsageError(
            "categories", expected=f"different names out of {', '.join(known)}", got=repr(unknown or wanted),
            fix="Take names from this list, or None for all.",
        )  # fmt: skip
    return [known[name] for name in wanted]
