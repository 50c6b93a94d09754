"""Layout: where the parts and keypoints of drawn instances lie, in pixels, and what hides them; nothing is painted.

An instance is a vector of uniform numbers; many instances of a category are laid out at once. Outlines and keypoints
go through the same map, so a keypoint lies exactly on what is drawn.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from cape.data.blueprints import RESERVED, Blueprint, Part


class Layout(NamedTuple):
    """Where everything of N instances of one category is, in pixels."""

    outlines: list[Float[np.ndarray, "N _ 2"]]
    """Per part."""
    occluder: Float[np.ndarray, "N _ 2"]
    occluded: Bool[np.ndarray, "N"]
    """Whether the occluder is drawn."""
    points: Float[np.ndarray, "N K 2"]
    visibility: Int8[np.ndarray, "N K"]
    box: Float[np.ndarray, "N 4"]


class Style(NamedTuple):
    """How instances are posed in their pictures."""

    size: int = 192
    rotation: float = 30.0
    """Degrees either way."""
    occlusion: float = 0.25
    """Probability of a foreign thing in front."""
    truncation: float = 0.12
    """Probability that the picture's edge may cut the object."""
    squeeze: float = 0.0
    """How much shorter, at most, an instance is seen along some direction."""


class _Frame(NamedTuple):
    """A part's own frame for N instances, in units of the description; all [N, 1] but the pivot."""

    x: np.ndarray
    y: np.ndarray
    angle: np.ndarray
    length: np.ndarray
    half: np.ndarray
    skew: np.ndarray
    pivot: tuple[float, float]

    def place(self, vertices: Float[np.ndarray, "_ 3"]) -> Float[np.ndarray, "N _ 2"]:
        """Vertices as multiples of length, half width along, half width across."""
        u, along, across = vertices.T
        across = across - self.pivot[1]
        x = (u - self.pivot[0]) * self.length + (along + self.skew * across) * self.half
        y = across * self.half
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        placed = np.empty((len(self.x), len(u), 2))
        placed[..., 0] = self.x + cos * x - sin * y
        placed[..., 1] = self.y + sin * x + cos * y
        return placed

    def spot(self, u: float, v: float) -> Float[np.ndarray, "N 1 2"]:
        """One place."""
        return self.place(np.array([[u, 0.0, v]]))


def _frames(parts: tuple[Part, ...], draws: Float[np.ndarray, "N _"]) -> list[_Frame]:
    """Walk the tree from the root: where each part lies."""
    zero = np.zeros((len(draws), 1))
    frames: list[_Frame] = []
    for part in parts:
        low, high = part.ranges.T
        length, width, angle, skew = (low + (high - low) * draws[:, list(part.slots)]).T[..., None]
        x, y, heading, angle = zero, zero, zero, np.deg2rad(angle)
        if part.parent >= 0:
            parent = frames[part.parent]
            spot = parent.spot(*part.at)
            x, y = spot[..., 0], spot[..., 1]
            heading = parent.angle
            if part.relative:
                length, width = length * parent.length, width * parent.half * 2
        angle = heading + angle
        if part.end is not None:
            spot = frames[part.end[0]].spot(*part.end[1:])
            target_x, target_y = spot[..., 0], spot[..., 1]
            length, angle = np.hypot(target_x - x, target_y - y), np.arctan2(target_y - y, target_x - x)
        frames.append(_Frame(x, y, angle, width / 2 if part.lengthless else length, width / 2, skew, part.pivot))
    return frames


def lay_out(blueprint: Blueprint, draws: Float[np.ndarray, "N _"], style: Style) -> Layout:
    """Pose N instances in their pictures, from their uniform draws. Nothing is painted."""
    frames = _frames(blueprint.parts, draws)
    outlines = [frame.place(part.outline) for frame, part in zip(frames, blueprint.parts, strict=True)]
    points = np.concatenate([frames[part].spot(u, v) for part, u, v in blueprint.keypoints], axis=1)
    cuts = np.cumsum([points.shape[1], *(outline.shape[1] for outline in outlines)])
    mirrored = (draws[:, 0] < 0.5) & blueprint.mirrored
    cloud = _project(np.concatenate([points, *outlines], axis=1), points.shape[1], mirrored, draws, style)
    points, *outlines, _ = np.split(cloud, cuts, axis=1)

    # A mirrored animal shows its other side: each keypoint takes its partner's place.
    swapped = points[:, blueprint.category.skeleton.mirror()]
    hidden = _hidden(blueprint, outlines, points)
    hidden = np.where(mirrored[:, None], hidden[:, blueprint.category.skeleton.mirror()], hidden)
    points = np.where(mirrored[:, None, None], swapped, points)

    drawn = cloud[:, cuts[0] :]
    low, high = drawn.min(axis=1), drawn.max(axis=1)
    occluder, occluded = _occluder(low, high, draws), draws[:, 11] < style.occlusion
    hidden |= occluded[:, None] & _inside(points, occluder, np.roll(np.arange(occluder.shape[1]), -1))
    last = style.size - 1
    seen = ((points >= 0) & (points <= last)).all(axis=-1)
    low, high = low.clip(0, last), high.clip(0, last)
    return Layout(
        outlines=outlines,
        occluder=occluder,
        occluded=occluded,
        points=points,
        visibility=np.where(seen, 2 - hidden, 0).astype(np.int8),
        box=np.concatenate([low, high - low], axis=1),
    )


