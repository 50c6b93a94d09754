"""`cell_loss` against ten lines of its own, and what it is for: a gradient where the squared loss has none."""

import math

import torch

from cape.losses import cell_loss, heatmap_loss


def test_equals_a_reference_on_random_input() -> None:
    similarity, points = 3 * torch.randn(2, 3, 4, 5), torch.rand(2, 3, 2)
    valid = torch.tensor([[True, False, True], [False, False, False]])
    total = 0.0
    for k in (0, 2):
        p, target = similarity[0, k].flatten().softmax(0), torch.zeros(20)
        for row in range(4):
            for column in range(5):
                x, y = points[0, k].tolist()
                square = ((column + 0.5) / 5 - x) ** 2 + ((row + 0.5) / 4 - y) ** 2
                target[5 * row + column] = math.exp(-square / (2 * 0.1**2))
        total += float(-(target / target.sum() * p.log()).sum()) / 2
    torch.testing.assert_close(cell_loss(similarity, points, valid, sigma=0.1), torch.tensor(total / 2))


def test_example_and_empty() -> None:
    flat = torch.zeros(1, 1, 2, 2)
    torch.testing.assert_close(cell_loss(flat, torch.rand(1, 1, 2), torch.ones(1, 1).bool()), torch.tensor(math.log(4)))
    assert cell_loss(flat, torch.rand(1, 1, 2), torch.zeros(1, 1).bool()) == 0


def test_a_wrong_saturated_peak_still_gets_a_gradient() -> None:
    """The logits that a narrow head starts with: the squared loss cannot move them."""
    similarity = torch.full((1, 1, 8, 8), -40.0)
    similarity[0, 0, 0, 0] = 40.0
    points, valid = torch.tensor([[[0.9, 0.9]]]), torch.ones(1, 1, dtype=torch.bool)
    target = torch.zeros(1, 1, 8, 8)
    target[0, 0, 7, 7] = 1
    gradients = []
    for loss in (lambda x: cell_loss(x, points, valid), lambda x: heatmap_loss(x, target, valid)):
        logits = similarity.clone().requires_grad_()
        loss(logits).backward()
        gradients.append(float(logits.grad[0, 0, 7, 7].abs()))
    assert gradients[0] > 0.1 and gradients[1] < 1e-6
