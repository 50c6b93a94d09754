"""Joined: several data sets as one."""

import bisect
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from cape.data.coco import Category, group_by_category
from cape.data.episodes import Source
from cape.errors import UsageError
from cape.registry import DATASETS
from cape.structures import Instance


@DATASETS.register_module()
class Joined:
    """The categories of several sources, one source after the other. No two are taken for the same.

    Categories are numbered anew from 1; instances keep their ids, on which augmentation depends, so that features kept
    for a source alone are found.

    Args:
        sources: Data sets, or how to build them. Training passes `split`, `root` and the like on to each.
        shares: Of the training episodes, relative, for each source; None: as if all categories came from one.

    Attributes:
        categories: By their new ids.
        instances: Those of the first source come first.

    Raises:
        UsageError: No source, or shares that do not fit.
    """

    def __init__(self, *, sources: Sequence[Source | dict[str, Any]], shares: Sequence[float] | None = None) -> None:
        if not sources:
            raise UsageError("Joined", expected="at least one source", got="none", fix="Name some.")
        if shares is not None and (len(shares) != len(sources) or min(shares) <= 0):
            raise UsageError(
                "shares", expected=f"{len(sources)} numbers above 0, one for each source", got=repr(list(shares)),
                fix="Mend them, or leave them out.",
            )  # fmt: skip
        self.sources: list[Source] = [DATASETS.build(each) if isinstance(each, dict) else each for each in sources]
        self.shares = None if shares is None else tuple(shares)
        self.categories: dict[int, Category] = {}
        self.instances: list[Instance] = []
        self.parts: dict[int, int] = {}
        self._starts: list[int] = []
        for part, source in enumerate(self.sources):
            self._starts.append(len(self.instances))
            new = {old: len(self.categories) + place for place, old in enumerate(source.categories, start=1)}
            self.categories |= {new[old]: each._replace(id=new[old]) for old, each in source.categories.items()}
            self.instances += [each._replace(category=new[each.category]) for each in source.instances]
            self.parts |= dict.fromkeys(new.values(), part)

    def __len__(self) -> int:
        return len(self.instances)

    def by_category(self) -> dict[int, list[int]]:
        """Indices of `instances` per category id."""
        return group_by_category(self.categories, self.instances)

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The whole picture of an instance, RGB.

        Raises:
            PictureError: As its source.
        """
        part = bisect.bisect(self._starts, index) - 1
        return self.sources[part].picture(index - self._starts[part])

    def weighed(self, categories: Sequence[int], weights: Float[np.ndarray, "_"]) -> Float[np.ndarray, "_"]:
        """How often categories are visited: each source's weights, scaled to its share."""
        if self.shares is None:
            return weights
        parts = np.array([self.parts[number] for number in categories])
        totals = np.bincount(parts, weights, minlength=len(self.shares))
        return weights / totals[parts] * np.array(self.shares)[parts]

    @property
    def licences(self) -> Counter[str]:
        """How many pictures are used, by what the sources that know it tell of their licences."""
        found: Counter[str] = Counter()
        for source in self.sources:
            found.update(getattr(source, "licences", {}))
        return found
