"""What a lifter learns from the truth: units, masks, and explicit structure."""

import pytest
import torch

from cape.losses.lifting import bone_losses, motion_losses, place_loss

EDGES, MIRROR = torch.tensor([[0, 1], [0, 2]]), torch.tensor([0, 2, 1])


def test_errors_of_places() -> None:
    truth, found = torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 2, 3)
    found[0, 0, 1, 0] = 0.03
    mask = torch.ones(1, 1, dtype=torch.bool)
    assert float(place_loss(found, truth, mask)) == pytest.approx(1.5e-4)
    assert float(place_loss(found, truth, mask)) == pytest.approx(float(torch.nn.MSELoss()(found, truth)))
    assert float(place_loss(found, truth, mask, error="mpjpe")) == pytest.approx(0.015)
    assert float(place_loss(found, truth, mask, error="mpjpe", weights=torch.tensor([1.0, 4.0]))) == pytest.approx(0.06)


def test_padded_frames_do_not_count() -> None:
    truth = torch.randn(4, 3, 5, 3)
    found, mask = truth.clone(), torch.ones(4, 3, dtype=torch.bool)
    found[1, 2], mask[1, 2] = 100.0, False
    assert float(place_loss(found, truth, mask)) == 0


def test_motion_of_what_stands_and_of_what_walks() -> None:
    steady = torch.randn(2, 1, 5, 3).expand(-1, 4, -1, -1)
    walk = torch.arange(4.0)[None, :, None, None] * torch.tensor([3.0, 0.0, 4.0]).expand(2, 4, 5, 3)
    assert [float(each) for each in motion_losses(steady, walk)] == pytest.approx([0, 5])
    assert [float(each) for each in motion_losses(walk, walk)] == pytest.approx([25 / 3, 0])


def test_bones() -> None:
    truth = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [-1, 0, 0]]])
    found = torch.tensor([[[0.0, 0, 0], [1.2, 0, 0], [0, -1, 0]]])
    losses = bone_losses(found, truth, edges=EDGES, mirror=MIRROR)
    assert float(losses["length"]) == pytest.approx(0.1)
    assert float(losses["symmetry"]) == pytest.approx(0.2)
    assert float(losses["direction"]) == pytest.approx((0.04 + 2) / 6)
    assert not any(bone_losses(truth, truth, edges=EDGES, mirror=MIRROR).values())


def test_a_skeleton_without_sides_has_no_symmetry() -> None:
    losses = bone_losses(torch.randn(2, 3, 3), torch.randn(2, 3, 3), edges=EDGES, mirror=torch.arange(3))
    assert float(losses["symmetry"]) == 0