def _project(
    cloud: Float[np.ndarray, "N _ 2"],
    count: int,
    mirrored: Bool[np.ndarray, "N"],
    draws: Float[np.ndarray, "N _"],
    style: Style,
) -> Float[np.ndarray, "N _ 2"]:
    """From units of a description to pixels: mirror, stretch, turn, tilt, fit. The first `count` are keypoints."""
    low, high = cloud[:, count:].min(axis=1, keepdims=True), cloud[:, count:].max(axis=1, keepdims=True)
    x, y = np.moveaxis((cloud - (low + high) / 2) / (high - low).max(axis=-1, keepdims=True) * 2, -1, 0)
    one = draws[:, :RESERVED, None].swapaxes(0, 1)
    x = np.where(mirrored[:, None], -x, x)
    stretch = 0.9 + 0.2 * one[1]
    x, y = x * stretch, y / stretch
    angle = np.deg2rad(style.rotation) * (2 * one[2] - 1)
    x, y = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
    if style.squeeze > 0:
        x, y = _squeeze(x, y, draws[:, -2:, None].swapaxes(0, 1), style.squeeze)
    depth = 1 + 0.12 * (2 * one[3] - 1) * x + 0.12 * (2 * one[4] - 1) * y
    cloud = np.stack([x / depth, y / depth], axis=-1)

    low, high = cloud[:, count:].min(axis=1, keepdims=True), cloud[:, count:].max(axis=1, keepdims=True)
    scale = (0.55 + 0.38 * one[5])[..., None] * style.size / (high - low).max(axis=-1, keepdims=True)
    extent = (high - low) * scale
    free = style.size - 1 - extent
    shift = np.stack([one[6], one[7]], axis=-1)
    inside, beyond = shift * free, shift * (free + 0.7 * extent) - 0.35 * extent
    cloud = (cloud - low) * scale
    kept = ((cloud + beyond >= 0) & (cloud + beyond <= style.size - 1)).all(axis=-1)[:, :count].mean(axis=1) >= 0.5
    cut = kept & (draws[:, 8] < style.truncation)
    return cloud + np.where(cut[:, None, None], beyond, inside)


def _squeeze(
    x: Float[np.ndarray, "N _"], y: Float[np.ndarray, "N _"], draws: Float[np.ndarray, "2 N 1"], most: float
) -> tuple[Float[np.ndarray, "N _"], Float[np.ndarray, "N _"]]:
    """Foreshorten along one direction, as if seen from aside."""
    cos, sin = np.cos(np.pi * draws[0]), np.sin(np.pi * draws[0])
    away = (cos * x + sin * y) * most * draws[1]
    return x - cos * away, y - sin * away


def _occluder(
    low: Float[np.ndarray, "N 2"], high: Float[np.ndarray, "N 2"], draws: Float[np.ndarray, "N _"]
) -> Float[np.ndarray, "N _ 2"]:
    """Something between an ellipse and a bar, somewhere on the object."""
    along, across, turn, power, x, y = (draws[:, [9, 10, 12, 13, 14, 15]].T)[..., None]
    side = (high - low).max(axis=1, keepdims=True)
    around = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    bulge = 0.15 + 0.85 * power
    a = side * (0.12 + 0.2 * along) * np.sign(np.cos(around)) * np.abs(np.cos(around)) ** bulge
    b = side * (0.05 + 0.06 * across) * np.sign(np.sin(around)) * np.abs(np.sin(around)) ** bulge
    cos, sin = np.cos(turn * np.pi), np.sin(turn * np.pi)
    centre = low + (high - low) * np.concatenate([x, y], axis=1)
    return np.stack([cos * a - sin * b, sin * a + cos * b], axis=-1) + centre[:, None]


def _hidden(
    blueprint: Blueprint, outlines: list[Float[np.ndarray, "N _ 2"]], points: Float[np.ndarray, "N K 2"]
) -> Bool[np.ndarray, "N K"]:
    """Which keypoints a part in front of them covers."""
    hidden = np.zeros(points.shape[:2], dtype=bool)
    for part, outline, row in zip(blueprint.parts, outlines, blueprint.hides, strict=True):
        if len(part.outline) and row.any():
            hidden[:, row] |= _inside(points[:, row], outline, part.following())
    return hidden


def _inside(
    points: Float[np.ndarray, "N K 2"], outline: Float[np.ndarray, "N _ 2"], following: Int[np.ndarray, "_"]
) -> Bool[np.ndarray, "N K"]:
    """The even-odd rule: a ray to the right crosses the outline an odd number of times."""
    x, y = points[:, :, None, 0], points[:, :, None, 1]
    start_x, start_y = outline[:, None, :, 0], outline[:, None, :, 1]
    end_x, end_y = start_x[..., following], start_y[..., following]
    level = end_y == start_y
    crossing = start_x + (y - start_y) * (end_x - start_x) / np.where(level, 1, end_y - start_y)
    return (((start_y > y) != (end_y > y)) & (x < crossing)).sum(axis=-1) % 2 == 1
