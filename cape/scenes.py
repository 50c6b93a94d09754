"""Poses in space, drawn: a PNG file for papers, and one HTML page to turn and play them.

The page holds everything itself: its data, its style and a small renderer of our own. It asks the network for nothing,
and a browser that is told so by the page's own policy would not let it.
"""

import json
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Float

from cape.figures import new_figure, png_of
from cape.skeleton import Skeleton
from cape.spatial import SpatialTrack

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d.axes3d import Axes3D

COLOURS = ("#444444", "#1f77b4", "#d62728")
"""Of bones in the middle, of the person's left and of the right."""
MOST = 6
"""Poses in a picture."""
_CELL, _MARGIN = 2.4, 0.15


def sides(skeleton: Skeleton) -> list[int]:
    """Of each joint: 0 in the middle, 1 left, 2 right; by its name, and in the middle where that does not say."""
    return [1 if name.startswith("left") else 2 if name.startswith("right") else 0 for name in skeleton.names]


def chosen_frames(tracks: Sequence[SpatialTrack], most: int = MOST) -> list[tuple[SpatialTrack, int]]:
    """Frames to draw: all where there are few, else so many, evenly spread over all."""
    frames = [(track, frame) for track in tracks for frame in range(len(track.joints))]
    places = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
    return [frames[place] for place in places]


def pose_picture(tracks: Sequence[SpatialTrack], skeleton: Skeleton) -> bytes:
    """Up to six poses as a PNG file: the keypoints that were lifted, the pose from the camera, and from its left side.

    Each space has one scale for all axes and a grid of 25 cm. Left is blue, right red; hollow points were not found but
    stand between their neighbours in time.

    Args:
        tracks: At least one, of at least one frame.
        skeleton: Of the poses.
    """
    rows = chosen_frames(tracks)
    pitch = _CELL + 0.35
    figure = new_figure(3 * _CELL + 4 * _MARGIN, len(rows) * pitch + 0.3)
    width, height = figure.get_size_inches()
    for row, (track, frame) in enumerate(rows):
        bottom = (height - (row + 1) * pitch) / height
        places = [((_MARGIN + column * (_CELL + _MARGIN)) / width, bottom, _CELL / width, _CELL / height)
                  for column in range(3)]  # fmt: skip
        _draw_flat(figure.add_axes(places[0]), track, frame, skeleton)
        for place, turn in zip(places[1:], (-90, 0), strict=True):
            axes = cast("Axes3D", figure.add_axes(place, projection="3d"))
            _draw_space(axes, track.joints[frame], skeleton, turn=turn)
        figure.text(_MARGIN / width, bottom + (_CELL + 0.08) / height, title_of(track, frame), fontsize=7.5)
    note = "keypoints; from the camera; from the person's side of the picture's right. Blue: left, red: right."
    figure.text(_MARGIN / width, 0.08 / height, note, fontsize=7)
    return png_of(figure)


def title_of(track: SpatialTrack, frame: int) -> str:
    """Which pose it is, and its energy where something judges it."""
    picture, _ = track.track.frames[frame]
    person = track.track.name.removeprefix(picture).removeprefix(", ")
    name = f"{picture} ({person})" if person.startswith("person") else picture
    return name if np.isnan(track.energy[frame]) else f"{name}   energy {track.energy[frame]:.3f}"


def _draw_flat(axes: "Axes", track: SpatialTrack, frame: int, skeleton: Skeleton) -> None:
    points, found, side = track.track.points[frame], track.track.found[frame], sides(skeleton)
    for a, b in skeleton.edges:
        axes.plot(points[[a, b], 0], points[[a, b], 1], color=COLOURS[max(side[a], side[b])], linewidth=1.6)
    edges = [COLOURS[each] for each in side]
    faces = [colour if known else "none" for colour, known in zip(edges, found, strict=True)]
    axes.scatter(*points.T, s=9, c=faces, edgecolors=edges, linewidths=0.8, zorder=3)
    middle, reach = (points.min(axis=0) + points.max(axis=0)) / 2, 0.55 * np.ptp(points, axis=0).max()
    axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] + reach, middle[1] - reach), aspect="equal")
    axes.set(xticks=[], yticks=[])


def _draw_space(axes: "Axes3D", joints: Float[np.ndarray, "J 3"], skeleton: Skeleton, *, turn: float) -> None:
    """Matplotlib's z is up: ours is y, downward; its y is our z, away from the camera."""
    placed, side = np.stack([joints[:, 0], joints[:, 2], -joints[:, 1]], axis=1), sides(skeleton)
    for a, b in skeleton.edges:
        axes.plot(*placed[[a, b]].T, color=COLOURS[max(side[a], side[b])], linewidth=1.6)
    axes.scatter(*placed.T, s=6, c=[COLOURS[each] for each in side], depthshade=False)
    middle, reach = (placed.min(axis=0) + placed.max(axis=0)) / 2, 0.55 * np.ptp(placed, axis=0).max()
    low, high = middle - reach, middle + reach
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    for axis, (start, stop) in zip((axes.xaxis, axes.yaxis, axes.zaxis), zip(low, high, strict=True), strict=True):
        axis.set_ticks(np.arange(np.ceil(start * 4), np.floor(stop * 4) + 1) / 4, labels=[])
    axes.set_box_aspect((1, 1, 1), zoom=cast(int, 1.25))  # matplotlib's stub is too narrow
    axes.view_init(elev=8, azim=turn)


def pose_page(tracks: Sequence[SpatialTrack], skeleton: Skeleton, *, title: str, about: str) -> str:
    """The HTML page: drag to turn, wheel to come nearer, play where frames follow each other, energies as a curve.

    Args:
        tracks: At least one.
        skeleton: Of the poses.
        title: Of the page.
        about: A line under it: which lifter, and what the energy means.
    """
    content = {
        "title": title,
        "about": about,
        "edges": [list(edge) for edge in skeleton.edges],
        "names": list(skeleton.names),
        "sides": sides(skeleton),
        "tracks": [_track(each) for each in tracks],
    }
    # A name of a file may hold anything, `</script>` for example
    data = json.dumps(content, allow_nan=False, ensure_ascii=True).replace("<", "\\u003c")
    page = resources.files("cape").joinpath("player.html").read_text(encoding="utf-8")
    return page.replace("/*DATA*/", data)


def _track(found: SpatialTrack) -> dict[str, Any]:
    energy = [None if np.isnan(each) else round(float(each), 5) for each in found.energy]
    return {
        "name": found.track.name,
        "labels": [picture for picture, _ in found.track.frames],
        "joints": found.joints.round(4).tolist(),
        "points": found.track.points.round(4).tolist(),
        "found": found.track.found.astype(int).tolist(),
        "energy": energy,
    }
