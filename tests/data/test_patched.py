"""`cape.data.patched`: a patch hides what it lies on, and nothing else changes."""

import numpy as np

from cape.data.drawn import Drawn
from cape.data.patched import GREY, Patched


def test_the_patch_lies_on_a_labelled_keypoint_and_grows_around_it() -> None:
    source = Drawn(instances=3, categories=("chair", "fish"), size=96)
    small, large, other = (Patched(source, share=share, seed=seed) for share, seed in ((0.2, 0), (0.4, 0), (0.2, 1)))
    moved = 0
    for index, each in enumerate(source.instances):
        clean, patched = source.picture(index), small.picture(index)
        changed = (clean != patched).any(axis=-1)
        ys, xs = np.nonzero((patched == GREY).all(axis=-1) & changed)
        shown = each.points[each.visibility > 0]
        middle = np.array([xs.mean(), ys.mean()])
        side = 0.2 * each.box[2:].max()
        assert np.linalg.norm(shown - middle, axis=1).min() < side, "on a keypoint, cut off by the border at most"
        assert 0 < changed.sum() <= (side + 1) ** 2
        assert (large.picture(index)[changed] == GREY).all(), "a larger patch lies on the same one"
        moved += int((other.picture(index) != patched).any())
    assert moved > 0, "another seed, another keypoint"
    assert small.instances is source.instances and small.by_category() == source.by_category()


def test_no_patch_is_the_picture_itself() -> None:
    source = Drawn(instances=1, categories=("chair",), size=64)
    assert np.array_equal(Patched(source, share=0.0).picture(0), source.picture(0))
