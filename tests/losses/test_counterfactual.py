"""Eq. 6: zero where the paths agree, deaf to what is not stable, no gradient for the teacher (§10, checks 4 and 5)."""

import math

import pytest
import torch

from cape.losses import counterfactual_loss, counterfactual_points_loss
from cape.structures import SimCC

STABLE = torch.tensor([[True, False, True], [True, True, False]])


def random(*, grad: bool = False) -> SimCC:
    return SimCC(torch.randn(2, 3, 8, requires_grad=grad), torch.randn(2, 3, 12, requires_grad=grad))


def test_the_hand_example() -> None:
    found = counterfactual_loss(
        SimCC(torch.tensor([[[math.log(3), 0.0]]]), torch.zeros(1, 1, 2)),
        SimCC(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2)),
        torch.ones(1, 1, dtype=torch.bool),
    )
    assert float(found) == pytest.approx(0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25))


def test_zero_where_the_paths_agree_and_only_there() -> None:
    one, two = random(), random()
    shifted = SimCC(one.x + torch.randn(2, 3, 1), one.y + torch.randn(2, 3, 1))
    assert float(counterfactual_loss(shifted, one, STABLE)) == pytest.approx(0, abs=1e-6)
    assert counterfactual_loss(two, one, STABLE) > 0.01
    assert counterfactual_loss(two, one, torch.zeros_like(STABLE)) == 0


def test_only_stable_keypoints_count_and_the_batch_is_one_set() -> None:
    one, two = random(), random()
    wild = SimCC(*(torch.where(STABLE[..., None], axis, 50 * torch.randn_like(axis)) for axis in two))
    torch.testing.assert_close(counterfactual_loss(wild, one, STABLE), counterfactual_loss(two, one, STABLE))
    single = [
        counterfactual_loss(SimCC(*(a[[i]] for a in two)), SimCC(*(a[[i]] for a in one)), STABLE[[i]]) for i in (0, 1)
    ]
    torch.testing.assert_close(counterfactual_loss(two, one, STABLE), (2 * single[0] + 2 * single[1]) / 4)


def test_the_observed_path_learns_nothing() -> None:
    one, two = random(grad=True), random(grad=True)
    counterfactual_loss(two, one, STABLE).backward()
    assert all(axis.grad is None for axis in one)
    assert all((axis.grad[~STABLE] == 0).all() and axis.grad[STABLE].any() for axis in two)


def test_gradient_by_finite_differences() -> None:
    one = SimCC(*(axis.double() for axis in random()))
    two = [axis.double().requires_grad_() for axis in random()]
    assert torch.autograd.gradcheck(lambda *axes: counterfactual_loss(SimCC(*axes), one, STABLE), two)


def test_of_points() -> None:
    """A Gaussian moved by its width along one axis: half a nat."""
    observed = torch.rand(2, 3, 2, requires_grad=True)
    moved = (observed + torch.tensor([0.05, 0.0])).detach().requires_grad_()
    found = counterfactual_points_loss(moved, observed, STABLE)
    torch.testing.assert_close(found, torch.tensor(0.5))
    found.backward()
    assert observed.grad is None and (moved.grad[~STABLE] == 0).all()
    assert counterfactual_points_loss(moved, observed, torch.zeros_like(STABLE)) == 0
