"""A foreign lifter under our signature, with stand-ins of the published ones' signatures."""

import pytest
import torch
from torch import nn

from cape.errors import UsageError
from cape.models.lifters import ForeignLifter

J, T = 3, 5


class ManyToOne(nn.Module):
    """PoseFormer's signature: [B, T, J, 2] to [B, 1, J, 3]; the depth is the mean of x over the window."""

    def forward(self, points):
        assert points.shape[1:] == (T, J, 2)
        depth = points[..., :1].mean(dim=1, keepdim=True)
        return 1000 * torch.cat([points[:, T // 2, None], depth], dim=-1)


class Flattened(nn.Module):
    """P-STMO's habit: coordinates before frames on the way in, joints flattened on the way out."""

    def forward(self, points):
        batch, two, frames, joints = points.shape
        assert (two, frames, joints) == (2, T, J)
        x, y = points.unbind(dim=1)
        return torch.stack([x, y, x + y], dim=-1).reshape(batch, frames, joints * 3)


class Confident(nn.Module):
    """MotionBERT's: a third coordinate for confidence."""

    def forward(self, points):
        assert points.shape[-1] == 3
        return points


def test_many_to_one_answers_every_frame_from_the_window_around_it() -> None:
    lifter = ForeignLifter(module=ManyToOne(), joints=J, frames=T, answer="centre", scale=0.001)
    points = torch.randn(2, 7, J, 2)
    joints = lifter(points)
    torch.testing.assert_close(joints[..., :2], points)
    torch.testing.assert_close(joints[:, 3, :, 2], points[:, 1:6, :, 0].mean(dim=1))
    torch.testing.assert_close(joints[:, 0, :, 2], (points[:, :3, :, 0].sum(dim=1) + 2 * points[:, 0, :, 0]) / 5)


@pytest.mark.parametrize("length", [1, 5, 8])
def test_layouts_are_translated(length: int) -> None:
    lifter = ForeignLifter(module=Flattened(), joints=J, frames=T, takes="BCTJ", gives="BTE")
    points = torch.randn(2, length, J, 2)
    torch.testing.assert_close(lifter(points), torch.cat([points, points.sum(dim=-1, keepdim=True)], dim=-1))


def test_a_third_coordinate_of_ones() -> None:
    lifter = ForeignLifter(module=Confident(), joints=J, frames=T, homogeneous=True)
    assert (lifter(torch.randn(1, 6, J, 2))[..., 2] == 1).all()


@pytest.mark.parametrize("layout", ["BTJC", "BCTJ", "BTE"])
def test_an_output_without_the_axis_of_time(layout: str) -> None:
    class Bare(nn.Module):
        def forward(self, points):
            joints = torch.cat([points[:, T // 2], points[:, T // 2, :, :1]], dim=-1)
            return {"BTJC": joints, "BCTJ": joints.transpose(1, 2), "BTE": joints.flatten(1)}[layout]

    lifter = ForeignLifter(module=Bare(), joints=J, frames=T, answer="centre", gives=layout)
    points = torch.randn(2, 4, J, 2)
    torch.testing.assert_close(lifter(points)[..., :2], points)


def test_another_output_than_was_said_is_refused(refused) -> None:
    with refused(UsageError, "ManyToOne", "[2, 5, 3, 3]", "[2, 1, 3, 3]"):
        ForeignLifter(module=ManyToOne(), joints=J, frames=T)(torch.randn(2, 5, J, 2))


def test_bad_options_are_refused(refused) -> None:
    with refused(UsageError, "frames", "odd"):
        ForeignLifter(module=ManyToOne(), joints=J, frames=4, answer="centre")
    with refused(UsageError, "scale"):
        ForeignLifter(module=ManyToOne(), joints=J, frames=T, scale=0.0)
