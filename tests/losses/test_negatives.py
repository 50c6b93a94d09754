"""Negatives and pairs: moments of the noise, order of the pairs, windows that differ."""

import torch

from cape.losses.negatives import detector_noise, disk_noise, ordered_pairs, window_means, window_starts


def test_moments_of_the_disk() -> None:
    noise = disk_noise(torch.zeros(400_000, 2, dtype=torch.float64), radius=0.05)
    length = noise.norm(dim=-1)
    assert length.max() <= 0.05
    torch.testing.assert_close(length.mean(), torch.tensor(0.05 * 2 / 3, dtype=torch.float64), rtol=3e-3, atol=0)
    torch.testing.assert_close(
        length.square().mean(), torch.tensor(0.05**2 / 2, dtype=torch.float64), rtol=4e-3, atol=0
    )
    assert noise.mean(dim=0).abs().max() < 3e-4
    assert (noise[:, 0] * noise[:, 1]).mean().abs() < 1e-5


def test_a_detector_is_mostly_near_and_sometimes_far() -> None:
    noise = detector_noise(torch.zeros(20_000, 5, 2), sigma=0.01).norm(dim=-1)
    assert 0.008 < noise.median() < 0.018
    assert 0.005 < (noise > 0.08).float().mean() < 0.03


def test_pairs_are_ordered_and_neighbours_are_among_them() -> None:
    errors = torch.rand(5, 40)
    pairs = ordered_pairs(errors)
    assert pairs.better.shape == pairs.worse.shape == (8, 40)
    assert (errors.gather(0, pairs.better) < errors.gather(0, pairs.worse)).all()
    ranks = errors.argsort(dim=0).argsort(dim=0)
    assert (ranks.gather(0, pairs.worse)[:4] - ranks.gather(0, pairs.better)[:4] == 1).all()


def test_two_hypotheses_are_one_pair_twice() -> None:
    pairs = ordered_pairs(torch.tensor([[0.2, 0.1], [0.1, 0.2]]))
    assert pairs.better.tolist() == [[1, 0], [1, 0]]


def test_windows_differ_and_stay_inside() -> None:
    like = torch.zeros(3000)
    one, other = window_starts(9, 3, like=like)
    assert (one != other).all()
    assert set(one.tolist()) == set(other.tolist()) == set(range(7))
    values = torch.arange(9.0).expand(3000, -1)
    torch.testing.assert_close(window_means(values, one, 3), one + 1.0)
    assert window_means(torch.randn(3000, 9, 4, 3), one, 3).shape == (3000, 4, 3)
