"""`cape.data.shots`: the box of a clicked object lies where it lies in the picture, in each of its squares."""

import numpy as np

from cape.data.inputs import Picture
from cape.data.shots import box_around, make_shots

PICTURE = Picture(np.zeros((200, 300, 3), dtype=np.uint8), "a.jpg")
CLICKS = [[110.0, 60.0], [150.0, 140.0]]


def test_a_box_that_was_given_in_the_crop_frame() -> None:
    (shot,) = make_shots(PICTURE, CLICKS, [100, 50, 60, 100], 64)
    np.testing.assert_allclose(shot.box, [0.5 - 30 / 125, 0.1, 60 / 125, 0.8], atol=1e-9)


def test_without_one_it_lies_around_the_points_in_every_square() -> None:
    shots = make_shots(PICTURE, CLICKS, None, 64)
    around = box_around(np.array(CLICKS), (300, 200))
    assert len(shots) > 1
    for shot in shots:
        scale = np.linalg.norm(np.diff(CLICKS, axis=0)) / np.linalg.norm(np.diff(shot.points.numpy(), axis=0))
        np.testing.assert_allclose(np.array(shot.box)[2:] * scale, around[2:], rtol=1e-4)
        offset = (shot.points[0].numpy() - np.array(shot.box)[:2]) * scale
        np.testing.assert_allclose(offset, np.array(CLICKS[0]) - around[:2], rtol=1e-3)
    (lone,) = make_shots(PICTURE, [CLICKS[0], None], None, 64)
    assert lone.box is None
