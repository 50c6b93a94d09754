"""Painting: pictures of drawn instances, plainly coloured, or with textures, light and crowded backgrounds."""

import colorsys
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cape.data.blueprints import Blueprint, blueprints
from cape.data.layout import Layout, Style, lay_out
from cape.data.textures import SHIFT, Coat, coat, fill, make_texture, typical


def paint(blueprint: Blueprint, layout: Layout, rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "H W 3"]:
    """Draw the first instance of a layout on a cluttered background."""
    families = {name: rng.uniform(*ranges.T) for name, ranges in blueprint.colours.items()}
    canvas = _background(rng, size)
    for index in blueprint.order:
        part = blueprint.parts[index]
        if len(part.outline):
            hue, saturation, value = families[part.colour]
            colour = colorsys.hsv_to_rgb(hue / 360 % 1, saturation, min(1.0, value * part.shade))
            _fill(canvas, layout.outlines[index][0], part.contours, np.array(colour) * 255)
    foreign = rng.uniform(30, 230, 3)
    if layout.occluded[0]:
        _fill(canvas, layout.occluder[0], (0, layout.occluder.shape[1]), foreign)
    grain = rng.integers(-9, 10, canvas.shape, dtype=np.int16)
    return (canvas + grain).clip(0, 255).astype(np.uint8)


def _fill(
    canvas: UInt8[np.ndarray, "H W 3"],
    outline: Float[np.ndarray, "_ 2"],
    contours: tuple[int, ...],
    colour: Float[np.ndarray, "3"],
) -> None:
    """Fill, even-odd, and draw a darker rim."""
    fixed = np.round(outline * 2**SHIFT).astype(np.int32)
    rings = [fixed[first:end] for first, end in pairwise(contours)]
    cv2.fillPoly(canvas, rings, colour.tolist(), cv2.LINE_AA, SHIFT)
    width = max(1, round(len(canvas) / 256))
    cv2.polylines(canvas, rings, True, (colour * 0.6).tolist(), width, cv2.LINE_AA, SHIFT)


def _background(rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "H W 3"]:
    """A gradient, soft blotches, and clutter."""
    # Mostly grey, as photographs are: each colour is a lightness plus a little chroma.
    corners = rng.uniform(50, 215, (2, 2, 1)) + rng.normal(0, 16, 3) + rng.normal(0, 10, (2, 2, 3))
    blotches = rng.normal(0, 14, (9, 9, 1)) + rng.normal(0, 5, (9, 9, 3))
    field = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR)
    field = field + cv2.resize(blotches, (size, size), interpolation=cv2.INTER_CUBIC)
    canvas = field.clip(0, 255).astype(np.uint8)
    for _ in range(rng.integers(4, 12)):
        around = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 14)))
        radius = size * rng.uniform(0.04, 0.22) * rng.uniform(0.6, 1, len(around))
        shape = np.stack([np.cos(around) * radius, np.sin(around) * radius * rng.uniform(0.2, 1)], axis=1)
        centre = rng.uniform(0, size, 2)
        near = canvas[int(centre[1]), int(centre[0])].astype(np.float64)
        _fill(canvas, shape + centre, (0, len(shape)), near * 0.5 + rng.uniform(20, 235, 3) * 0.5)
    return canvas


def paint_rich(blueprint: Blueprint, layout: Layout, rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "H W 3"]:
    """Draw the first instance of a layout with textures, light from one side, clutter and a camera's faults."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.4)
    light = (float(np.cos(angle) * strength), float(np.sin(angle) * strength))
    canvas = _rich_background(rng, size, light, blueprint.category.name)
    if rng.random() < 0.5:
        _shadow(canvas, layout, blueprint, (-angle, strength), rng)
    coats = _coats(blueprint, rng)
    for index in blueprint.order:
        part = blueprint.parts[index]
        if len(part.outline):
            coating = coats[part.colour].shaded(part.shade)
            fill(canvas, layout.outlines[index][0], part.contours, coating, light)
    if layout.occluded[0]:
        fill(canvas, layout.occluder[0], (0, layout.occluder.shape[1]), _any_coat(rng), light)
    return _photograph(canvas, rng)


def _coats(blueprint: Blueprint, rng: np.random.Generator) -> dict[str, Coat]:
    """Each colour family's, for one instance."""
    found = {}
    for family, ranges in blueprint.colours.items():
        hue, saturation, value = rng.uniform(*ranges.T)
        found[family] = coat(typical(blueprint.category.name, family), (hue / 360, saturation, value), rng)
    return found


def _any_coat(rng: np.random.Generator) -> Coat:
    return coat(make_texture(rng), (rng.random(), rng.uniform(0, 0.9) ** 1.5, rng.uniform(0.15, 0.95)), rng)


