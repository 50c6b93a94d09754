"""Episodes: the official test pairs, bit for bit, and seeded random episodes for training.

The protocol of POMNet, CapeFormer, GraphCape, CapeX and EdgeCape (specification of the data, §2.1): for each category
in file order, 200 times, one `random.sample` of shots + 15 instances; the first are the support, each of the other 15
is one query. 20 categories give 60,000 pairs, for 1 shot and 5 shots alike.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from mmengine.registry import FUNCTIONS
from torch.utils.data import Dataset, default_collate

from cape.data.coco import Category
from cape.data.transforms import Augmentation, crop_square, make_view, to_crop
from cape.data.variation import Variation, resized
from cape.errors import AnnotationError, UsageError
from cape.registry import DATASETS
from cape.structures import Episode, Instance, View

EPISODES = {"train": 200, "val": 100, "test": 200}
QUERIES = 15


@runtime_checkable
class Source(Protocol):
    """What episodes are drawn from: `CocoKeypoints`, `MP100`, `Drawn`, or your own class with these members."""

    categories: dict[int, Category]
    instances: list[Instance]

    def by_category(self) -> dict[int, list[int]]: ...  # noqa: D102 (described by CocoKeypoints)

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]: ...  # noqa: D102


class Pairs(NamedTuple):
    """The table of an evaluation."""

    table: Int64[np.ndarray, "N _"]
    """Indices into `instances`: S supports, then the query."""
    skipped: dict[int, int]
    """Categories with fewer than shots + 15 instances, and how many they have: the sampler cannot draw from them."""

    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the little-endian table: equal digests are equal episodes."""
        return hashlib.sha256(self.table.astype("<i8").tobytes()).hexdigest()[:16]


def official_pairs(
    pools: Mapping[int, Sequence[int]], *, shots: int = 1, episodes: int = 200, queries: int = QUERIES, seed: int = 1
) -> Pairs:
    """Draw the official pairs.

    Args:
        pools: Instance indices per category, in file order (`by_category`).
        shots: Support pictures of an episode.
        episodes: Per category: 200 at test, 100 at validation.
        queries: Per episode.
        seed: The official one is 1.

    Raises:
        UsageError: Shots, episodes or queries below 1, or no category is large enough.
    """
    if min(shots, episodes, queries) < 1:
        raise UsageError(
            "episodes", expected="shots, episodes and queries of at least 1", got=f"{shots}, {episodes}, {queries}",
            fix="Raise the one that is 0.",
        )  # fmt: skip
    generator = random.Random(seed)
    rows, skipped = [], {}
    for category, pool in pools.items():
        if len(pool) < shots + queries:
            skipped[category] = len(pool)
            continue
        for _ in range(episodes):
            drawn = generator.sample(list(pool), shots + queries)
            rows.extend([*drawn[:shots], query] for query in drawn[shots:])
    if not rows:
        raise UsageError(
            f"{shots}-shot episodes",
            expected=f"a category with at least {shots + queries} instances",
            got=f"at most {max(skipped.values(), default=0)}",
            fix="Use fewer shots or a larger data set, or see what the reader dropped (`dropped`).",
        )
    return Pairs(np.array(rows, dtype=np.int64), skipped)


class PoseTable(NamedTuple):
    """All instances of a source as padded arrays, in pixels: what evaluation and the pictureless baselines need."""

    points: Float[np.ndarray, "M K 2"]
    visible: Bool[np.ndarray, "M K"]
    box: Float[np.ndarray, "M 4"]
    """As annotated: its longest side is what errors are divided by."""
    category: Int64[np.ndarray, "M"]
    crop: Float[np.ndarray, "M 4"]
    """The box that views are cut around: `box`, unless the source says otherwise."""

    @property
    def side(self) -> Float[np.ndarray, "M"]:
        """Longest side of the annotated box, pixels."""
        return self.box[:, 2:].max(axis=1)


def pose_table(instances: Sequence[Instance], *, keypoints: int | None = None) -> PoseTable:
    """Stack instances, padding keypoints with zeros and False to `keypoints`, or the largest K."""
    width = keypoints or max(len(instance.points) for instance in instances)
    points = np.zeros((len(instances), width, 2))
    visible = np.zeros((len(instances), width), dtype=bool)
    for row, instance in enumerate(instances):
        points[row, : len(instance.points)] = instance.points
        visible[row, : len(instance.points)] = instance.visibility > 0
    box, crop = (
        np.array(boxes, dtype=np.float64) for boxes in zip(*((x.box, x.around) for x in instances), strict=True)
    )
    category = np.array([instance.category for instance in instances], dtype=np.int64)
    return PoseTable(points, visible, box, category, crop)


