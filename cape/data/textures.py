"""Textures: spots, stripes, patches and more on drawn parts, typical of a category and never twice alike."""

import colorsys
import zlib
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

SHIFT = 5
"""Binary digits of the sub-pixel coordinates that OpenCV draws with."""
KINDS = ("plain", "spots", "stripes", "patches", "noise", "checks", "fade")
_SIDE = 128
_VARIANTS = 6
_RAMP = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
_SHARES = np.cumsum([0.16, 0.18, 0.18, 0.15, 0.13, 0.08, 0.12])


class Texture(NamedTuple):
    """What the parts of one colour family of a category look like, before an instance varies it."""

    kind: str
    variant: int
    scale: float
    """Pixels of a picture of 192 that a tile spans."""
    turn: float
    """Radians between the part's direction and the tile's first axis."""
    second: tuple[float, float, float]
    """Added to hue (turns) and multiplied with saturation and value, where the tile is 1."""
    rim: float
    """Lightness of the outline; 1: none."""


class Coat(NamedTuple):
    """A texture on one instance, in colours."""

    texture: Texture
    first: Float[np.ndarray, "3"]
    """RGB from 0 to 255."""
    second: Float[np.ndarray, "3"]

    def shaded(self, shade: float) -> "Coat":
        """Lighter or darker, for one part."""
        return self._replace(first=self.first * shade, second=self.second * shade)


@lru_cache(maxsize=16_384)
def typical(category: str, family: str) -> Texture:
    """The texture of a colour family of a category: a function of the two names."""
    rng = np.random.default_rng((zlib.crc32(category.encode()), zlib.crc32(family.encode())))
    return make_texture(rng)


def make_texture(rng: np.random.Generator) -> Texture:
    """Any texture."""
    kind = KINDS[min(int(np.searchsorted(_SHARES, rng.random())), len(KINDS) - 1)]
    dark = rng.uniform(0.25, 0.7) if rng.random() < 0.6 else rng.uniform(1.3, 1.9)
    second = (float(rng.normal(0, 0.12)), float(rng.uniform(0.4, 1.3)), float(dark))
    turn = (0.0, np.pi / 2, float(rng.uniform(0, np.pi)))[int(rng.integers(3))]
    rim = 1.0 if rng.random() < 0.4 else float(rng.uniform(0.45, 0.85))
    return Texture(kind, int(rng.integers(_VARIANTS)), float(rng.uniform(22, 75)), turn, second, rim)


def coat(texture: Texture, hsv: tuple[float, float, float], rng: np.random.Generator) -> Coat:
    """Put a texture on an instance whose colour is `hsv` (turns, 0 to 1, 0 to 1); it varies a little."""
    hue, saturation, value = hsv
    turn, grey, light = texture.second
    light = 1 + (light - 1) * rng.uniform(0.6, 1.1)
    second = (hue + turn) % 1, min(1.0, saturation * grey), min(1.0, max(0.05, value * light))
    varied = texture._replace(
        scale=texture.scale * rng.uniform(0.75, 1.3), turn=texture.turn + rng.normal(0, 0.12),
        variant=int(texture.variant + rng.integers(2)) % _VARIANTS,
    )  # fmt: skip
    first = np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value)) * 255
    return Coat(varied, first, np.array(colorsys.hsv_to_rgb(*second)) * 255)


@cache
def tile(kind: str, variant: int) -> UInt8[np.ndarray, "_ _"]:
    """A pattern that continues across its edges: 0 is the first colour, 255 the second."""
    rng = np.random.default_rng((KINDS.index(kind), variant, 21))
    y, x = np.mgrid[:_SIDE, :_SIDE] * (2 * np.pi / _SIDE)
    if kind == "plain":
        field = np.zeros((_SIDE, _SIDE))
    elif kind == "spots":
        field = _spots(rng)
    elif kind == "stripes":
        wobble = 0.7 * np.sin(y + rng.uniform(0, 6)) + 0.4 * np.sin(2 * y + rng.uniform(0, 6))
        field = np.clip(0.5 + rng.uniform(1, 4) * np.sin((2 + variant % 3) * x + wobble) + rng.uniform(-0.8, 0.8), 0, 1)
    elif kind == "checks":
        count = 2 + variant % 3
        field = np.clip(0.5 + 4 * np.sin(count * x) * np.sin(count * y), 0, 1)
    elif kind == "fade":
        field = 0.5 - 0.5 * np.cos(x)
    else:
        field = _cloud(rng, 8 if kind == "patches" else 32)
        field = np.clip(0.5 + 5 * field, 0, 1) if kind == "patches" else np.clip(0.4 + 0.35 * field, 0, 1)
    return np.round(field * 255).astype(np.uint8)


