"""VideoPose: the published sizes, the receptive field, and what padding does."""

import pytest
import torch

from cape.errors import UsageError
from cape.models.lifters import VideoPose


@pytest.mark.parametrize(
    ("options", "count", "frames"),
    [
        ({}, 8_494_131, 1),
        ({"joints": 16, "root": 0}, 8_485_933, 1),
        ({"widths": (3, 3, 3, 3, 3)}, 16_952_371, 243),
    ],
    ids=["single", "sixteen", "temporal"],
)
def test_parameters_and_receptive_field_are_as_published(options: dict, count: int, frames: int) -> None:
    with torch.device("meta"):
        lifter = VideoPose(**options)
    assert sum(each.numel() for each in lifter.parameters()) == count
    assert lifter.frames == frames


def test_the_middle_of_a_window_does_not_see_its_padding() -> None:
    """The published many-to-one use: a window as long as the receptive field, and its centre."""
    lifter = VideoPose(joints=3, widths=(3, 3), channels=8).eval()
    points = torch.randn(1, 21, 3, 2)
    window = lifter(points[:, 6:15])[:, 4]
    torch.testing.assert_close(window, lifter(points)[:, 10])


def test_a_short_sequence_is_one_that_stands_still_at_its_ends() -> None:
    lifter = VideoPose(joints=3, widths=(3, 3), channels=8).eval()
    points = torch.randn(1, 2, 3, 2)
    still = torch.cat([points[:, :1].expand(-1, 4, -1, -1), points, points[:, 1:].expand(-1, 4, -1, -1)], dim=1)
    torch.testing.assert_close(lifter(points), lifter(still)[:, 4:-4])


@pytest.mark.parametrize("widths", [(), (2,), (3, 0)])
def test_widths_that_have_no_middle_are_refused(widths: tuple, refused) -> None:
    with refused(UsageError, "widths", "odd"):
        VideoPose(widths=widths)
