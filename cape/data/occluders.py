"""Patches over known keypoints of people: what is hidden is known, which no annotation of real occlusion tells.

Which keypoints are covered is a pure function of (seed, place in the data set): a larger patch lies on the same ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from cape.data.people import PersonCrops
from cape.errors import UsageError

Fill = Literal["grey", "picture"]
GREY = 128


def choose_anchors(
    there: Bool[np.ndarray, "M K"], parts: Mapping[str, Sequence[int]], *, count: int, seed: int = 0
) -> Int[np.ndarray, "M _"]:
    """Keypoints to cover, in each person of different parts as far as they go; -1 where there are not so many.

    By keypoints alone most would lie in the face, which has half of them.

    Args:
        there: Keypoints that can be covered: labelled, and inside the crop.
        parts: Named groups of indices.
        count: How many in each person.
        seed: Of the choice.
    """
    anchors = np.full((len(there), count), -1)
    for person, shown in enumerate(there):
        rng = np.random.default_rng((seed, person))
        pools = [[each for each in members if shown[each]] for members in parts.values()]
        pools = [pools[place] for place in rng.permutation(len(pools)) if pools[place]][:count]
        anchors[person, : len(pools)] = [rng.choice(pool) for pool in pools]
    return anchors


def covered(
    points: Float[np.ndarray, "M K 2"], centres: Float[np.ndarray, "M _ 2"], side: float
) -> Bool[np.ndarray, "M K"]:
    """Which points lie under a square patch.

    Args:
        points: Pixels of the crops.
        centres: Of the patches; NaN is none.
        side: Of the patches, in pixels.
    """
    away = np.abs(points[:, :, None] - centres[:, None]).max(axis=-1)
    return (away <= side / 2).any(axis=-1)


class OccludedCrops(Dataset):
    """Crops of an evaluation with square patches on them.

    Args:
        crops: The crops.
        centres: Of the patches, in pixels of the crops; NaN is none.
        side: Of the patches, in pixels.
        fill: "grey", or a piece of the next person's "picture", which looks like something.
        seed: Of where the pieces are cut.

    Raises:
        UsageError: Crops that are augmented, or patches for another number of people.
    """

    def __init__(
        self, crops: PersonCrops, *, centres: Float[np.ndarray, "M _ 2"], side: float, fill: Fill = "grey",
        seed: int = 0,
    ) -> None:  # fmt: skip
        if crops.stages or len(centres) != len(crops):
            raise UsageError(
                "OccludedCrops", expected=f"crops of an evaluation and patches for {len(crops)} people",
                got=f"{len(centres)} people, {len(crops.stages)} stages of augmentation", fix="Give those that belong.",
            )  # fmt: skip
        self.crops, self.centres, self.side, self.seed = crops, centres, side, seed
        self.fill: Fill = fill

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, item: int) -> dict[str, Any]:
        """One crop; see `PersonCrops`."""
        crop = self.crops[item]
        other = self.crops[(item + 1) % len(self.crops)]["inputs"] if self.fill == "picture" else None
        image: Tensor = crop["inputs"].clone()
        rng = np.random.default_rng((self.seed, item))
        for centre in self.centres[item]:
            if np.isfinite(centre).all():
                self._paste(image, centre, other, rng)
        return {**crop, "inputs": image}

    def _paste(
        self, image: Tensor, centre: Float[np.ndarray, "2"], other: Tensor | None, rng: np.random.Generator
    ) -> None:
        """A pixel is covered if its middle is."""
        limits = np.array(image.shape[:0:-1])  # width, height
        low = np.ceil(centre - self.side / 2 - 0.5).clip(0, limits).astype(int)
        high = (np.floor(centre + self.side / 2 - 0.5) + 1).clip(low, limits).astype(int)
        (left, top), (right, bottom) = low.tolist(), high.tolist()
        piece = torch.full((1, 1, 1), GREY, dtype=image.dtype)
        if other is not None:
            x, y = (int(rng.integers(space + 1)) for space in (limits - (high - low)).tolist())
            piece = other[:, y : y + bottom - top, x : x + right - left]
        image[:, top:bottom, left:right] = piece
