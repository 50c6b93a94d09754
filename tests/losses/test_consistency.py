"""Eq. 5: agreement costs nothing, the hand example, masks, and who learns."""

import pytest
import torch

from cape.losses import consistency_loss


def test_the_hand_example() -> None:
    first = torch.tensor([[[0.3, 0.4], [0.5, 0.5]]])
    second = first + torch.tensor([[[0.1, 0.0], [0.0, 0.2]]])
    valid = torch.ones(1, 2, dtype=torch.bool)
    torch.testing.assert_close(consistency_loss(first, second, valid), torch.tensor(0.025))
    assert consistency_loss(first, first, valid) == 0
    assert consistency_loss(first, second, ~valid) == 0


def test_masked_keypoints_count_neither_above_nor_below_the_line() -> None:
    torch.manual_seed(0)
    first, second = torch.rand(3, 6, 2), torch.rand(3, 6, 2)
    valid = torch.tensor([[True] * 6, [True, False] * 3, [False] * 6])
    each = [((a - b)[mask] ** 2).sum(-1).mean() if mask.any() else torch.tensor(0.0)
            for a, b, mask in zip(first, second, valid, strict=True)]  # fmt: skip
    torch.testing.assert_close(consistency_loss(first, second, valid), torch.stack(each).mean())
    wild = torch.where(valid[..., None], second, torch.tensor(100.0))
    torch.testing.assert_close(consistency_loss(first, wild, valid), consistency_loss(first, second, valid))


@pytest.mark.parametrize(
    ("teacher", "learns"), [("both", (True, True)), ("visual", (False, True)), ("text", (True, False))]
)
def test_who_learns(teacher: str, learns: tuple[bool, bool]) -> None:
    torch.manual_seed(0)
    both = [torch.rand(2, 4, 2, requires_grad=True) for _ in range(2)]
    consistency_loss(*both, torch.ones(2, 4, dtype=torch.bool), teacher=teacher).backward()  # type: ignore[arg-type]
    assert tuple(each.grad is not None and bool(each.grad.any()) for each in both) == learns
    if teacher == "both":
        torch.testing.assert_close(both[0].grad, -both[1].grad)
