"""Pictures with a grey patch over one keypoint of each object: how much is hidden is known."""

import numpy as np
from jaxtyping import UInt8

from cape.data.episodes import Source

GREY = 128


class Patched:
    """A source whose pictures have a grey square over one labelled keypoint of the object.

    Which keypoint it covers is a pure function of (seed, id of the instance): a larger patch lies on the same one.
    Labels stay as they are: what is hidden is still there.

    Args:
        source: Where instances and pictures come from.
        share: Side of the square, in longest sides of the object's box; 0 for none.
        seed: Of the choice.
    """

    def __init__(self, source: Source, *, share: float, seed: int = 0) -> None:
        self.source, self.share, self.seed = source, share, seed
        self.categories, self.instances = source.categories, source.instances

    def by_category(self) -> dict[int, list[int]]:
        """Indices of `instances` per category id."""
        return self.source.by_category()

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The whole picture of an instance, RGB, with the patch."""
        picture, each = self.source.picture(index), self.instances[index]
        shown = np.flatnonzero(each.visibility > 0)
        if not len(shown) or self.share <= 0:
            return picture
        x, y = each.points[np.random.default_rng((self.seed, each.id)).choice(shown)]
        half = self.share * float(each.box[2:].max()) / 2
        left, top, right, bottom = (max(0, round(float(edge))) for edge in (x - half, y - half, x + half, y + half))
        patched = picture.copy()
        patched[top:bottom, left:right] = GREY
        return patched
