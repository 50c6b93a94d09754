"""Offset and heatmap losses against plain references."""

import pytest
import torch
import torch.nn.functional as F

from cape.losses import heatmap_loss, offset_loss


def example(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    points, target = torch.rand(2, 3, 5, 2, generator=generator)
    valid = torch.rand(3, 5, generator=generator) < 0.6
    valid[1] = False
    return points, target, valid


def test_offset_equals_a_plain_loop() -> None:
    points, target, valid = example()
    total = 0.0
    for p, t, v in zip(points, target, valid, strict=True):
        chosen = [(a - b).abs().sum().item() for a, b, ok in zip(p, t, v, strict=True) if ok]
        total += sum(chosen) / max(len(chosen), 1)
    assert offset_loss(points, target, valid).item() == pytest.approx(total / 3)


def test_offset_of_the_docstring() -> None:
    points = torch.tensor([[[0.1, 0.2], [0.9, 0.9]]])
    assert offset_loss(points, torch.zeros(1, 2, 2), torch.tensor([[True, False]])).item() == pytest.approx(0.3)


def test_heatmap_equals_a_plain_loop() -> None:
    _, _, valid = example()
    generator = torch.Generator().manual_seed(3)
    logits, target = torch.randn(3, 5, 8, 8, generator=generator), torch.rand(3, 5, 16, 16, generator=generator)
    total = 0.0
    for s, t, v in zip(logits, target, valid, strict=True):
        terms = []
        for each, goal, ok in zip(s, t, v, strict=True):
            small = F.interpolate(goal[None, None], (8, 8), mode="bilinear")[0, 0]
            if ok:
                terms.append(((each.sigmoid() - small / small.max()) ** 2).mean().item())
        total += sum(terms) / max(len(terms), 1)
    assert heatmap_loss(logits, target, valid).item() == pytest.approx(total / 3, rel=1e-5)


@pytest.mark.parametrize("loss", ["offset", "heatmap"])
def test_invisible_keypoints_have_no_gradient(loss: str) -> None:
    points, target, valid = example()
    if loss == "offset":
        values = points.requires_grad_()
        offset_loss(values, target, valid).backward()
    else:
        values = torch.randn(3, 5, 8, 8, requires_grad=True)
        heatmap_loss(values, torch.rand(3, 5, 64, 64), valid).backward()
    assert values.grad[~valid].abs().sum() == 0
    assert values.grad[valid].abs().sum() > 0
