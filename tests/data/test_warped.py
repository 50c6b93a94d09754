"""Warped copies: pixels and keypoints move together, deterministically."""

import numpy as np
import pytest

from cape.data.samples import sample_pictures
from cape.data.warped import Warped
from cape.errors import UsageError


def test_pixels_and_points_move_together() -> None:
    """The green of the cat's iris is found under the warped eye: colours change, order of channels does not."""
    source = Warped(sample_pictures(), copies=6, seed=2)
    for index in range(1, 7):
        picture, instance = source.picture(index).astype(float), source.instances[index]
        left, right = instance.points[0], instance.points[1]
        forehead = (left + right) / 2
        dark = [picture[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].mean() for x, y in (left, right)]
        around = picture[int(forehead[1]), int(forehead[0])].mean()
        assert max(dark) < around, "pupils are darker than the bridge between them"


def test_the_original_comes_first_and_unchanged() -> None:
    base = sample_pictures()
    source = Warped(base, copies=3)
    assert [len(pool) for pool in source.by_category().values()] == [4, 4]
    for original in range(2):
        assert source.instances[original * 4] is base.instances[original]
        np.testing.assert_array_equal(source.picture(original * 4), base.picture(original))


def test_same_seed_same_copies() -> None:
    first, second, third = (Warped(sample_pictures(), copies=2, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.picture(1), second.picture(1))
    np.testing.assert_array_equal(first.instances[1].points, second.instances[1].points)
    assert not np.array_equal(first.instances[1].points, third.instances[1].points)


def test_boxes_stay_in_the_picture_and_hold_the_points() -> None:
    source = Warped(sample_pictures(), copies=10, rotation=180.0)
    for instance in source.instances:
        x, y, width, height = instance.box
        assert x >= 0 and y >= 0 and width > 0 and height > 0
        assert x + width <= instance.size[0] and y + height <= instance.size[1]
        shown = instance.points[instance.visibility > 0]
        assert ((shown >= [x - 1, y - 1]) & (shown <= [x + width + 1, y + height + 1])).all()


def test_no_copies_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        Warped(sample_pictures(), copies=0)
