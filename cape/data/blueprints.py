"""Blueprints: the descriptions of drawn categories, read and checked. `layout` poses them, `drawn` paints them.

A category is data, one JSON file of `annotations/drawn` (or what `breeding` makes up): a kinematic tree of flat parts.

    id, name, supercategory     the id seeds the draws, so it never changes
    frame     "subject" or "viewer": whose left and right the names mean; "viewer" also where both agree (from above)
    mirrored  false where no instance is ever shown mirrored (optional)
    colours   families, each with ranges of hue (degrees), saturation, value; an instance draws one colour of each
    parts     name · parent (an earlier part) · at (where on the parent) · shape, with outline or taper ·
              length, width, angle, skew (ranges) · colour, shade · z (drawn in this order; ties in file order)
    keypoints [name, part, place on the part] · edges: chains of keypoints · groups: named lists of keypoints

A place is [u, v]: u runs from 0 to 1 along the part's length, v from -1 to 1 across its width, to the right of someone
walking along it. Angles are degrees clockwise from the parent's direction, and for the first part from the picture's
x axis. Without a length, u counts half widths. `pivot` is the place that sits on the parent; `end` (on `end_part`)
is a second place that the part is stretched to; `relative` multiplies length and width by the parent's; `like` shares
another part's draws of length and width, `rigid` those of angle and skew too.

A part with `sides` exists twice, "{side}" in its texts being left and right. "mirror" reflects the copy across its
parent (bodies and faces from the front; written for the right half of the picture); "depth" puts it behind (animals
from the side; written for the near side of one that faces right).
"""

import json
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from cape.data.coco import Category
from cape.errors import AnnotationError
from cape.skeleton import Skeleton, swap_pairs

RESERVED = 16
"""Draws of an instance before those of its parts: its pose in the picture and what hides it."""
VIEW = 2
"""The last draws of an instance: the direction that it is foreshortened along, and how much."""
_SIDES = ("left", "right")
_KEYS = {
    "name", "parent", "at", "end", "end_part", "pivot", "shape", "outline", "taper", "length", "width", "angle",
    "skew", "relative", "like", "rigid", "colour", "shade", "z", "sides",
}  # fmt: skip
_SHAPES = ("bone", "box", "disc", "ellipse", "limb", "polygon", "ring", "wheel")


class Part(NamedTuple):
    """One part of a category."""

    parent: int
    """Index of an earlier part; -1 for the first."""
    at: tuple[float, float]
    end: tuple[int, float, float] | None
    """Part and place that the far end is stretched to."""
    pivot: tuple[float, float]
    ranges: Float[np.ndarray, "4 2"]
    """Of length, width, angle (degrees) and skew."""
    slots: tuple[int, ...]
    """Which draws of the instance choose among the ranges."""
    relative: bool
    lengthless: bool
    """Its u counts half widths."""
    outline: Float[np.ndarray, "_ 3"]
    """Vertices, as multiples of the length, of the half width along and of the half width across."""
    contours: tuple[int, ...]
    """First vertex of each contour, and the end; a contour inside another is a hole."""
    colour: str
    shade: float

    def following(self) -> Int[np.ndarray, "_"]:
        """Index of the vertex after each one, round its contour."""
        after = np.arange(1, len(self.outline) + 1)
        for first, end in pairwise(self.contours):
            after[end - 1] = first
        return after


class Blueprint(NamedTuple):
    """A category ready to be laid out."""

    category: Category
    colours: dict[str, Float[np.ndarray, "3 2"]]
    """Ranges of hue (degrees), saturation and value."""
    parts: tuple[Part, ...]
    """Parents first."""
    keypoints: tuple[tuple[int, float, float], ...]
    """Part and place of each keypoint."""
    order: tuple[int, ...]
    """Parts from back to front."""
    hides: Bool[np.ndarray, "P K"]
    """Whether a part can hide a keypoint: drawn later than the keypoint's and not attached at that very place."""
    mirrored: bool
    """Whether instances may be shown mirrored."""
    draws: int
    """How many uniform numbers determine the geometry of an instance."""


@cache
def blueprints() -> dict[str, Blueprint]:
    """All categories by name, in the order of their ids.

    Raises:
        AnnotationError: A description is wrong; the message names it.
        SkeletonError: Its keypoint names repeat.
    """
    folder = resources.files("cape.annotations") / "drawn"
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".json")}
    found = sorted((read_blueprint(text, where=name) for name, text in texts.items()), key=lambda one: one.category.id)
    for key in ("id", "name"):
        values = [getattr(one.category, key) for one in found]
        _require(len(set(values)) == len(values), "annotations/drawn", f"different {key}s", values)
    return {one.category.name: one for one in found}


