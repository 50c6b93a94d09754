"""MixSTE: the published size, windows, and stochastic depth."""

import torch

from cape.models.lifters import MixSTE


def test_parameters_are_counted_as_published() -> None:
    with torch.device("meta"):
        assert sum(each.numel() for each in MixSTE().parameters()) == 33_783_811


def test_a_long_sequence_is_cut_into_windows() -> None:
    lifter = MixSTE(joints=3, frames=4, width=8, depth=2, heads=2).eval()
    points = torch.randn(2, 10, 3, 2)
    joints = lifter(points)
    torch.testing.assert_close(joints[:, 4:8], lifter(points[:, 4:8]))
    filled = torch.cat([points[:, 8:], points[:, 9:], points[:, 9:]], dim=1)
    torch.testing.assert_close(joints[:, 8:], lifter(filled)[:, :2])


def test_positions_of_joints_and_frames_matter() -> None:
    lifter = MixSTE(joints=3, frames=4, width=8, depth=1, heads=2).eval()
    torch.nn.init.normal_(lifter.joint_code)
    torch.nn.init.normal_(lifter.frame_code)
    points = torch.randn(1, 4, 3, 2)
    assert not torch.allclose(lifter(points.flip(1)).flip(1), lifter(points), atol=1e-4)
    assert not torch.allclose(lifter(points.flip(2)).flip(2), lifter(points), atol=1e-4)


def test_stochastic_depth_skips_blocks_in_training_alone() -> None:
    lifter = MixSTE(joints=3, frames=4, width=8, depth=2, heads=2, drop_path=0.9)
    points = torch.randn(8, 4, 3, 2)
    assert not torch.equal(lifter(points), lifter(points))
    lifter.eval()
    assert torch.equal(lifter(points), lifter(points))
