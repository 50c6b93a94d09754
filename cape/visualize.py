"""Drawing poses on pictures, with supervision, and sheets of pictures."""

import colorsys
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from cape import compat
from cape.data.episodes import Source
from cape.data.transforms import crop_square, warp
from cape.skeleton import Skeleton


def keypoint_colours(count: int) -> list[tuple[int, int, int]]:
    """One RGB colour per keypoint, evenly spread over the hues, so that the eye can match pictures point by point."""
    shades = (colorsys.hsv_to_rgb(index / max(count, 1), 0.85, 1.0) for index in range(count))
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in shades]


def draw_pose(
    picture: UInt8[np.ndarray, "H W 3"],
    points: Float[np.ndarray, "K 2"],
    visible: Bool[np.ndarray, "K"],
    skeleton: Skeleton,
    *,
    truth: Float[np.ndarray, "K 2"] | None = None,
    thick: int | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """A copy of the picture with skeleton and keypoints.

    Args:
        picture: RGB.
        points: Pixels of `picture`.
        visible: Which keypoints to draw.
        skeleton: For the edges.
        truth: Where the points should be: a red line runs from each point to its true place.
        thick: Pixels of an edge, a third of a dot's radius (default: 1/200 of the picture's longer side).
    """
    compat.prepare()
    import supervision as sv

    scene = np.ascontiguousarray(picture[..., ::-1])  # supervision draws in OpenCV's channel order
    # OpenCV takes 32-bit places; what is that far outside is not seen anyway.
    points = points.clip(-1e4, 1e5)
    truth = None if truth is None else truth.clip(-1e4, 1e5)
    thick = thick or max(1, round(max(picture.shape[:2]) / 200))
    pose = sv.KeyPoints(xy=points[None].astype(np.float32), visible=visible[None])
    # supervision counts joints from 1, and takes an empty list of edges for a wish to guess the skeleton.
    edges = [(a + 1, b + 1) for a, b in skeleton.edges if visible[a] and visible[b]]
    if edges:
        scene = sv.EdgeAnnotator(color=sv.Color(230, 230, 230), thickness=thick, edges=edges).annotate(scene, pose)
    for index, colour in enumerate(keypoint_colours(len(points))):
        if not visible[index]:
            continue
        dot = sv.KeyPoints(xy=points[None, index : index + 1].astype(np.float32))
        if truth is not None:
            start, end = (sv.Point(*(float(value) for value in place[index])) for place in (points, truth))
            scene = sv.draw_line(scene, start, end, color=sv.Color(255, 40, 40), thickness=thick)
        for radius, shade in ((3 * thick + 1, (0, 0, 0)), (3 * thick, colour)):
            scene = sv.VertexAnnotator(color=sv.Color(*shade), radius=radius).annotate(scene, dot)
    return np.ascontiguousarray(scene[..., ::-1])


def official_crop(source: Source, index: int, *, size: int) -> UInt8[np.ndarray, "H W 3"]:
    """What a model is shown of an instance, in `size` pixels a side: the square around `Instance.around`.

    That is the annotated box, or the whole picture for a `WholePicture`.
    """
    return warp(source.picture(index), crop_square(source.instances[index].around), size=size)


def enlarge(cells: Float[np.ndarray, "h w"], side: int) -> Float[np.ndarray, "H W"]:
    """A map of cells in the pixels of a crop of `side` pixels, smoothly (bicubic), and at least 0.

    The middle of cell i of n is crop coordinate (i + 0.5) / n, which is pixel side * (i + 0.5) / n: there the enlarged
    map has the cell's own value.
    """
    step = side / np.array(cells.shape[::-1])
    matrix = np.column_stack([np.diag(step), step / 2])
    large = cv2.warpAffine(
        cells.astype(np.float32), matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.maximum(large, 0)


class Tile(NamedTuple):
    """One picture of a sheet."""

    picture: UInt8[np.ndarray, "H W 3"]
    title: str


def contact_sheet(rows: Sequence[Sequence[Tile]], *, side: int = 256) -> UInt8[np.ndarray, "H W 3"]:
    """Square tiles with titles, row by row, on white."""
    compat.prepare()
    import supervision as sv

    margin, strip = 6, 24
    width = max(len(row) for row in rows) * (side + margin) + margin
    sheet = np.full((len(rows) * (side + strip + margin) + margin, width, 3), 255, dtype=np.uint8)
    for i, row in enumerate(rows):
        top = margin + i * (side + strip + margin)
        for j, tile in enumerate(row):
            left = margin + j * (side + margin)
            small = cv2.resize(tile.picture, (side, side), interpolation=cv2.INTER_AREA)
            sheet[top + strip : top + strip + side, left : left + side] = small
            anchor = sv.Point(left + side / 2, top + strip / 2)
            sheet = sv.draw_text(sheet, tile.title, anchor, text_scale=0.42)
    return sheet


def encode_png(picture: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """An RGB picture as the bytes of a PNG file."""
    _, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    return data.tobytes()


def encode_jpeg(picture: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """An RGB picture as the bytes of a JPEG file: a tenth of a PNG's of photographs, and not exact."""
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return data.tobytes()
