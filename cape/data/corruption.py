"""Damaged prompts: wrong or missing names, careless clicks, hidden support keypoints.

The names of a damaged prompt are a pure function of (seed, ids of the support set), the clicks and the picture of a
support one of (seed, its id): whatever else is evaluated, in whatever order, however the keypoints are padded. What a
smaller rate damages, a larger one damages too. Only the prompt is touched: queries, and what is scored, are as ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from cape.data.episodes import PoseTable, Source
from cape.data.prompts import Style, TextPack
from cape.data.transforms import from_crop, to_crop
from cape.data.typos import mistyped
from cape.errors import UsageError
from cape.structures import Instance

TextKind = Literal["synonyms", "typos", "other_language", "drop", "shuffle", "wrong_category", "empty"]
SupportKind = Literal["jitter", "wrong_clicks", "unclicked", "occluded"]
TEXT_KINDS: tuple[str, ...] = get_args(TextKind)
SUPPORT_KINDS: tuple[str, ...] = get_args(SupportKind)
KINDS = TEXT_KINDS + SUPPORT_KINDS
PACKED, CLICKED = ("synonyms", "typos", "other_language"), ("jitter", "wrong_clicks", "unclicked")

JITTER = 0.1
"""Standard deviation of a careless click along each axis, in longest sides of the box: half of PCK@0.2's radius."""
PATCH = 0.15
"""Side of a grey patch, in sides of the crop."""
GREY = 128


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One kind of damage.

    Of the keypoint names, a share `rate` is, keypoint by keypoint,

        synonyms, typos, other_language   those of the text pack of that name,
        drop                              "",
        shuffle                           exchanged among one another,
        wrong_category                    names of one other category of the source;
        empty                             and of the prompts, a share has no name at all.

    Of the keypoints that a support shows, a share `rate` is

        jitter         clicked beside the place, by N(0, 0.1 of the box's longest side) along each axis,
        wrong_clicks   clicked on another keypoint's place or, as often, anywhere in the crop,
        unclicked      not clicked: it is asked for by its name alone,
        occluded       clicked, but under a grey patch in the picture, its side 0.15 of the crop's.

    Args:
        kind: One of `KINDS`.
        rate: 0 to 1; 0 is the clean prompt, bit for bit.
        seed: Of everything random.

    Raises:
        UsageError: An unknown kind, or a number out of range.
    """

    kind: str
    rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if self.kind not in KINDS or not 0 <= self.rate <= 1 or self.seed < 0:
            raise UsageError(
                "corruption", expected=f"one of {', '.join(KINDS)}, a rate from 0 to 1 and a seed of at least 0",
                got=f"{self.kind}, {self.rate}, {self.seed}", fix="Change it.",
            )  # fmt: skip

    @property
    def occludes(self) -> bool:
        """Whether the support pictures are others."""
        return self.kind == "occluded" and self.rate > 0

    def texts(self, source: Source, category: int, support: Sequence[int]) -> tuple[str, ...]:
        """The category's K names in the prompt of a support set, "" where a keypoint has none.

        Args:
            source: What the prompts are drawn from.
            category: Its id.
            support: Indices of the support instances.
        """
        texts = source.categories[category].texts
        if self.kind not in TEXT_KINDS or self.rate == 0:
            return texts
        rng = self._rng(*(source.instances[index].id for index in support))
        hit = rng.random(1 if self.kind == "empty" else len(texts)) < self.rate
        chosen = np.flatnonzero(hit & np.array([bool(text) for text in texts]))
        new = dict(zip(chosen.tolist(), self._replacements(source, category, chosen, rng), strict=True))
        return tuple(new.get(place, text) for place, text in enumerate(texts))

    def _replacements(
        self, source: Source, category: int, chosen: Int[np.ndarray, "_"], rng: np.random.Generator
    ) -> list[str]:
        texts = source.categories[category].texts
        if self.kind in PACKED:
            other = _other_words(self.kind, category, source.categories[category].name, texts)
            return [other[place] for place in chosen]
        if self.kind == "shuffle":  # along a circle: nobody keeps a name, unless alone
            order = np.argsort(rng.random(len(chosen)))
            moved = np.empty_like(chosen)
            moved[order] = chosen[np.roll(order, 1)]
            return [texts[place] for place in moved]
        if self.kind == "wrong_category":
            return _foreign(source, category, chosen, rng)
        return [""] * len(chosen)

    def clicks(self, instances: Sequence[Instance], table: PoseTable) -> PoseTable:
        """The table as the annotators of support pictures would have clicked it. For supports: queries keep theirs."""
        if self.kind not in CLICKED or self.rate == 0:
            return table
        points, visible = table.points.copy(), table.visible.copy()
        for row, instance in enumerate(instances):
            shown, hit, rng = self._hit(instance)
            if self.kind == "unclicked":
                visible[row, shown[hit]] = False
            elif len(shown):
                box, square = table.box[row : row + 1], table.crop[row : row + 1]
                moved = table.points[row : row + 1, shown]
                if self.kind == "jitter":
                    moved = moved + JITTER * box[0, 2:].max() * rng.standard_normal(moved.shape)
                place = to_crop(moved, square)[0]
                place = _elsewhere(place, rng) if self.kind == "wrong_clicks" else place
                points[row, shown[hit]] = from_crop(place.clip(0, 1)[None], square)[0, hit]
        return table._replace(points=points, visible=visible)

    def occluded(self, crop: UInt8[np.ndarray, "H W 3"], instance: Instance) -> UInt8[np.ndarray, "H W 3"]:
        """The official crop of a support, with grey patches if that is the kind."""
        if not self.occludes:
            return crop
        shown, hit, _ = self._hit(instance)
        crop = crop.copy()
        side = len(crop)
        for x, y in to_crop(instance.points[None], instance.around[None])[0, shown[hit]] * side:
            top, left = (max(0, round(float(middle) - PATCH * side / 2)) for middle in (y, x))
            bottom, right = (max(0, round(float(middle) + PATCH * side / 2)) for middle in (y, x))
            crop[top:bottom, left:right] = GREY
        return crop

    def _hit(self, instance: Instance) -> tuple[Int[np.ndarray, "_"], Bool[np.ndarray, "_"], np.random.Generator]:
        """The keypoints that an instance shows, which of them are damaged, and what to draw from next."""
        shown = np.flatnonzero(instance.visibility > 0)
        rng = self._rng(instance.id)
        return shown, rng.random(len(shown)) < self.rate, rng

    def _rng(self, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, KINDS.index(self.kind), *(number % 2**64 for number in numbers)])


CLEAN = Corruption(kind="drop", rate=0.0)
"""No damage."""


def _elsewhere(place: Float[np.ndarray, "K 2"], rng: np.random.Generator) -> Float[np.ndarray, "K 2"]:
    """Another keypoint's place, or anywhere; anywhere for a keypoint that is alone."""
    count = len(place)
    anywhere = rng.random((count, 2))
    another = place[(np.arange(count) + rng.integers(1, max(count, 2), count)) % count]
    return np.where((rng.random(count) < 0.5)[:, None] | (count == 1), anywhere, another)


@cache
def _other_words(kind: str, number: int, name: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """A category's texts as another pack has them: phrased alike where they are mp100's, else name by name."""
    pack = TextPack.load(kind)
    own, other = (each.texts(number, name, len(texts)) or [] for each in (TextPack.load("mp100"), pack))
    for style in get_args(Style):
        if own and tuple(text.phrase(style) for text in own) == texts:
            return tuple(text.phrase(style) for text in other)
    return tuple(mistyped(text) if kind == "typos" else pack.reworded(text) for text in texts)


def _foreign(source: Source, category: int, chosen: Int[np.ndarray, "_"], rng: np.random.Generator) -> list[str]:
    """Names of one other category that has some."""
    others = [each.texts for number, each in source.categories.items() if number != category and any(each.texts)]
    if not others:
        raise UsageError(
            "wrong_category", expected="another category with keypoint names", got="none", fix="Choose another kind."
        )
    names = [text for text in others[rng.integers(len(others))] if text]
    order = rng.permutation(len(names))
    return [names[order[place % len(names)]] for place in chosen]
