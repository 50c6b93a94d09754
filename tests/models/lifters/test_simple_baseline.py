"""SimpleBaseline: the published sizes. Its outputs are compared in tests/parity."""

import pytest
import torch

from cape.models.lifters import SimpleBaseline


@pytest.mark.parametrize(
    ("options", "count"),
    [({}, 4_288_557), ({"joints": 17, "root": None, "width": 2048, "stages": 3}, 25_382_963)],
    ids=["published", "large"],
)
def test_parameters_are_counted_as_published(options: dict, count: int) -> None:
    with torch.device("meta"):
        assert sum(each.numel() for each in SimpleBaseline(**options).parameters()) == count


def test_the_root_is_zero_and_frames_do_not_mix() -> None:
    lifter = SimpleBaseline(joints=4, root=0, width=8).eval()
    points = torch.randn(2, 3, 4, 2)
    joints = lifter(points)
    assert not joints[:, :, 0].any()
    assert joints[:, :, 1:].all()
    torch.testing.assert_close(joints[:, 1:2], lifter(points[:, 1:2]))
