"""Drawing: colours where they belong, nothing drawn for invisible points, the input untouched."""

import io

import numpy as np
import pytest
from PIL import Image

from cape.data.drawn import Drawn
from cape.data.transforms import to_crop
from cape.data.whole import WholePicture
from cape.skeleton import Skeleton
from cape.visualize import (
    Tile,
    contact_sheet,
    draw_pose,
    encode_jpeg,
    encode_png,
    enlarge,
    keypoint_colours,
    official_crop,
)

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
    close = Image.open(io.BytesIO(encode_jpeg(red)))
    assert close.format == "JPEG" and np.abs(np.subtract(close.getpixel((3, 2)), (255, 0, 0))).max() < 5


@pytest.mark.parametrize("shape", [(16, 16), (8, 16), (7, 5)])
def test_the_peak_of_an_enlarged_map_is_the_middle_of_its_cell(shape: tuple[int, int]) -> None:
    """Cell i of n has its middle on crop coordinate (i + 0.5) / n, and crop coordinate c is pixel side * c."""
    height, width = shape
    side = 280 if 7 in shape else 256
    for y, x in ((0, 0), (height - 1, width - 1), (3, 4), (height // 2, 1)):
        cells = np.zeros(shape)
        cells[y, x] = 0.7
        large = enlarge(cells, side)
        row, column = np.unravel_index(large.argmax(), large.shape)
        assert large.shape == (side, side) and large.min() >= 0
        if 0 < y < height - 1 and 0 < x < width - 1:
            assert (row, column) == (side * (y + 0.5) / height, side * (x + 0.5) / width)
        at = large[int(side * (y + 0.5) / height), int(side * (x + 0.5) / width)]
        assert at == pytest.approx(0.7, abs=1e-5)


def test_the_official_crop_shows_a_point_on_its_pixel() -> None:
    source = Drawn(instances=1, categories=("fish",), size=96)
    instance = source.instances[0]
    inside = to_crop(instance.points[None], instance.box[None])[0]
    x, y = instance.points[np.argmax(instance.visibility)].round().astype(int)
    painted = np.full((96, 96, 3), 40, dtype=np.uint8)
    painted[y, x] = 255
    source.picture = lambda index: painted
    crop = official_crop(source, 0, size=256)
    row, column = np.unravel_index(crop[..., 0].argmax(), (256, 256))
    assert np.abs(np.array([column, row]) - 256 * inside[np.argmax(instance.visibility)]).max() < 4


def test_the_crop_of_a_whole_picture_is_the_whole_picture() -> None:
    source = Drawn(instances=1, categories=("fish",), size=96)
    assert np.array_equal(official_crop(WholePicture(source), 0, size=96), source.picture(0))
    assert not np.array_equal(official_crop(source, 0, size=96), source.picture(0))
