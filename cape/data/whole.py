"""Evaluation without boxes: the same instances, seen in their whole pictures."""

import numpy as np
from jaxtyping import Float, UInt8

from cape.data.coco import Category, group_by_category
from cape.data.episodes import Source
from cape.data.transforms import PADDING
from cape.structures import Instance


class WholePicture:
    """A source whose views, support and query alike, show the whole picture in place of the object's box.

    The view is the square around the whole picture, its side the longest side, zeros beside the shorter one: every
    pixel is shown, and nothing is added around the longest side (padding 1.0). Boxes stay what errors are divided
    by, and the keypoints stay the same, so the figures lie on the scale of those with boxes.

    Args:
        source: Where instances and pictures come from.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.categories: dict[int, Category] = source.categories
        self.instances: list[Instance] = [each._replace(crop=whole_box(each.size)) for each in source.instances]
        self.dropped: dict[str, int] = dict(getattr(source, "dropped", {}))

    def by_category(self) -> dict[int, list[int]]:
        """Indices of `instances` per category id."""
        return group_by_category(self.categories, self.instances)

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The whole picture of an instance, RGB."""
        return self.source.picture(index)


def whole_box(size: tuple[int, int]) -> Float[np.ndarray, "4"]:
    """The box whose crop is the square around a picture of this width and height."""
    side = np.array(size) / PADDING
    return np.concatenate([(np.array(size) - side) / 2, side])