def _rich_background(
    rng: np.random.Generator, size: int, light: tuple[float, float], category: str
) -> UInt8[np.ndarray, "H W 3"]:
    """A plain one, or noise as of a photograph, or one texture; on it shapes and other things' parts."""
    style = rng.random()
    if style < 0.35:
        canvas = _background(rng, size)
    elif style < 0.7:
        canvas = _landscape(rng, size)
    else:
        canvas = np.zeros((size, size, 3), np.uint8)
        corners = np.array([[-9, -9], [size + 9, -9], [size + 9, size + 9], [-9, size + 9]], dtype=np.float64)
        fill(canvas, corners, (0, 4), _any_coat(rng), light)
    for _ in range(rng.integers(0, 8)):
        count = int(rng.integers(3, 12))
        around = np.sort(rng.uniform(0, 2 * np.pi, count))
        radius = size * rng.uniform(0.03, 0.2) * rng.uniform(0.6, 1, count)
        shape = np.stack([np.cos(around) * radius, np.sin(around) * radius * rng.uniform(0.2, 1)], axis=1)
        fill(canvas, shape + rng.uniform(0, size, 2), (0, count), _any_coat(rng), light)
    if rng.random() < 0.6:
        _strangers(canvas, rng, light, category)
    return canvas


def _landscape(rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "H W 3"]:
    """Noise of all sizes, the larger the stronger, as the spectra of photographs are."""
    field = np.zeros((size, size, 3), np.float32)
    rough = rng.uniform(0.45, 0.75)
    for octave in range(6):
        cells = min(size, 2 ** (octave + 1))
        grey = rng.normal(0, 1, (cells, cells, 1)) + rng.normal(0, 0.35, (cells, cells, 3))
        field += cv2.resize(grey.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC) * rough**octave
    field = field / field.std() * rng.uniform(15, 50) + rng.uniform(60, 190) + rng.normal(0, 18, 3).astype(np.float32)
    return field.clip(0, 255).astype(np.uint8)


def _strangers(
    canvas: UInt8[np.ndarray, "H W 3"], rng: np.random.Generator, light: tuple[float, float], category: str
) -> None:
    """A few parts of a thing of another category, somewhere behind."""
    # Of those written by hand only, so that a picture does not depend on which categories there are.
    pool = [other for name, other in blueprints().items() if name != category]
    other, size = pool[int(rng.integers(len(pool)))], len(canvas)
    layout = lay_out(other, rng.random((1, other.draws)), Style(size, rotation=180.0, truncation=0.0))
    painted = [index for index in other.order if len(other.parts[index].outline)]
    kept = rng.random(len(painted)) < rng.uniform(0.3, 1)
    scale, coats = rng.uniform(0.3, 0.8), _coats(other, rng)
    shift = rng.uniform(-0.3 * size, size, 2)
    for index in (index for index, keep in zip(painted, kept, strict=True) if keep):
        part = other.parts[index]
        coating = coats[part.colour].shaded(part.shade)
        fill(canvas, layout.outlines[index][0] * scale + shift, part.contours, coating, light)


def _shadow(
    canvas: UInt8[np.ndarray, "H W 3"],
    layout: Layout,
    blueprint: Blueprint,
    light: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Darken the background beside the object."""
    angle, strength = light
    size = len(canvas)
    mask = np.zeros((size, size), np.uint8)
    away = size * rng.uniform(0.02, 0.08) * np.array([-np.cos(angle), np.sin(angle)])
    for index, part in enumerate(blueprint.parts):
        if len(part.outline):
            fixed = np.round((layout.outlines[index][0] + away) * 2**SHIFT).astype(np.int32)
            rings = [fixed[first:end] for first, end in pairwise(part.contours)]
            cv2.fillPoly(mask, rings, (255.0,), cv2.LINE_8, SHIFT)
    soft = cv2.blur(mask, (2 * (size // 48) + 1,) * 2)
    depth = np.float32((0.25 + strength) / 255)
    canvas[:] = canvas * (1 - depth * soft[..., None].astype(np.float32))


def _photograph(canvas: UInt8[np.ndarray, "H W 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
    """Exposure, contrast, a tint, a little blur, grain."""
    if rng.random() < 0.25:
        canvas = cv2.GaussianBlur(canvas, (0, 0), len(canvas) / 192 * rng.uniform(0.4, 1.1))
    contrast, tint = rng.uniform(0.75, 1.15), rng.normal(0, 0.04, 3)
    grain = int(rng.integers(2, 14))
    gain, offset = (contrast * (1 + tint)).astype(np.float32), np.float32(128 * (1 - contrast) + rng.normal(0, 14))
    noise = rng.integers(-grain, grain + 1, canvas.shape, dtype=np.int8)
    return np.clip(canvas * gain + (offset + noise), 0, 255).astype(np.uint8)
