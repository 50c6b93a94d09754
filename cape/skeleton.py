"""Skeleton: the keypoints of one category, by name, and what connects them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int

from cape.errors import SkeletonError

# At the start of a word, or of a hump of camelCase; never inside one ("upright", "leftover").
_SIDE = re.compile(r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[LR]))(?i:left|right)(?![a-z])")
_LETTER_FIRST = re.compile(r"^[LR](?=[A-Z_])")
_LETTER_LAST = re.compile(r"(?<=[a-z])[LR](?=\d*$)")
# Too loose alone ("leftover", "l"): believed where the name of the other side is there.
_CONFIRMED = (re.compile(r"^(?:left|right)(?=[a-z])"), re.compile(r"(?<![A-Za-z])[lr](?![A-Za-z])"))
_OTHER = {"left": "right", "right": "left", "L": "R", "R": "L", "l": "r", "r": "l"}


@dataclass(frozen=True)
class Skeleton:
    """Names, edges, swap pairs and parts of K keypoints, checked once at construction.

    Args:
        names: K names; "" where a keypoint has none. Names that are given must be unique.
        edges: Undirected pairs of 0-based indices. May be empty; duplicates and both directions are merged.
        swap: Pairs of indices that change places under a mirror (left eye, right eye).
        parts: Named groups of indices (head, left arm).

    Raises:
        SkeletonError: An index out of range, a self-loop, a keypoint in two swap pairs, a repeated name.
    """

    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()
    swap: tuple[tuple[int, int], ...] = ()
    parts: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check and normalise."""
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        object.__setattr__(self, "edges", self._pairs("edge", self.edges))
        object.__setattr__(self, "swap", self._pairs("swap pair", self.swap))
        named = [name for name in self.names if name]
        if len(set(named)) != len(named):
            twice = sorted({name for name in named if named.count(name) > 1})
            raise SkeletonError(
                "keypoint names",
                expected="a unique name for each keypoint",
                got=f"{', '.join(twice)} more than once",
                fix="Tell them apart by side or order, or leave the name empty.",
            )
        seats = [index for pair in self.swap for index in pair]
        if len(set(seats)) != len(seats):
            raise SkeletonError(
                "swap pairs",
                expected="each keypoint in at most one pair",
                got=str(self.swap),
                fix="Remove the pair that is wrong.",
            )
        for part, members in self.parts.items():
            for index in members:
                self._check_index(f"part {part!r}", index)

    def _check_index(self, where: str, index: int) -> int:
        if isinstance(index, bool) or int(index) != index or not 0 <= index < len(self.names):
            raise SkeletonError(
                where,
                expected=f"0-based indices below {len(self.names)}",
                got=str(index),
                fix="COCO counts from 1, MP-100 and cape from 0: subtract 1 if the file is COCO's.",
            )
        return int(index)

    def _pairs(self, what: str, pairs: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
        found: dict[tuple[int, int], None] = {}
        for pair in pairs:
            if isinstance(pair, (str, int)) or len(pair) != 2:
                raise SkeletonError(what, expected="two indices", got=repr(pair), fix="Write it as [i, j].")
            a, b = sorted(self._check_index(f"{what} {list(pair)}", index) for index in pair)
            if a == b:
                raise SkeletonError(
                    f"{what} {list(pair)}",
                    expected="two different keypoints",
                    got="the same twice",
                    fix="Remove it.",
                )
            found[a, b] = None
        return tuple(found)

    def __len__(self) -> int:
        return len(self.names)

    def adjacency(self, size: int | None = None) -> Bool[np.ndarray, "K K"]:
        """Symmetric adjacency without self-loops, padded with False to `size` keypoints."""
        matrix = np.zeros((size or len(self),) * 2, dtype=bool)
        for a, b in self.edges:
            matrix[a, b] = matrix[b, a] = True
        return matrix

    def mirror(self) -> Int[np.ndarray, "K"]:
        """Permutation that a horizontal flip applies: `points[mirror]` puts each keypoint back on its side."""
        order = np.arange(len(self))
        for a, b in self.swap:
            order[[a, b]] = b, a
        return order

    def membership(self, size: int | None = None) -> Bool[np.ndarray, "P K"]:
        """Row p is True at the keypoints of part p, in the order of `parts`.

        Args:
            size: Padded with False to so many parts and keypoints, parts beyond them left out; None: as many as there
                are.
        """
        matrix = np.zeros((size or len(self.parts), size or len(self)), dtype=bool)
        for row, members in zip(matrix, self.parts.values(), strict=False):
            row[list(members)] = True
        return matrix


def other_side(name: str) -> str | None:
    """The name with left and right exchanged ("left eye" → "right eye", "forelegL2" → "forelegR2"), or None."""
    if _SIDE.search(name):
        return _SIDE.sub(lambda found: _match_case(_OTHER[found[0].lower()], found[0]), name)
    for letter in (_LETTER_FIRST, _LETTER_LAST):
        if letter.search(name):
            return letter.sub(lambda found: _OTHER[found[0]], name)
    return None


def _match_case(word: str, model: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word


def swap_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Infer the swap pairs of a skeleton from its names: those that differ only by left and right.

    "leftear" and "l_fore_foot" count as sides here, where the other name is there to confirm it.
    """
    place: dict[str, int] = {}
    for index, name in enumerate(names):
        place.setdefault(name.lower(), index)  # of names that differ by case alone, the first has the partner
    pairs = []
    for index, name in enumerate(names):
        others = (
            other_side(name),
            *(side.sub(lambda found: _OTHER[found[0].lower()], name.lower()) for side in _CONFIRMED),
        )
        partner = next(
            (place[other.lower()] for other in others if other and place.get(other.lower(), index) != index), None
        )
        if partner is not None and index < partner and place[name.lower()] == index:
            pairs.append((index, partner))
    return tuple(pairs)
