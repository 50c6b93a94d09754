"""Sketch: a description of a category in the making, with the dice that body plans throw (see `breeding`).

It writes the format of `blueprints`. A plan gives typical measures; the sketch turns each into a range of as much
variation between instances, and as much play in the joints, as its category has.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
Number = float | int
Place = tuple[Number, Number]


class Sketch:
    """Parts, keypoints and edges of one category, as a body plan adds them.

    Args:
        rng: Decides everything about the category.

    Attributes:
        frame: "viewer" or "subject", see `blueprints`; a plan may change it.
        mirrored: Whether instances may face the other way; not where only the turning sense tells points apart.
        play: How far joints turn, as a multiple of what a plan says; near 0 for rigid categories.
        spread: How much measures differ between instances, as a share of the measure.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.frame, self.mirrored = rng, "viewer", True
        self.play = 0.08 if rng.random() < 0.15 else float(rng.uniform(0.4, 1.1))
        self.spread = float(rng.uniform(0.03, 0.16))
        self._wordy = rng.random() < 0.4
        self.colours: dict[str, list[list[Number]]] = {"dark": [[0, 360], [0, 0.3], [0.04, 0.16]]}
        self.parts: list[dict[str, Any]] = []
        self.keypoints: list[list[Any]] = []
        self.edges: list[list[str]] = []
        self.groups: dict[str, list[str]] = {}

    def some(self, low: Number, high: Number) -> float:
        """A measure between two."""
        return float(self.rng.uniform(low, high))

    def count(self, least: int, most: int) -> int:
        """A number from least to most."""
        return int(self.rng.integers(least, most + 1))

    def chance(self, share: Number = 0.5) -> bool:
        """True in that share of the categories."""
        return bool(self.rng.random() < share)

    def one(self, *options: str) -> str:
        """One of several words."""
        return options[int(self.rng.integers(len(options)))]

    def of(self, thing: str, spot: str) -> str:
        """Say "tail tip" or "tip of the tail": a category keeps to one manner."""
        return f"{spot} of the {thing}" if self._wordy else f"{thing} {spot}"

    def paint(self, *families: str) -> None:
        """Colours of the category: typical ones, or in some categories any."""
        base = self.some(0, 360)
        for family in families:
            hue = base + float(self.rng.normal(0, 90))
            width = (12.0, 30.0, 180.0)[self.count(0, 2)]
            grey, light = self.some(0.1, 0.85), self.some(0.3, 0.9)
            ranges = [[hue - width, hue + width], [max(0.0, grey - 0.2), min(1.0, grey + 0.2)]]
            self.colours[family] = [*ranges, [max(0.15, light - 0.15), min(1.0, light + 0.15)]]

    def part(
        self,
        name: str,
        shape: str,
        size: tuple[Number | None, Number],
        parent: str | None = None,
        at: Place = (0, 0),
        *,
        angle: Number = 0,
        swing: Number = 0,
        colour: str = "main",
        **more: Any,
    ) -> str:
        """Add a part (length and width; degrees that it turns either way) and give its name back."""
        length, width = size
        record = {"name": name, "shape": shape, "at": list(at), "colour": colour, "shade": self.some(0.85, 1.15)} | more
        if parent is not None:
            record["parent"] = parent
        fixed = bool(more.get("relative"))
        if length is not None:
            record["length"] = self._range(length, fixed=fixed)
        record["width"] = self._range(width, fixed=fixed)
        swing = swing * self.play
        record["angle"] = [angle - swing, angle + swing]
        self.parts.append(record)
        return name

    def _range(self, typical: Number, *, fixed: bool) -> list[float]:
        spread = 0.04 if fixed else self.spread * self.some(0.5, 1.5)
        return [typical * (1 - spread), typical * (1 + spread)]

    def chain(
        self,
        name: str,
        links: int,
        size: tuple[Number, Number],
        parent: str,
        at: Place = (0, 0),
        *,
        angle: Number = 0,
        swing: Number = 0,
        bend: Number = 0,
        thin: Number = 0.75,
        **more: Any,
    ) -> list[str]:
        """A limb of several links, of `size` together: the first turns by angle, each other by bend; their names."""
        length, width = size
        names: list[str] = []
        for link in range(links):
            turn = {"angle": bend, "swing": swing * 0.8} if names else {"angle": angle, "swing": swing}
            own = f"{name} {link + 1}"
            above, place = (names[-1], (1, 0)) if names else (parent, at)
            self.part(own, "limb", (length / links, width), above, place, taper=thin, **turn, **more)
            names.append(own)
            width *= thin
        return names

    def point(self, name: str, part: str, u: Number = 0, v: Number = 0) -> str:
        """Add a keypoint on a part and give its name back.

        Of a pair on one part that points upwards, v is that of the one on the right of the picture.
        """
        if "{side}" in name and "{side}" not in part:
            turned = -1 if self.frame == "subject" else 1
            self.keypoints.append([name.replace("{side}", "left"), part, [u, -v * turned]])
            self.keypoints.append([name.replace("{side}", "right"), part, [u, v * turned]])
        else:
            self.keypoints.append([name, part, [u, v]])
        return name

    def edge(self, *names: str | None) -> None:
        """Connect keypoints in a row; what is None is left out."""
        chain = [name for name in names if name]
        if len(chain) > 1:
            self.edges.append(chain)

    def group(self, name: str, members: Sequence[str]) -> None:
        """Name some keypoints together; both sides of a pair where they are of no one side."""
        sided = "{side}" in name
        self.groups[name] = [
            member.replace("{side}", side) if not sided else member
            for member in members
            for side in (("left", "right") if "{side}" in member and not sided else ("",))
        ]

    def profile(self, bulge: Number = 0.35, *, ends: tuple[Number, Number] = (0.3, 0.3)) -> list[Place]:
        """A smooth outline, the same on both sides: some bellied or waisted body.

        Its half width is 1 where it is widest, and `ends` at its beginning and its end.
        """
        along = np.linspace(0, 1, 25)
        knots = np.array([0, 0.12, 0.35, 0.6, 0.85, 1])
        heights = np.array([ends[0], *(1 - bulge * self.rng.random(4)), ends[1]])
        half = np.interp(along, knots, heights)
        for _ in range(3):
            half[1:-1] = (half[:-2] + 2 * half[1:-1] + half[2:]) / 4
        half /= half.max()
        upper = [(round(float(u), 3), round(float(-v), 3)) for u, v in zip(along, half, strict=True)]
        return upper + [(u, -v) for u, v in reversed(upper)]

    def star_outline(self, teeth: int, depth: Number) -> list[Place]:
        """A round outline with teeth or lobes, as u from 0 to 1 and v from -1 to 1."""
        angles = np.linspace(0, 2 * np.pi, 8 * teeth, endpoint=False)
        radius = 1 - depth * (0.5 - 0.5 * np.cos(teeth * angles))
        pairs = zip(0.5 + 0.5 * radius * np.cos(angles), radius * np.sin(angles), strict=True)
        return [(round(float(u), 3), round(float(v), 3)) for u, v in pairs]

    def content(self, number: int, name: str, kind: str) -> dict[str, Any]:
        """The description, to be read by `blueprints.build_blueprint`."""
        return {
            "id": number, "name": name, "supercategory": kind, "frame": self.frame, "mirrored": self.mirrored,
            "colours": self.colours,
            "parts": self.parts, "keypoints": self.keypoints, "edges": self.edges, "groups": self.groups,
        }  # fmt: skip