def read_blueprint(text: str, *, where: str = "description") -> Blueprint:
    """Read one description (JSON, see the module).

    Raises:
        AnnotationError: A missing or unknown key, part, shape, colour or keypoint.
        SkeletonError: Keypoint names that repeat.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise AnnotationError(
            where, expected="a description of a drawn category", got=f"{type(error).__name__}: {error}",
            fix="See the format in cape/data/blueprints.py.",
        ) from error  # fmt: skip
    return build_blueprint(content, where=where)


def build_blueprint(content: dict[str, Any], *, where: str = "description") -> Blueprint:
    """A category from its description as it comes out of JSON.

    Raises:
        AnnotationError: A missing or unknown key, part, shape, colour or keypoint.
        SkeletonError: Keypoint names that repeat.
    """
    try:
        records = _both_sides(content["parts"], content["frame"], where)
        index = {record["name"]: place for place, record in enumerate(records)}
        _require(len(index) == len(records), where, "different names of the parts", [one["name"] for one in records])
        slots: dict[tuple[str, str], int] = {}
        parts = tuple(_part(record, index, slots, where) for record in records)
        for part in parts:
            painted = len(part.outline) > 0
            _require(not painted or part.colour in content["colours"], where, "a colour family", part.colour)
        listed = [
            (name.replace("{side}", side), part.replace("{side}", side), place)
            for name, part, place in content["keypoints"]
            for side in (_SIDES if "{side}" in name else _SIDES[:1])
        ]
        places = tuple(
            (index[part], float(u), float(v) * (-1 if records[index[part]].get("reflected") else 1))
            for _, part, (u, v) in listed
        )
        order = tuple(sorted(range(len(parts)), key=lambda place: float(records[place].get("z", 0))))
        return Blueprint(
            category=_category(content, tuple(name for name, _, _ in listed)),
            colours={name: np.array(ranges, dtype=np.float64) for name, ranges in content["colours"].items()},
            parts=parts,
            keypoints=places,
            order=order,
            hides=_hides(parts, places, order),
            mirrored=bool(content.get("mirrored", True)),
            draws=RESERVED + len(slots) + VIEW,
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise AnnotationError(
            where, expected="a description of a drawn category", got=f"{type(error).__name__}: {error}",
            fix="See the format in cape/data/blueprints.py.",
        ) from error  # fmt: skip


def _require(condition: bool, where: str, expected: str, got: object) -> None:
    if not condition:
        raise AnnotationError(where, expected=expected, got=str(got), fix="Mend the description.")


def _both_sides(records: list[dict[str, Any]], frame: str, where: str) -> list[dict[str, Any]]:
    """Write out the parts that exist twice; the copy is `reflected` or `far`."""
    _require(frame in ("subject", "viewer"), where, "a frame: subject or viewer", frame)
    written = []
    for record in records:
        _require(set(record) <= _KEYS, where, f"keys of a part out of {', '.join(sorted(_KEYS))}", set(record) - _KEYS)
        sides = record.get("sides")
        _require(sides in (None, "mirror", "depth"), where, "sides: mirror or depth", sides)
        share = {"share": record.get("like", record["name"])}
        if sides is None:
            written.append(record | share)
            continue
        # Of a body seen from the front, the right half of the picture is its left; near is right for facing right.
        original = "left" if (frame, sides) == ("subject", "mirror") else "right"
        for side in _SIDES:
            texts = {key: text.replace("{side}", side) for key, text in record.items() if isinstance(text, str)}
            copied = side != original
            kind = {"reflected": copied and sides == "mirror", "far": copied and sides == "depth"}
            # Only the first part of a far limb is moved; the others follow it.
            kind["moved"] = kind["far"] and "{side}" not in record.get("parent", "")
            written.append(record | texts | share | kind)
    for record in written:
        if record.get("far"):
            record["z"] = record.get("z", 0) - 10
            record["shade"] = record.get("shade", 1) * 0.72
    return written


def _part(record: dict[str, Any], index: dict[str, int], slots: dict[tuple[str, str], int], where: str) -> Part:
    name, parent = record["name"], record.get("parent")
    own = index[name]
    above = -1 if parent is None else index[parent]
    _require(above < own and (above >= 0 or own == 0), where, f"{name} after its parent, and one root", parent)
    shape = record["shape"]
    _require(shape in _SHAPES, where, f"a shape out of {', '.join(_SHAPES)}", shape)
    turn = -1.0 if record.get("reflected") else 1.0
    u, v = record.get("at", (0, 0))
    if record.get("moved"):
        u, v = u + 0.07, v - 0.06
    end = record.get("end")
    if end is not None:
        target = index[str(record.get("end_part", parent))]
        _require(target < own, where, f"the end of {name} on an earlier part", record.get("end_part"))
        end = (target, float(end[0]), float(end[1]) * turn)
    outline, contours = _shape(record)
    pivot = record.get("pivot", (0, 0))
    relative = bool(record.get("relative", False))
    _require(relative or shape == "bone" or "width" in record, where, f"a width of {name}", None)
    defaults = {"length": (1, 1), "width": (1, 1), "angle": (0, 0), "skew": (0, 0)}
    ranges = np.array([record.get(key, default) for key, default in defaults.items()])
    loose = record["share"] if record.get("rigid") else name
    keys = [(record["share"], "length"), (record["share"], "width"), (loose, "angle"), (loose, "skew")]
    return Part(
        parent=above,
        at=(float(u), float(v) * turn),
        end=end,
        pivot=(float(pivot[0]), float(pivot[1]) * turn),
        ranges=ranges * np.array([[1], [1], [turn], [turn]]),
        slots=tuple(slots.setdefault(key, RESERVED + len(slots)) for key in keys),
        relative=relative,
        lengthless="length" not in record and end is None and not relative,
        outline=outline * (1, 1, turn),
        contours=contours,
        colour=record.get("colour", ""),
        shade=float(record.get("shade", 1)),
    )


def _shape(record: dict[str, Any]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Vertices and contours, see `Part.outline`."""
    shape = record["shape"]
    if shape == "bone":
        contours = []
    elif shape in ("box", "polygon"):
        corners = ((0, -1), (1, -1), (1, 1), (0, 1)) if shape == "box" else record["outline"]
        contours = [[(u, 0, v) for u, v in corners]]
    elif shape == "limb":
        taper = float(record.get("taper", 1))
        contours = [_arc(90, 270, step=15.0) + _arc(-90, 90, radius=taper, start=1.0, step=15.0)]
    elif shape == "disc":
        contours = [_arc(0, 352)]
    elif shape == "ellipse":
        contours = [[(0.5 + 0.5 * along, 0, across) for _, along, across in _arc(0, 352)]]
    elif shape == "ring":
        contours = [[(0.5 + 0.5 * k * along, 0, k * across) for _, along, across in _arc(0, 352)] for k in (1, 0.6)]
    else:  # a wheel: between its six spokes one sees through
        gaps = [_arc(a + 4, a + 56, radius=0.84) + _arc(a + 56 - 12, a + 4 + 12, radius=0.2) for a in range(0, 360, 60)]
        contours = [_arc(0, 352), *gaps]
    ends = np.cumsum([0, *(len(contour) for contour in contours)])
    vertices = [vertex for contour in contours for vertex in contour]
    return np.array(vertices, dtype=np.float64).reshape(-1, 3), tuple(int(end) for end in ends)


