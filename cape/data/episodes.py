"""Episodes: the official test pairs, bit for bit, and seeded random episodes for training.

The protocol of POMNet, CapeFormer, GraphCape, CapeX and EdgeCape (specification of the data, §2.1): for each category
in file order, 200 times, one `random.sample` of shots + 15 instances; the first are the support, each of the other 15
is one query. 20 categories give 60,000 pairs, for 1 shot and 5 shots alike.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch.utils.data import Dataset

from cape.data.coco import Category
from cape.data.transforms import Augmentation, crop_square, make_view
from cape.errors import AnnotationError, UsageError
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
    category: Int64[np.ndarray, "M"]


def pose_table(instances: Sequence[Instance]) -> PoseTable:
    """Stack instances, padding keypoints with zeros and False to the largest K."""
    width = max(len(instance.points) for instance in instances)
    points = np.zeros((len(instances), width, 2))
    visible = np.zeros((len(instances), width), dtype=bool)
    for row, instance in enumerate(instances):
        points[row, : len(instance.points)] = instance.points
        visible[row, : len(instance.points)] = instance.visibility > 0
    box = np.array([instance.box for instance in instances], dtype=np.float64)
    return PoseTable(points, visible, box, np.array([instance.category for instance in instances], dtype=np.int64))


class Episodes(Dataset):
    """Episodes as tensors.

    In training, item i of epoch e is a pure function of (seed, e, i): whatever the number of workers, the order of
    access or an interruption, the same episode comes back. As in the official code an epoch visits each category as
    often as the largest category has instances.

    Args:
        source: Where instances come from.
        pairs: The table of an evaluation; None draws at random.
        shots: Support views.
        seed: Of the random draws.
        size: Side of a view in pixels.
        keypoints: Pad to this K; None: the largest of the source.
        augmentation: Of training views. Evaluation has none.

    Attributes:
        skipped: Categories too small for an episode, with their number of instances; those of `pairs` if given.

    Raises:
        UsageError: `keypoints` is below the source's largest K, or the seed is negative.
        AnnotationError: No category has shots + 1 instances.
    """

    def __init__(
        self,
        source: Source,
        *,
        pairs: Pairs | None = None,
        shots: int = 1,
        seed: int = 0,
        size: int = 256,
        keypoints: int | None = None,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 (a NamedTuple is immutable)
    ) -> None:
        if seed < 0:
            raise UsageError("seed", expected="at least 0", got=str(seed), fix="Choose another.")
        self.source, self.pairs, self.seed, self.size = source, pairs, seed, size
        self.shots = shots if pairs is None else pairs.table.shape[1] - 1
        self.augmentation = augmentation
        largest = max(len(category.skeleton) for category in source.categories.values())
        self.keypoints = largest if keypoints is None else keypoints
        if self.keypoints < largest:
            raise UsageError(
                "keypoints", expected=f"at least {largest}, the source's largest K", got=str(keypoints), fix="Raise it."
            )
        pools = source.by_category()
        self.pools = [np.array(pool) for pool in pools.values() if len(pool) > self.shots]
        small = {number: len(pool) for number, pool in pools.items() if len(pool) <= self.shots}
        self.skipped = small if pairs is None else pairs.skipped
        if pairs is None and not self.pools:
            raise AnnotationError(
                "training episodes", expected=f"a category with {self.shots + 1} instances", got="none", fix="Add some."
            )
        # Shared memory: a worker that stays alive between epochs sees the new number.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose which of the infinitely many random epochs `self[i]` belongs to."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        if self.pairs is not None:
            return len(self.pairs.table)
        return len(self.pools) * max(len(pool) for pool in self.pools)

    def __getitem__(self, item: int) -> Episode:
        """Episode `item` of this epoch; the query is the last instance drawn."""
        if not 0 <= item < len(self):
            raise IndexError(item)
        if self.pairs is not None:
            drawn, rng = self.pairs.table[item], None
        else:
            rng = np.random.default_rng((self.seed, int(self._epoch), item))
            pool = self.pools[item * len(self.pools) // len(self)]
            drawn = rng.choice(pool, self.shots + 1, replace=False)
        *supports, query = (self._view(int(index), rng) for index in drawn)
        support = View(*(torch.stack(field) for field in zip(*supports, strict=True)))
        category = self.source.categories[self.source.instances[int(drawn[-1])].category]
        return Episode(
            support=support,
            query=query,
            mask=support.visible.all(dim=0),
            adjacency=torch.from_numpy(category.skeleton.adjacency(self.keypoints)),
            names=category.texts + ("",) * (self.keypoints - len(category.texts)),
            category=category.id,
            pair=item,
        )

    def _view(self, index: int, rng: np.random.Generator | None) -> View:
        instance = self.source.instances[index]
        count = len(instance.points)
        points = np.zeros((self.keypoints, 2))
        visible = np.zeros(self.keypoints, dtype=bool)
        points[:count], visible[:count] = instance.points, instance.visibility > 0
        mirror = np.arange(self.keypoints)
        mirror[:count] = self.source.categories[instance.category].skeleton.mirror()
        return make_view(
            self.source.picture(index), points, visible, crop_square(instance.box), size=self.size, mirror=mirror,
            augmentation=self.augmentation, rng=rng,
        )  # fmt: skip
