"""`cape.data.variation`: what an episode is about survives each change of its form."""

import numpy as np
import pytest
import torch

from cape.data.drawn import Drawn
from cape.data.episodes import Episodes, collate_episodes
from cape.data.variation import Variation, resized
from cape.structures import Episode


@pytest.fixture(scope="module")
def episode() -> Episode:
    episodes = Episodes(source=Drawn(instances=4, categories=("quadruped",), size=96), shots=2, size=16, keypoints=30)
    return max((episodes[item] for item in range(4)), key=lambda each: int(each.mask.sum()))


def vary(episode: Episode, seed: int = 0, **options) -> Episode:
    return Variation(**options)(episode, np.random.default_rng(seed))


def rows(episode: Episode) -> dict[str, list]:
    """What each asked keypoint is, by its name."""
    return {
        name: [episode.query.points[k].tolist(), episode.support.points[:, k].tolist(), bool(episode.query.visible[k])]
        for k, name in enumerate(episode.names)
        if episode.mask[k]
    }


def edges(episode: Episode) -> set[frozenset[str]]:
    return {frozenset((episode.names[a], episode.names[b])) for a, b in episode.adjacency.nonzero().tolist()}


def test_the_default_changes_nothing(episode: Episode) -> None:
    assert vary(episode) is episode


def test_shuffling_keeps_points_names_and_edges_together(episode: Episode) -> None:
    varied = vary(episode, shuffle=True)
    assert rows(varied) == rows(episode)
    assert varied.names != episode.names[: len(varied.names)]
    asked = set(rows(episode))
    assert edges(varied) == {edge for edge in edges(episode) if edge <= asked} != set()
    assert varied.support.points.shape == (2, int(episode.mask.sum()), 2)


def counterparts(episode: Episode) -> set[tuple[str, str]]:
    count = int(episode.mask.sum()) if episode.mask.all() else len(episode.names)
    return {(episode.names[k], episode.names[int(episode.mirror[k])]) for k in range(count) if episode.mask[k]}


def members(episode: Episode) -> set[frozenset[str]]:
    return {frozenset(episode.names[k] for k in row.nonzero()[:, 0].tolist()) for row in episode.parts if row.any()}


@pytest.mark.parametrize("subset", [0.0, 1.0])
def test_mirrors_and_parts_go_along(episode: Episode, subset: float) -> None:
    """Who is whose counterpart, and of which part, is told by names; one whose counterpart is not asked has none."""
    parts = torch.zeros_like(episode.parts)
    parts[0, ::2] = parts[3, 1:4] = True
    episode = episode._replace(parts=parts)
    assert any(a != b for a, b in counterparts(episode))
    for seed in range(5):
        varied = vary(episode, seed, shuffle=True, subset=subset, between=2)
        asked = {name for name in varied.names if name}
        known = {(a, b if b in asked else a) for a, b in counterparts(episode) if a in asked}
        assert {pair for pair in counterparts(varied) if pair[0]} == known
        assert members(varied) == {each & asked for each in members(episode)} - {frozenset()}
        wide = resized(varied, 40)
        assert members(wide) == members(varied) and wide.parts.shape == (40, 40)


def test_limit_and_subset(episode: Episode) -> None:
    count = int(episode.mask.sum())
    assert count > 8
    kept = {tuple(vary(episode, seed, limit=5).names) for seed in range(8)}
    assert all(len(names) == 5 for names in kept) and len(kept) > 4
    assert all(list(names) == sorted(names, key=episode.names.index) for names in kept), "in order unless shuffled"
    sizes = {len(vary(episode, seed, subset=1.0).names) for seed in range(30)}
    assert min(sizes) >= 3 and len(sizes) > 4 and max(sizes) <= count


def test_skeletons_are_left_out(episode: Episode) -> None:
    bare = [not vary(episode, seed, bare=0.5).adjacency.any() for seed in range(40)]
    assert 8 < sum(bare) < 32


def test_points_between_others_are_the_same_place_in_every_view(episode: Episode) -> None:
    varied = vary(episode, between=4)
    count = int(episode.mask.sum())
    assert varied.names[count:] == ("",) * 4 and not varied.adjacency[count:].any()
    shared = torch.cat([varied.support.points, varied.query.points[None]])  # [S + 1, K, 2]
    for place in range(count, count + 4):
        found = [
            (a, b, share)
            for a in range(count)
            for b in range(count)
            for share in [_share(shared[0, place], shared[0, a], shared[0, b])]
            if a != b and 0.19 < share < 0.81
        ]
        assert any(
            torch.allclose(shared[:, place], share * shared[:, a] + (1 - share) * shared[:, b], atol=1e-4)
            and bool(varied.query.visible[place]) == bool(varied.query.visible[a] and varied.query.visible[b])
            for a, b, share in found
        )


def _share(point: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> float:
    along = first - second
    share = float(((point - second) * along).sum() / along.square().sum().clamp_min(1e-9))
    return share if torch.allclose(share * first + (1 - share) * second, point, atol=1e-4) else -1.0


def test_an_episode_without_a_common_keypoint(episode: Episode) -> None:
    empty = episode._replace(mask=torch.zeros_like(episode.mask))
    varied = vary(empty, limit=3, subset=1.0, shuffle=True, between=4, bare=1.0)
    assert len(varied.mask) == 0
    assert collate_episodes([varied, varied]).mask.shape == (2, 1)


def test_resizing_back_and_forth(episode: Episode) -> None:
    wide = resized(episode, 50)
    assert wide.mask.shape == (50,) and not wide.mask[30:].any() and len(wide.names) == 50
    back = resized(wide, 30)
    for field in ("mask", "adjacency"):
        assert torch.equal(getattr(back, field), getattr(episode, field))
    assert torch.equal(back.support.points, episode.support.points) and back.names == episode.names


def test_training_episodes_vary_and_evaluation_does_not() -> None:
    source = Drawn(instances=16, categories=("quadruped", "chair"), size=96)
    options = {"source": source, "size": 8, "variation": {"limit": 4, "shuffle": True}, "same": 1.0}
    training = Episodes(**options)
    first = training[0]
    assert len(first.mask) == 4 and torch.equal(first.support.points, training[0].support.points)
    assert not torch.equal(first.query.points, first.support.points[0]), "another view"
    test = Episodes(**options, pairs={"episodes": 1})[0]
    assert (
        len(test.mask) == test.query.points.shape[0] == max(map(len, (c.skeleton for c in source.categories.values())))
    )


def test_balance() -> None:
    source = Drawn(instances=16, categories=("quadruped", "chair"), size=96)
    chairs = source.by_category()[(ids := list(source.categories))[1]]
    source.by_category = lambda: {ids[0]: list(range(16)), ids[1]: chairs[:4]}
    for balance, share in (("equal", 0.5), ("root", 4 / 6)):
        episodes = Episodes(source=source, size=8, balance=balance)
        found = np.mean([episodes[item].category == ids[0] for item in range(len(episodes))])
        assert found == pytest.approx(share, abs=0.5 / len(episodes) + 1e-9)
