"""The losses of loss-nets: equations of the paper, their slopes, and the specification's numbers (§11)."""

import math

import pytest
import torch

from cape.losses.structural import (
    gradient_ratio,
    margin_loss,
    ordered_loss,
    pose_distance,
    ranking_loss,
    score_loss,
    slope_penalty,
    window_loss,
)


@pytest.mark.parametrize("gap", [-200.0, -50.0, -3.0, -1e-3, 0.0, 0.5, 20.0, 60.0, 200.0])
def test_nce_is_softplus(gap: float) -> None:
    """Against the fraction of Eq. 10 in double precision, where it can be computed, and its limits."""
    truth = torch.tensor([gap], dtype=torch.float64, requires_grad=True)
    negative = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    loss = ranking_loss(truth, negative)
    expected = math.log1p(math.exp(gap)) if gap < 0 else gap + math.log1p(math.exp(-gap))
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    if abs(gap) < 100:
        fraction = -math.log(math.exp(-gap) / (math.exp(-gap) + 1))
        assert loss.item() == pytest.approx(fraction, abs=1e-6)
    loss.backward()
    slope = 1 / (1 + math.exp(-gap))
    assert truth.grad.item() == pytest.approx(slope, abs=1e-9)
    assert negative.grad.item() == pytest.approx(-slope, abs=1e-9)


def test_nce_of_equal_energies_is_log_two() -> None:
    assert float(ranking_loss(torch.full((3,), 7.0), torch.full((3,), 7.0))) == pytest.approx(math.log(2))


def test_margin_is_a_hinge_with_slopes_of_one() -> None:
    truth = torch.tensor([0.0, 0.3, 0.0], requires_grad=True)
    negative = torch.tensor([0.5, 0.2, 0.1], requires_grad=True)
    distance = torch.tensor([0.4, 0.05, 0.1])  # kept, violated, just kept
    loss = margin_loss(truth, negative, distance)
    assert loss.item() == pytest.approx(0.15 / 3)
    loss.backward()
    assert (3 * truth.grad).tolist() == [0, 1, 0]
    assert (3 * negative.grad).tolist() == [0, -1, 0]


def test_equal_poses_teach_nothing() -> None:
    pose = torch.randn(4, 17, 3)
    energy = torch.randn(4, requires_grad=True)
    loss = margin_loss(energy, energy, pose_distance(pose, pose))
    loss.backward()
    assert loss.item() == 0
    assert not energy.grad.any()


def test_the_margin_of_the_batch_is_its_mean() -> None:
    truth, negative = torch.tensor([0.0, 0.0]), torch.tensor([0.2, 0.2])
    distance = torch.tensor([0.1, 0.5])
    assert float(margin_loss(truth, negative, distance)) == pytest.approx(0.15)
    assert float(margin_loss(truth, negative, distance, margin="batch")) == pytest.approx(0.1)


def test_distance_is_mpjpe_and_has_a_gradient_where_poses_are_equal() -> None:
    pose = torch.zeros(2, 5, 3, requires_grad=True)
    other = torch.zeros(2, 5, 3)
    other[1, 2] = torch.tensor([3.0, 0.0, 4.0])
    found = pose_distance(pose, other)
    assert found.tolist() == [0, 1]
    found.sum().backward()
    assert pose.grad.isfinite().all()


def test_windows_both_ways_add_up() -> None:
    one, other, distance = torch.rand(50), torch.rand(50), torch.rand(50)
    both = window_loss(one, other, distance, kappa=0.7) + window_loss(one, other, distance, mode="smooth", kappa=0.7)
    torch.testing.assert_close(both, (0.7 * distance - (one - other).abs()).abs().mean())
    for mode in ("separate", "smooth"):
        assert float(window_loss(one, one, torch.zeros(50), mode=mode)) == 0


def test_the_worse_of_two_is_to_be_higher() -> None:
    better, worse = torch.tensor([0.0, 0.0]), torch.tensor([1.0, -1.0])
    assert float(ordered_loss(better, worse, torch.tensor([0.5, 0.5]))) == pytest.approx(1.5 / 2)


def test_the_slope_of_a_quadratic() -> None:
    poses = torch.randn(6, 4, 3, requires_grad=True)
    energies = poses.square().sum(dim=(-1, -2))
    loss = slope_penalty(energies, poses)
    torch.testing.assert_close(loss, 4 * energies.mean())
    loss.backward()  # it can be learnt from


def test_the_score_of_a_normal_distribution_is_the_best_one() -> None:
    """Of truth at 0, noisy poses are normal with width σ: E = |y|² / 2σ² has no loss, and others have."""
    noise = torch.randn(200, 4, 3)
    poses = (0.1 * noise).requires_grad_()
    losses = [
        score_loss(scale * poses.square().sum(dim=(-1, -2)) / 0.02, poses, noise, sigma=0.1).item()
        for scale in (0.5, 1.0, 1.5)
    ]
    assert losses[1] == pytest.approx(0, abs=1e-9)
    assert min(losses[0], losses[2]) > 0.2


def test_ratio_of_gradients() -> None:
    assert float(gradient_ratio(torch.full((1, 1, 3), 2.0), torch.full((1, 1, 3), 0.5))) == pytest.approx(4)
    assert float(gradient_ratio(torch.ones(1, 1, 3), torch.zeros(1, 1, 3))) == 0
