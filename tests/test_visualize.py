"""Drawing: colours where they belong, nothing drawn for invisible points, the input untouched."""

import io

import numpy as np
import pytest
from PIL import Image

from cape.skeleton import Skeleton
from cape.visualize import Tile, contact_sheet, draw_pose, encode_png, keypoint_colours

GREY = np.full((200, 200, 3), 90, dtype=np.uint8)
POINTS = np.array([[40.0, 60.0], [150.0, 60.0], [100.0, 160.0]])
SKELETON = Skeleton(("a", "b", "c"), ((0, 1), (1, 2)))


def test_each_keypoint_has_its_colour_at_its_place() -> None:
    drawn = draw_pose(GREY, POINTS, np.ones(3, dtype=bool), SKELETON)
    for (x, y), colour in zip(POINTS.astype(int), keypoint_colours(3), strict=True):
        assert tuple(drawn[y, x]) == colour
    assert (GREY == 90).all()
    assert drawn[60, 95].tolist() == [230, 230, 230]  # the edge a-b


def test_invisible_points_and_their_edges_are_not_drawn() -> None:
    drawn = draw_pose(GREY, POINTS, np.array([True, False, True]), SKELETON)
    assert (drawn[50:70, 60:190] == 90).all()
    assert tuple(drawn[160, 100]) == keypoint_colours(3)[2]


def test_a_line_runs_to_the_truth() -> None:
    truth = POINTS + np.array([0, 30])
    drawn = draw_pose(GREY, POINTS, np.ones(3, dtype=bool), Skeleton(("a", "b", "c")), truth=truth)
    assert drawn[80, 40].tolist() == [255, 40, 40]


@pytest.mark.parametrize("place", [(-500.0, 20.0), (1e4, 1e4)])
def test_points_outside_the_picture_are_legal(place: tuple[float, float]) -> None:
    points = POINTS.copy()
    points[0] = place
    draw_pose(GREY, points, np.ones(3, dtype=bool), SKELETON)


def test_sheet_and_png() -> None:
    rows = [[Tile(GREY, "one"), Tile(GREY, "two")], [Tile(GREY, "three")]]
    sheet = contact_sheet(rows, side=64)
    assert sheet.shape == (2 * (64 + 24 + 6) + 6, 2 * (64 + 6) + 6, 3)
    red = np.zeros((5, 7, 3), dtype=np.uint8)
    red[..., 0] = 255
    assert Image.open(io.BytesIO(encode_png(red))).getpixel((3, 2)) == (255, 0, 0)
