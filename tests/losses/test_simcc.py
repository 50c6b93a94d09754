"""Eq. 5: the toy, mmpose's own loss, the minimum, and how it grows with the batch (specification §10, check 6)."""

import math

import pytest
import torch

from cape import compat
from cape.losses import simcc_loss
from cape.structures import SimCC


def bells(*, count: int = 4, keypoints: int = 5) -> SimCC:
    generator = torch.Generator().manual_seed(0)
    axes = []
    for bins, sigma in ((384, 4.9), (512, 5.66)):
        centre = torch.randint(bins, (count, keypoints, 1), generator=generator)
        axes.append(torch.exp(-((torch.arange(bins) - centre) ** 2) / (2 * sigma**2)))
    return SimCC(*axes)


def test_three_bins_by_hand() -> None:
    target = torch.tensor([[[0.0, 1.0, 0.0]]])
    q = (10 * target).softmax(dim=-1)
    one = math.log(3) + float((q * q.log()).sum())
    found = simcc_loss(SimCC(torch.zeros(1, 1, 3), torch.zeros(1, 1, 3)), SimCC(target, target), torch.ones(1, 1))
    assert one == pytest.approx(1.0976, abs=1e-4)
    assert float(found) == pytest.approx(2 * one / 3, rel=1e-5)


def test_equals_mmpose() -> None:
    compat.load_mmpose()
    from mmpose.models.losses import KLDiscretLoss

    target, weight = bells(), (torch.arange(20).view(4, 5) % 3 > 0).float()
    logits = SimCC(torch.randn(4, 5, 384), torch.randn(4, 5, 512))
    theirs = KLDiscretLoss(beta=10.0, label_softmax=True)(logits, target, weight)
    torch.testing.assert_close(simcc_loss(logits, target, weight), theirs)


def test_the_target_plus_a_constant_costs_nothing() -> None:
    target, weight = bells(), torch.ones(4, 5)
    assert float(simcc_loss(SimCC(target.x + 3, target.y - 2), target, weight)) < 1e-6
    assert float(simcc_loss(SimCC(target.x.roll(9, -1), target.y), target, weight)) > 1e-3


def test_how_it_grows() -> None:
    target, weight = bells(), torch.ones(4, 5)
    weight[:, 4] = 0
    logits = SimCC(torch.randn(4, 5, 384), torch.randn(4, 5, 512))
    double = [SimCC(*(torch.cat([axis, axis]) for axis in each)) for each in (logits, target)]
    for reduction, factor in (("mmpose", 2), ("mean", 1)):
        once = simcc_loss(logits, target, weight, reduction=reduction)
        twice = simcc_loss(*double, torch.cat([weight, weight]), reduction=reduction)
        torch.testing.assert_close(twice, factor * once)
    wild = SimCC(logits.x.index_fill(1, torch.tensor([4]), 1e4), logits.y)
    torch.testing.assert_close(simcc_loss(wild, target, weight), simcc_loss(logits, target, weight))
    assert simcc_loss(logits, target, 0 * weight) == simcc_loss(logits, target, 0 * weight, reduction="mean") == 0


def test_facts_of_the_targets() -> None:
    """Specification §10, check 7: what softmax makes of the Gaussians at the two input sizes."""
    bins = torch.arange(384.0)
    q = (10 * torch.exp(-((bins - 192) ** 2) / (2 * 4.9**2))).softmax(dim=0)
    assert float(q.max()) == pytest.approx(0.24549, abs=1e-5)
    assert float(q.min()) == pytest.approx(1.1145e-5, rel=1e-4)
    assert -float((q * q.log()).sum()) == pytest.approx(1.995, abs=1e-3)
    q = (10 * torch.exp(-((torch.arange(576.0) - 288) ** 2) / (2 * 6.0**2))).softmax(dim=0)
    assert float(q.max()) == pytest.approx(0.20029, abs=1e-5)