def _spots(rng: np.random.Generator) -> Float[np.ndarray, "_ _"]:
    canvas = np.zeros((_SIDE, _SIDE), np.uint8)
    radius = rng.uniform(5, 14)
    for _ in range(int(0.35 * _SIDE**2 / (np.pi * radius**2))):
        x, y = rng.integers(0, _SIDE, 2)
        size = round(radius * rng.uniform(0.6, 1.3))
        for left in (x - _SIDE, x, x + _SIDE):
            for top in (y - _SIDE, y, y + _SIDE):
                cv2.circle(canvas, (int(left), int(top)), size, (255.0,), -1, cv2.LINE_AA)
    return canvas / 255


def _cloud(rng: np.random.Generator, cells: int) -> Float[np.ndarray, "_ _"]:
    """Smooth noise of mean 0 and deviation 1 that wraps."""
    small = np.pad(rng.normal(size=(cells, cells)), 4, mode="wrap").astype(np.float32)
    side = _SIDE // cells
    large = cv2.resize(small, None, fx=side, fy=side, interpolation=cv2.INTER_CUBIC)
    field = large[4 * side : 4 * side + _SIDE, 4 * side : 4 * side + _SIDE]
    return (field - field.mean()) / field.std()


def fill(
    canvas: UInt8[np.ndarray, "H W 3"],
    outline: Float[np.ndarray, "_ 2"],
    contours: tuple[int, ...],
    coating: Coat,
    light: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Fill an outline, even-odd, with a texture that moves and turns with it, lit from one side."""
    size = np.array(canvas.shape[1::-1])
    low = np.clip(np.floor(outline.min(axis=0)) - 1, 0, size).astype(int)
    high = np.clip(np.ceil(outline.max(axis=0)) + 2, 0, size).astype(int)
    width, height = (high - low).tolist()
    if width <= 0 or height <= 0:
        return
    fixed = np.round((outline - low) * 2**SHIFT).astype(np.int32)
    rings = [fixed[first:end] for first, end in pairwise(contours)]
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, rings, (255.0,), cv2.LINE_AA, SHIFT)
    patch = canvas[low[1] : high[1], low[0] : high[0]]

    texture = coating.texture
    first = coating.first.astype(np.float32)
    if texture.kind == "plain":
        colours = np.broadcast_to(first, (height, width, 3))
    else:
        lut = _RAMP * (coating.second.astype(np.float32) - first) + first
        colours = lut[_pattern(texture, outline - low, (width, height), len(canvas))]
    if light != (0.0, 0.0):
        x = np.arange(width, dtype=np.float32) * np.float32(2 * light[0] / width) - np.float32(light[0] - 1)
        y = np.arange(height, dtype=np.float32) * np.float32(2 * light[1] / height) - np.float32(light[1])
        colours = colours * (x + y[:, None])[..., None]
    mixed = np.minimum(colours, np.float32(255))
    mixed -= patch
    mixed *= mask[..., None] * np.float32(1 / 255)
    mixed += patch
    patch[:] = mixed
    if texture.rim < 1:
        rim = (coating.first * texture.rim).tolist()
        # Drawn through the contiguous whole picture's coordinates, so that the rim may leave the box.
        whole = [ring + (low * 2**SHIFT).astype(np.int32) for ring in rings]
        cv2.polylines(canvas, whole, True, rim, max(1, round(len(canvas) / 256)), cv2.LINE_AA, SHIFT)


def _pattern(
    texture: Texture, outline: Float[np.ndarray, "_ 2"], size: tuple[int, int], side: int
) -> UInt8[np.ndarray, "_ _"]:
    """The tile laid on a part: along its first side, from its first corner."""
    start = outline[0]
    far = outline[int(np.argmax(((outline - start) ** 2).sum(axis=1)))]
    reach = max(float(np.hypot(*(far - start))), 1.0)
    scale = 2 * reach if texture.kind == "fade" else texture.scale * side / 192
    angle = np.arctan2(*(far - start)[::-1]) + (0 if texture.kind == "fade" else texture.turn)
    cos, sin = np.cos(angle) * _SIDE / scale, np.sin(angle) * _SIDE / scale
    matrix = np.array([[cos, sin, 0], [-sin, cos, 0]])
    matrix[:, 2] = -matrix[:, :2] @ start
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(tile(texture.kind, texture.variant), matrix, size, flags=flags, borderMode=cv2.BORDER_WRAP)
