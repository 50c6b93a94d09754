"""Warped copies: pixels and keypoints move together, deterministically."""

import cv2
import numpy as np
import pytest

from cape.data.samples import sample_pictures
from cape.data.warped import Warped
from cape.errors import UsageError


class NoLight:
    """A generator that changes no light: each exponent and gain is 1."""

    def uniform(self, low: float, high: float, size: int | None = None) -> np.ndarray:
        assert low < 1 < high
        return np.ones(size or ())


def test_pixels_and_points_move_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Around each point a copy shows what the original shows, by the affine map that the points alone tell."""
    turn = Warped._matrix
    monkeypatch.setattr(Warped, "_matrix", lambda *arguments: (turn(*arguments)[0], NoLight()))
    source = Warped(sample_pictures(), copies=6, seed=2)
    offsets = np.stack(np.meshgrid(np.arange(-6, 7), np.arange(-6, 7)), axis=-1).reshape(-1, 2)
    for index in (*range(1, 7), *range(8, 14)):
        original = index - index % 7
        points, moved = source.instances[original].points, source.instances[index].points
        there, *_ = np.linalg.lstsq(np.column_stack([points, np.ones(len(points))]), moved, rcond=None)
        places = (points[:, None] + offsets).reshape(-1, 2)
        mapped = np.column_stack([places, np.ones(len(places))]) @ there
        before = sampled(source.picture(original), places)
        wrong = [
            np.abs(sampled(source.picture(index), mapped + shift) - before).mean() for shift in (0, [1, 0], [0, 1])
        ]
        assert wrong[0] < 6, f"copy {index}: {wrong[0]:.1f} grey levels off"
        assert wrong[0] < 0.5 * min(wrong[1:]), f"copy {index}: a pixel aside would fit as well, {wrong}"


def sampled(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Bilinear samples at x, y."""
    x, y = places.astype(np.float32).T
    return cv2.remap(picture.astype(np.float32), x[None], y[None], cv2.INTER_LINEAR)[0]


def test_light_changes() -> None:
    """The order of the channels stays, their values do not."""
    source = Warped(sample_pictures(), copies=2, rotation=0.0, scale=0.0)
    means = [source.picture(index).mean(axis=(0, 1)) for index in range(3)]
    for copy in (1, 2):
        assert np.abs(means[copy] - means[0]).max() > 3


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


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="seed: expected at least 0, got -1"):
        Warped(sample_pictures(), seed=-1)
