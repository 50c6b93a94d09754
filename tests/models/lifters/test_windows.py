"""The contract of the lifter slot, kept by every lifter, and what they share."""

import pytest
import torch
from torch import nn

from cape.errors import UsageError
from cape.models.lifters import ForeignLifter, MixSTE, NearestPose, Recentred, SemGCN, SimpleBaseline, VideoPose
from cape.models.lifters.windows import cut, insert_root, pad_edges

J = 5
CHAIN = [(0, 1), (1, 2), (2, 3), (3, 4)]


def nearest() -> NearestPose:
    lifter = NearestPose(joints=J)
    lifter.remember(torch.randn(9, J, 2), torch.randn(9, J, 3))
    return lifter


LIFTERS = {
    "simple_baseline": lambda: SimpleBaseline(joints=J, root=None, width=16),
    "simple_baseline_root": lambda: SimpleBaseline(joints=J, root=2, width=16),
    "semgcn": lambda: SemGCN(joints=J, edges=CHAIN, width=8, blocks=2),
    "videopose_single": lambda: VideoPose(joints=J, channels=16),
    "videopose": lambda: VideoPose(joints=J, widths=(3, 3), channels=16),
    "videopose_root": lambda: VideoPose(joints=J, root=0, widths=(3,), channels=16),
    "mixste": lambda: MixSTE(joints=J, frames=6, width=16, depth=2, heads=4),
    "foreign": lambda: ForeignLifter(module=MixSTE(joints=J, frames=4, width=8, depth=1, heads=2), joints=J, frames=4),
    "recentred": lambda: Recentred(lifter=VideoPose(joints=J, widths=(3,), channels=16), scale=False),
    "recentred_scaled": lambda: Recentred(lifter=SimpleBaseline(joints=J, width=16)),
    "nearest": nearest,
}


@pytest.fixture(params=LIFTERS)
def lifter(request) -> nn.Module:
    return LIFTERS[request.param]().eval()


@pytest.mark.parametrize("frames", [1, 2, 6, 13])
def test_as_many_frames_come_out_as_go_in(lifter: nn.Module, frames: int) -> None:
    joints = lifter(torch.randn(2, frames, J, 2))
    assert joints.shape == (2, frames, J, 3)
    assert joints.isfinite().all()


def test_sequences_of_a_batch_do_not_mix(lifter: nn.Module) -> None:
    points = torch.randn(3, 7, J, 2)
    torch.testing.assert_close(lifter(points)[1:2], lifter(points[1:2]), atol=1e-5, rtol=1e-5)


# The size of a rescaled person is that of the whole window
@pytest.mark.parametrize("name", [name for name in LIFTERS if name != "recentred_scaled"])
def test_a_frame_depends_on_no_more_than_the_receptive_field(name: str) -> None:
    lifter = LIFTERS[name]().eval()
    points = torch.randn(1, 25, J, 2)
    changed = points.clone()
    changed[:, -1, -1] += 1
    differs = (lifter(points) - lifter(changed)).abs().amax(dim=(0, 2, 3)) > 1e-6
    assert not differs[: -lifter.frames].any()
    assert differs[-1] or isinstance(lifter, NearestPose)


@pytest.mark.parametrize("name", [name for name in LIFTERS if name != "nearest"])
def test_every_parameter_gets_a_gradient(name: str) -> None:
    lifter = LIFTERS[name]().train()
    lifter(torch.randn(4, 7, J, 2)).square().sum().backward()
    for place, parameter in lifter.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), place


def test_another_skeleton_and_an_empty_sequence_are_refused(lifter: nn.Module, refused) -> None:
    with refused(UsageError, f"{J} joints", "got 6"):
        lifter(torch.randn(1, 2, 6, 2))
    with refused(UsageError, "empty sequence"):
        lifter(torch.randn(1, 0, J, 2))


def test_padding_repeats_the_ends() -> None:
    points = torch.arange(3.0)[None, :, None, None].expand(1, 3, 2, 2)
    assert pad_edges(points, 2, 1)[0, :, 0, 0].tolist() == [0, 0, 0, 1, 2, 2]
    assert pad_edges(points, 0, 0) is not points
    assert cut(points, 2)[..., 0, 0].tolist() == [[0, 1], [2, 2]]
    assert cut(points, 3)[..., 0, 0].tolist() == [[0, 1, 2]]


def test_the_root_goes_where_it_was_left_out() -> None:
    joints = insert_root(torch.ones(2, 3, 3), 1)
    assert joints[..., 0].tolist() == [[1, 0, 1, 1]] * 2


@pytest.mark.parametrize("kind", [SimpleBaseline, VideoPose])
def test_a_root_that_is_no_joint_is_refused(kind: type, refused) -> None:
    with refused(UsageError, "root", "below 5", "5"):
        kind(joints=5, root=5)
