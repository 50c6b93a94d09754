"""`cape.evaluation.fewshot`: the metric agrees with the functions in pixels, and counts each pair once."""

import numpy as np
import pytest
import torch

from cape.data.drawn import Drawn
from cape.data.episodes import Episodes, collate_episodes
from cape.data.transforms import from_crop
from cape.evaluation.fewshot import FIGURES, FewShotPCK
from cape.inference import score_predictions
from cape.structures import Pose


@pytest.fixture(scope="module")
def episodes() -> Episodes:
    source = Drawn(seed=1, instances=16, categories=("chair", "quadruped"))
    return Episodes(source=source, pairs={"episodes": 2}, size=16)


def guesses(episodes: Episodes) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth = torch.stack([episodes.labels(row).query.points for row in range(len(episodes))])
    refined = truth + 0.1 * torch.randn(truth.shape, generator=generator)
    return refined, truth + 0.2 * torch.randn(truth.shape, generator=generator)


def pose(points: torch.Tensor, proposals: torch.Tensor, mask: torch.Tensor, pair: int) -> Pose:
    return Pose(points, proposals, mask, pair, points[None], mask[None].float())


def collected(episodes: Episodes, batches: list[list[int]]) -> dict[str, float]:
    refined, proposals = guesses(episodes)
    metric = FewShotPCK()
    for rows in batches:
        batch = collate_episodes([episodes[row] for row in rows])
        metric.process(batch, [pose(refined[row], proposals[row], batch.mask[0], row) for row in rows])
    return metric.evaluate(sum(len(rows) for rows in batches))


def test_equals_the_official_scores_in_pixels(episodes: Episodes) -> None:
    found = collected(episodes, [list(range(25)), list(range(25, len(episodes)))])
    box = episodes.table.box[episodes.pairs.table[:, -1]]
    for prefix, points in zip(("", "proposal/"), guesses(episodes), strict=True):
        expected = score_predictions(from_crop(points.double().numpy(), box), episodes.table, episodes.pairs.table)
        for figure in FIGURES:
            assert found[prefix + figure] == pytest.approx(expected[figure].mean(), abs=1e-4)
    assert 10 < found["PCK@0.10"] < 90 and found["proposal/PCK@0.10"] < found["PCK@0.10"] - 5


def test_a_repeated_pair_counts_once(episodes: Episodes) -> None:
    rows = list(range(10))
    assert collected(episodes, [rows, [3, 4, 3]]) == collected(episodes, [rows])


def test_labels_are_the_episode_without_its_pictures(episodes: Episodes) -> None:
    for row in (0, 31):
        whole, labels = episodes[row], episodes.labels(row)
        np.testing.assert_allclose(labels.query.points, whole.query.points, atol=1e-6)
        np.testing.assert_allclose(labels.support.points, whole.support.points, atol=1e-6)
        for name in ("names", "category", "pair"):
            assert getattr(labels, name) == getattr(whole, name)
        assert torch.equal(labels.mask, whole.mask) and torch.equal(labels.adjacency, whole.adjacency)
        assert torch.equal(labels.query.visible, whole.query.visible)


def test_a_keypoint_that_the_support_does_not_show_is_not_scored(episodes: Episodes) -> None:
    refined, _ = guesses(episodes)
    batch = collate_episodes([episodes.labels(row) for row in range(8)])
    visible = batch.support.visible.clone()
    visible[:, :, ::2] = False
    refined[:8, ::2] += 5.0
    figures = []
    for shown in (visible, batch.support.visible):  # the mask, of what was asked for, is the same
        metric = FewShotPCK()
        poses = [pose(refined[row], refined[row], batch.mask[0], row) for row in range(8)]
        metric.process(batch._replace(support=batch.support._replace(visible=shown)), poses)
        figures.append(metric.evaluate(8))
    assert figures[0]["NME"] < 1 < figures[1]["NME"]
