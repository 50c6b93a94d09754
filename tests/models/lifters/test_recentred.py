"""A lifter that does not see where in the picture, or how large, a person is."""

import torch
from torch import nn

from cape.errors import UsageError
from cape.models.lifters import Recentred, SimpleBaseline


def test_what_it_does_not_see() -> None:
    points = torch.randn(2, 3, 4, 2)
    moved = points + torch.randn(2, 3, 1, 2)
    inner = SimpleBaseline(joints=4, width=8).eval()
    for scale in (False, True):
        lifter = Recentred(lifter=inner, root=(1, 2), scale=scale)
        torch.testing.assert_close(lifter(moved), lifter(points), atol=1e-5, rtol=1e-5)
        assert torch.allclose(lifter(3 * points), lifter(points), atol=1e-5) == scale


def test_one_size_for_a_window() -> None:
    """A person who bends down must not grow."""

    class Seen(nn.Module):
        joints, frames = 4, 1

        def forward(self, points):
            return nn.functional.pad(points, (0, 1))

    points = torch.randn(2, 5, 4, 2)
    found = Recentred(lifter=Seen())(points)[..., :2]
    relative = points - points[:, :, :1]
    assert not found[:, :, 0].any()
    ratio = (found[:, :, 1:] / relative[:, :, 1:]).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    torch.testing.assert_close(found.square().mean(dim=(1, 2, 3)), torch.ones(2))


def test_a_person_in_one_point_is_finite() -> None:
    assert Recentred(lifter=SimpleBaseline(joints=4, width=8).eval())(torch.ones(1, 1, 4, 2)).isfinite().all()


def test_what_is_no_lifter_is_refused(refused) -> None:
    with refused(UsageError, "Linear", "ForeignLifter"):
        Recentred(lifter=nn.Linear(2, 3))