@DATASETS.register_module()
class Episodes(Dataset):
    """Episodes of a source as tensors, for a DataLoader.

    In training, item i of epoch e is a pure function of (seed, e, i): whatever the number of workers, the order of
    access or an interruption, the same episode comes back. As in the official code an epoch visits each category as
    often as the largest category has instances.

    Args:
        source: Where instances come from: an object, or a registered type with its options.
        pairs: The table of an evaluation, or options of `official_pairs` to draw it; None draws at random.
        shots: Support views.
        seed: Of the random draws.
        size: Side of a view in pixels.
        keypoints: Pad to this K; None: the largest of the source.
        augmentation: Of training views. Evaluation has none.
        fraction: Train on this share of each category's instances, chosen by the seed (at least shots + 1 of them).
        variation: Of whole training episodes.
        same: Share of training episodes whose query is another view of the (first) support instance.
        balance: How often a category is visited: "equal" (the official way) or by the "root" of its size.
        length: Training episodes of an epoch. None: the largest category's instances, times the categories.
        asked: A model may be asked for the keypoints that "all" supports show (the protocol), or "any" of them. Which
            keypoints an evaluation scores does not depend on it.
        bank: Views made and encoded beforehand, M instances by V variants with feature maps in place of pictures
            (`features.make_bank`). Training draws a variant, evaluation takes the first, the official crop.

    Attributes:
        skipped: Categories too small for an episode, with their number of instances; those of `pairs` if given.
        table: All instances as arrays.

    Raises:
        UsageError: `keypoints` is below the source's largest K, the seed is negative, the fraction not in (0, 1], or
            the length below 1.
        AnnotationError: No category has shots + 1 instances.
    """

    def __init__(
        self,
        *,
        source: Source | dict[str, Any],
        pairs: Pairs | dict[str, Any] | None = None,
        shots: int = 1,
        seed: int = 0,
        size: int = 256,
        keypoints: int | None = None,
        augmentation: Augmentation | dict[str, float] = Augmentation(),  # noqa: B008 (a NamedTuple is immutable)
        fraction: float = 1.0,
        variation: Variation | dict[str, Any] = Variation(),  # noqa: B008
        same: float = 0.0,
        balance: Literal["equal", "root"] = "equal",
        length: int | None = None,
        asked: Literal["all", "any"] = "all",
        bank: View | None = None,
    ) -> None:
        if seed < 0 or not 0 < fraction <= 1 or (length is not None and length < 1):
            raise UsageError(
                "seed, fraction, length",
                expected="a seed of at least 0, a fraction above 0, at most 1, and a length of at least 1",
                got=f"{seed}, {fraction}, {length}",
                fix="Change them.",
            )
        self.source: Source = DATASETS.build(source) if isinstance(source, dict) else source
        pools = self.source.by_category()
        self.pairs = official_pairs(pools, **{"shots": shots, **pairs}) if isinstance(pairs, dict) else pairs
        self.shots = shots if self.pairs is None else self.pairs.table.shape[1] - 1
        self.seed, self.size, self.bank = seed, size, bank
        self.augmentation = Augmentation(**augmentation) if isinstance(augmentation, dict) else augmentation
        self.variation = Variation(**variation) if isinstance(variation, dict) else variation
        self.same, self.asked, self.length = same, asked, length
        self.keypoints = _padding(self.source, keypoints)
        self.pools = [
            _share(pool, fraction, self.shots, seed=(seed, number))
            for number, pool in pools.items()
            if len(pool) > self.shots
        ]
        weights = np.array([len(pool) ** 0.5 if balance == "root" else 1.0 for pool in self.pools])
        weighed = getattr(self.source, "weighed", None)  # of a `Joined`
        if weighed is not None:
            weights = weighed([number for number, pool in pools.items() if len(pool) > self.shots], weights)
        self.edges = np.cumsum(weights) / weights.sum()
        small = {number: len(pool) for number, pool in pools.items() if len(pool) <= self.shots}
        self.skipped = small if self.pairs is None else self.pairs.skipped
        if self.pairs is None and not self.pools:
            raise AnnotationError(
                "training episodes", expected=f"a category with {self.shots + 1} instances", got="none", fix="Add some."
            )
        self.table = pose_table(self.source.instances, keypoints=self.keypoints)
        self.metainfo = {"categories": {number: each.name for number, each in self.source.categories.items()}}
        # Shared memory: a worker that stays alive between epochs sees the new number.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def digest(self) -> str:
        """SHA-256 of what is learnt from: instances, labels and texts, wherever they lie."""
        found = hashlib.sha256(repr([(each.id, each.picture) for each in self.source.instances]).encode())
        found.update(repr([(each.name, each.texts) for each in self.source.categories.values()]).encode())
        for values in (self.table.points, self.table.visible, self.table.crop, self.table.category):
            found.update(np.ascontiguousarray(values).tobytes())
        return found.hexdigest()

    def set_epoch(self, epoch: int) -> None:
        """Choose which of the infinitely many random epochs `self[i]` belongs to."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        if self.pairs is not None:
            return len(self.pairs.table)
        return self.length or len(self.pools) * max(len(pool) for pool in self.pools)

    def __getitem__(self, item: int) -> Episode:
        """Episode `item` of this epoch; the query is the last instance drawn."""
        if not 0 <= item < len(self):
            raise IndexError(item)
        if self.pairs is not None:
            drawn, rng = self.pairs.table[item], None
        else:
            rng = np.random.default_rng((self.seed, int(self._epoch), item))
            pool = self.pools[np.searchsorted(self.edges, (item + 0.5) / len(self))]
            drawn = rng.choice(pool, self.shots + 1, replace=False)
            drawn[-1] = drawn[0] if rng.random() < self.same else drawn[-1]
        *supports, query = (self.view(int(index), rng) for index in drawn)
        support = View(*(torch.stack(field) for field in zip(*supports, strict=True)))
        episode = self._episode(item, support, query, int(drawn[-1]))
        return episode if rng is None else self.variation(episode, rng)

    def labels(self, item: int) -> Episode:
        """Episode `item` of an evaluation without its pictures (they have no pixels): all that scoring needs."""
        if self.pairs is None:
            raise UsageError("labels", expected="the pairs of an evaluation", got="random episodes", fix="Give pairs.")
        drawn = self.pairs.table[item]
        points = torch.from_numpy(to_crop(self.table.points[drawn], self.table.crop[drawn])).float()
        visible = torch.from_numpy(self.table.visible[drawn])
        blank = View(torch.zeros(len(drawn), 3, 0, 0), points, visible, torch.zeros(len(drawn), 2, 3))
        return self._episode(item, View(*(x[:-1] for x in blank)), View(*(x[-1] for x in blank)), int(drawn[-1]))

    def _episode(self, item: int, support: View, query: View, index: int) -> Episode:
        category = self.source.categories[self.source.instances[index].category]
        return Episode(
            support=support,
            query=query,
            mask=getattr(support.visible, self.asked)(dim=0),
            adjacency=torch.from_numpy(category.skeleton.adjacency(self.keypoints)),
            mirror=torch.from_numpy(_mirror(category, self.keypoints)),
            parts=torch.from_numpy(category.skeleton.membership(self.keypoints)),
            names=category.texts + ("",) * (self.keypoints - len(category.texts)),
            category=category.id,
            pair=item,
        )

    def view(self, index: int, rng: np.random.Generator | None = None) -> View:
        """One instance's view: augmented by `rng`, or the official crop."""
        if self.bank is not None:
            variant = 0 if rng is None else int(rng.integers(self.bank.image.shape[1]))
            image, *labels = (field[index, variant] for field in self.bank)
            return View(image.float(), *labels)
        return self.views(index, [rng])[0]

    def views(self, index: int, rngs: Sequence[np.random.Generator | None]) -> list[View]:
        """Several views of one instance, whose picture is decoded once.

        Without known swap pairs nothing is mirrored: a left jaw would be taught as the right one.
        """
        instance, picture = self.source.instances[index], self.source.picture(index)
        category = self.source.categories[instance.category]
        mirror = _mirror(category, self.keypoints) if category.skeleton.swap else None
        return [
            make_view(
                picture, self.table.points[index], self.table.visible[index], crop_square(instance.around),
                size=self.size, mirror=mirror, augmentation=self.augmentation, rng=rng,
            )
            for rng in rngs
        ]  # fmt: skip


