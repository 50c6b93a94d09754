"""A lifter that does not see where in the picture, or how large, a person is."""

import pytest
import torch
from torch import Tensor, nn

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


class Rays(nn.Module):
    """Says where it sees keypoints, one metre away, so that a plain reference can turn them back."""

    joints, frames = 4, 1

    def forward(self, points: Tensor) -> Tensor:
        return nn.functional.pad(points, (0, 1))


def test_a_camera_that_turns_towards_the_person_sees_the_same() -> None:
    """The same person before a camera and before one that was turned: the joints differ by that turn alone."""
    inner, focal = SimpleBaseline(joints=4, root=None, width=8).eval(), 2.0
    person = torch.randn(1, 1, 4, 3, dtype=torch.float64) * 0.3
    angle = torch.tensor(0.3, dtype=torch.float64)
    zero, one = torch.zeros(()), torch.ones(())
    turn = torch.stack([angle.cos(), zero, angle.sin(), zero, one, zero, -angle.sin(), zero, angle.cos()]).view(3, 3)
    lifter = Recentred(lifter=inner, focal=focal).double().eval()
    ahead = person + torch.tensor([0.0, 0.2, 5.0]) - person[:, :, :1]
    beside = ahead @ turn.T
    seen = [focal * each[..., :2] / each[..., 2:] for each in (ahead, beside)]
    assert not torch.allclose(lifter(seen[0]), lifter(seen[1]))
    torch.testing.assert_close(lifter(seen[0]) @ turn.T, lifter(seen[1]), atol=1e-9, rtol=0)


def test_in_the_middle_of_the_picture_nothing_is_turned() -> None:
    points = torch.randn(2, 3, 4, 2)
    points -= points[:, :, :1].clone()
    plain, faced = (Recentred(lifter=Rays(), focal=focal)(points) for focal in (None, 2.0))
    torch.testing.assert_close(plain, faced)


def test_outputs_are_in_its_unit() -> None:
    points = torch.randn(2, 1, 4, 2)
    torch.testing.assert_close(Recentred(lifter=Rays(), unit=0.1)(points), 0.1 * Recentred(lifter=Rays())(points))


@pytest.mark.parametrize("options", [{"unit": 0.0}, {"focal": -1.0}])
def test_numbers_that_are_none_are_refused(options: dict, refused) -> None:
    with refused(UsageError, "positive"):
        Recentred(lifter=Rays(), **options)
