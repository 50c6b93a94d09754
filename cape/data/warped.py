"""Warped and recoloured copies of real pictures: queries whose true keypoints are known exactly."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cape.data.coco import Category, group_by_category
from cape.data.episodes import Source
from cape.errors import UsageError
from cape.structures import Instance


class Warped:
    """A source whose instances are those of another one, each followed by its copies.

    A copy turns, scales and shears the picture about the middle of the object's box and changes its light; it is a
    pure function of the seed, the instance and the copy. Copies are easier than other individuals of the category:
    they show that a method works, not how well it generalises.

    Args:
        source: Where pictures come from.
        copies: Per instance.
        seed: Of all draws.
        rotation: Largest turn in degrees, either way.
        scale: Largest relative change of size.

    Raises:
        UsageError: Fewer than one copy, or a negative seed.
    """

    def __init__(
        self, source: Source, *, copies: int = 15, seed: int = 0, rotation: float = 40.0, scale: float = 0.2
    ) -> None:
        if copies < 1:
            raise UsageError("copies", expected="at least 1", got=str(copies), fix="Raise it.")
        if seed < 0:
            raise UsageError("seed", expected="at least 0", got=str(seed), fix="Choose another.")
        self.source, self.copies, self.seed = source, copies, seed
        self.rotation, self.scale = rotation, scale
        self.categories: dict[int, Category] = source.categories
        self.instances: list[Instance] = []
        for original in range(len(source.instances)):
            for copy in range(copies + 1):
                self.instances.append(self._instance(original, copy))

    def by_category(self) -> dict[int, list[int]]:
        """Indices of `instances` per category id."""
        return group_by_category(self.categories, self.instances)

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The original picture, or a copy of it, RGB."""
        original, copy = divmod(index, self.copies + 1)
        picture = self.source.picture(original)
        if copy == 0:
            return picture
        matrix, rng = self._matrix(original, copy)
        size = picture.shape[1::-1]
        warped = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        gamma, gain = rng.uniform(0.7, 1.4), rng.uniform(0.75, 1.25, 3)
        light = 255 * (warped / 255.0) ** gamma * gain
        return light.clip(0, 255).astype(np.uint8)

    def _matrix(self, original: int, copy: int) -> tuple[Float[np.ndarray, "2 3"], np.random.Generator]:
        rng = np.random.default_rng((self.seed, original, copy))
        angle = np.deg2rad(rng.uniform(-self.rotation, self.rotation))
        zoom = 1 + rng.uniform(-self.scale, self.scale, 2)
        shear = rng.uniform(-0.15, 0.15)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = turn @ np.array([[zoom[0], shear], [0, zoom[1]]])
        x, y, width, height = self.source.instances[original].box
        centre = np.array([x + width / 2, y + height / 2])
        return np.column_stack([linear, centre - linear @ centre]), rng

    def _instance(self, original: int, copy: int) -> Instance:
        instance = self.source.instances[original]
        if copy == 0:
            return instance
        matrix, _ = self._matrix(original, copy)
        points = (instance.points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        x, y, width, height = instance.box
        corners = np.array([[x, y], [x + width, y], [x, y + height], [x + width, y + height]])
        corners = (corners @ matrix[:, :2].T + matrix[:, 2]).clip(0, np.array(instance.size) - 1)
        box = np.concatenate([corners.min(axis=0), np.ptp(corners, axis=0)])
        inside = ((points >= 0) & (points <= np.array(instance.size) - 1)).all(axis=1)
        visibility = np.where(inside, instance.visibility, 0).astype(np.int8)
        return instance._replace(points=points, box=box, visibility=visibility)
