"""Gradient-based inference on an energy whose minimum is known."""

import pytest
import torch

from cape.errors import UsageError
from cape.models.descent import descend


def test_a_quadratic_is_descended_to_its_minimum() -> None:
    points, target, start = torch.zeros(4, 5, 2), torch.randn(4, 5, 3), torch.randn(4, 5, 3)
    with torch.no_grad():  # as inference runs
        poses, energies = descend(
            lambda _, joints: (joints - target).square().sum(dim=(-1, -2)), points, start, step=0.1, iterations=60
        )
    assert poses.shape == (61, 4, 5, 3) and energies.shape == (61, 4)
    assert torch.equal(poses[0], start)
    torch.testing.assert_close(poses[1] - target, 0.8 * (start - target))  # y - 0.1 * 2 (y - y*)
    torch.testing.assert_close(poses[-1], target, atol=1e-4, rtol=0)
    assert (energies.diff(dim=0) <= 0).all()


@pytest.mark.parametrize(("step", "iterations"), [(0.0, 5), (-1.0, 5), (float("nan"), 5), (0.1, 0)])
def test_what_goes_nowhere_is_refused(step: float, iterations: int, refused) -> None:
    with refused(UsageError, "step, iterations"):
        descend(lambda _, joints: joints.sum(dim=(-1, -2)), torch.zeros(1, 5, 2), torch.zeros(1, 5, 3),
                step=step, iterations=iterations)  # fmt: skip
