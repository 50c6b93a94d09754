"""Variation of whole episodes, against learning the few layouts of a small training set by heart."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

from cape.structures import Episode, View


class Variation(NamedTuple):
    """How a training episode may differ from its annotation. The default changes nothing."""

    limit: int | None = None
    """Ask for at most so many keypoints, chosen at random: attention is quadratic in them."""
    subset: float = 0.0
    """Probability of asking for a random part of the keypoints, three at least."""
    shuffle: bool = False
    """Random order: no index means anything."""
    bare: float = 0.0
    """Probability of an episode without its skeleton."""
    between: int = 0
    """So many nameless keypoints more, each somewhere on the line between two others, the same in all views."""

    def __call__(self, episode: Episode, rng: np.random.Generator) -> Episode:
        """A variation of an episode whose padding is False in `mask`."""
        if self == Variation():
            return episode
        episode = _select(episode, self._chosen(episode.mask.numpy(), rng))
        if rng.random() < self.bare:
            bare = {"adjacency": episode.adjacency, "parts": episode.parts}
            episode = episode._replace(**{name: torch.zeros_like(each) for name, each in bare.items()})
        return self._with_between(episode, rng)

    def _chosen(self, mask: Bool[np.ndarray, "K"], rng: np.random.Generator) -> Int[np.ndarray, "_"]:
        asked = rng.permutation(np.flatnonzero(mask))
        count = min(len(asked), self.limit or len(asked))
        if len(asked) > 3 and rng.random() < self.subset:
            count = min(count, int(rng.integers(3, len(asked) + 1)))
        return asked[:count] if self.shuffle else np.sort(asked[:count])

    def _with_between(self, episode: Episode, rng: np.random.Generator) -> Episode:
        count = int(episode.mask.sum())
        if self.between == 0 or count < 2:
            return episode
        ends = np.stack([rng.choice(count, 2, replace=False) for _ in range(self.between)])
        first, second = torch.from_numpy(ends).unbind(dim=1)
        share = torch.from_numpy(rng.uniform(0.2, 0.8, (self.between, 1))).float()

        def extended(view: View) -> View:
            points = share * view.points[..., first, :] + (1 - share) * view.points[..., second, :]
            visible = view.visible[..., first] & view.visible[..., second]
            return view._replace(
                points=torch.cat([view.points[..., :count, :], points], dim=-2),
                visible=torch.cat([view.visible[..., :count], visible], dim=-1),
            )

        support, query, width = extended(episode.support), extended(episode.query), count + self.between
        return episode._replace(
            support=support,
            query=query,
            mask=torch.cat([episode.mask[:count], support.visible[:, count:].all(dim=0)]),
            adjacency=_of_size(episode.adjacency[:count, :count], width),
            mirror=torch.cat([episode.mirror[:count], torch.arange(count, width)]),
            parts=_of_size(_members(episode.parts[:, :count]), width),
            names=episode.names[:count] + ("",) * self.between,
        )


def _select(episode: Episode, chosen: Int[np.ndarray, "_"]) -> Episode:
    """Some keypoints of an episode, in a new order."""
    index: Tensor = torch.from_numpy(chosen)
    support, query = (
        view._replace(points=view.points[..., index, :], visible=view.visible[..., index])
        for view in (episode.support, episode.query)
    )
    return episode._replace(
        support=support,
        query=query,
        mask=episode.mask[index],
        adjacency=episode.adjacency[index][:, index],
        mirror=_reindexed(episode.mirror, index),
        parts=_of_size(_members(episode.parts[:, index]), len(index)),
        names=tuple(episode.names[place] for place in chosen),
    )


def _reindexed(mirror: Int[Tensor, "_"], chosen: Int[Tensor, "_"] | int) -> Int[Tensor, "_"]:
    """Counterparts of some keypoints, or of the first ones, by their new numbers; who has lost theirs has none."""
    chosen = torch.arange(chosen) if isinstance(chosen, int) else chosen
    new = torch.arange(len(chosen))
    place = torch.full_like(mirror, -1)
    place[chosen] = new
    found = place[mirror[chosen]]
    return torch.where(found < 0, new, found)


def resized(episode: Episode, keypoints: int) -> Episode:
    """An episode of K keypoints: padding is added at the end, or cut off."""
    more = keypoints - len(episode.mask)
    support, query = (
        view._replace(points=F.pad(view.points, (0, 0, 0, more)), visible=F.pad(view.visible, (0, more)))
        for view in (episode.support, episode.query)
    )
    return episode._replace(
        support=support,
        query=query,
        mask=F.pad(episode.mask, (0, more)),
        adjacency=_of_size(episode.adjacency, keypoints),
        mirror=_reindexed(torch.cat([episode.mirror, torch.arange(keypoints)[len(episode.mask) :]]), keypoints),
        parts=_of_size(_members(episode.parts), keypoints),
        names=(episode.names + ("",) * more)[:keypoints],
    )


def _members(parts: Bool[Tensor, "P K"]) -> Bool[Tensor, "_ K"]:
    """The parts that have any, so that cutting a padded list loses none while there is room."""
    return parts[parts.any(dim=1)]


def _of_size(matrix: Bool[Tensor, "_ _"], size: int) -> Bool[Tensor, "_ _"]:
    """A square of so many rows and columns: padded with False at the end, or cut off."""
    rows, columns = matrix.shape
    return F.pad(matrix, (0, size - columns, 0, size - rows))