def mirrors(source: Source, keypoints: int) -> Int64[np.ndarray, "M K"]:
    """Of each instance: which keypoint each becomes in a mirror image, padded to K."""
    known = {number: _mirror(category, keypoints) for number, category in source.categories.items()}
    return np.stack([known[instance.category] for instance in source.instances])


def _mirror(category: Category, keypoints: int) -> Int64[np.ndarray, "K"]:
    mirror = np.arange(keypoints)
    mirror[: len(category.skeleton)] = category.skeleton.mirror()
    return mirror


def _padding(source: Source, keypoints: int | None) -> int:
    largest = max(len(category.skeleton) for category in source.categories.values())
    if keypoints is not None and keypoints < largest:
        raise UsageError(
            "keypoints", expected=f"at least {largest}, the source's largest K", got=str(keypoints), fix="Raise it."
        )
    return keypoints or largest


def _share(pool: Sequence[int], fraction: float, shots: int, *, seed: tuple[int, int]) -> Int64[np.ndarray, "_"]:
    """A random part of a category, in file order."""
    count = max(shots + 1, round(fraction * len(pool)))
    chosen = np.random.default_rng(seed).permutation(len(pool))[:count]
    return np.array(pool)[np.sort(chosen)]


@FUNCTIONS.register_module()
def collate_episodes(episodes: Sequence[Episode]) -> Episode:
    """Stack episodes to a batch as wide as its largest K, not the data set's: attention is quadratic in it."""
    asked = [episode.mask.nonzero()[:, 0] for episode in episodes]
    keypoints = max(int(each[-1]) + 1 if len(each) else 1 for each in asked)
    return default_collate([resized(episode, keypoints) for episode in episodes])