def _arc(
    begin: int, end: int, *, radius: float = 1.0, start: float = 0.0, step: float = 8.0
) -> list[tuple[float, float, float]]:
    return list(_arc_once(begin, end, radius, start, step))


@lru_cache(maxsize=1024)
def _arc_once(begin: int, end: int, radius: float, start: float, step: float) -> tuple[tuple[float, float, float], ...]:
    angles = np.deg2rad(np.linspace(begin, end, 1 + round(abs(end - begin) / step)))
    return tuple((start, float(radius * np.cos(angle)), float(radius * np.sin(angle))) for angle in angles)


def _hides(parts: tuple[Part, ...], places: tuple[tuple[int, float, float], ...], order: tuple[int, ...]) -> np.ndarray:
    height = {part: rank for rank, part in enumerate(order)}
    hides = np.zeros((len(parts), len(places)), dtype=bool)
    for column, (own, u, v) in enumerate(places):
        spots = {(own, u, v)}
        if (u, v) == parts[own].pivot:
            spots.add((parts[own].parent, *parts[own].at))
        for row, part in enumerate(parts):
            attached = (part.parent, *part.at) in spots or part.end in spots
            hides[row, column] = height[row] > height[own] and not attached
    return hides


def _category(content: dict[str, Any], names: tuple[str, ...]) -> Category:
    place = {name: index for index, name in enumerate(names)}
    edges = [[place[name.replace("{side}", side)] for name in chain] for chain in content["edges"] for side in _SIDES]
    groups = {
        group.replace("{side}", side): tuple(place[name.replace("{side}", side)] for name in members)
        for group, members in content["groups"].items()
        for side in _SIDES
    }
    pairs = tuple(pair for chain in edges for pair in pairwise(chain))
    skeleton = Skeleton(names, pairs, swap_pairs(names), groups)
    return Category(content["id"], content["name"], content["supercategory"], skeleton, names)
