"""Cues of heatmaps: how wide, how spread over the map."""

import math

import pytest
import torch

from cape.models.readers.heatmap import cues_of


def bells(sigma: float, *, size: int = 48) -> torch.Tensor:
    """A Gaussian of a width, in the middle of a map, for one picture and keypoint."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.exp(-((x - 20) ** 2 + (y - 24) ** 2) / (2 * sigma**2))[None, None].double()


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5])
def test_spread_is_what_the_target_does_not_explain(sigma: float) -> None:
    """Of a Gaussian blurred by the target's, the blur remains (Eq. 16); the window's cut costs some."""
    told = cues_of(bells(math.hypot(sigma, 2.0)), target=2.0)[0, 0]
    assert told[0] == pytest.approx(sigma, rel=0.2)
    assert cues_of(bells(2.0), target=2.0)[0, 0, 0] < 0.3


def test_entropy_is_that_of_the_shares() -> None:
    one, flat = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    one[..., 3, 4] = 0.2
    assert cues_of(one, target=1.0)[0, 0, 1] == 0
    assert cues_of(flat, target=1.0)[0, 0, 1] == pytest.approx(1)
    half = torch.zeros(1, 1, 8, 8)
    half[..., :4, :] = 3.0
    assert cues_of(half, target=1.0)[0, 0, 1] == pytest.approx(math.log(32) / math.log(64))
    scaled = bells(2.0, size=32)
    torch.testing.assert_close(cues_of(7 * scaled, target=1.0), cues_of(scaled, target=1.0))


def test_an_empty_heatmap_is_as_doubtful_as_can_be() -> None:
    """All zero or below: nothing is infinite, and nothing is sure."""
    for empty in (torch.zeros(2, 3, 8, 6), -torch.ones(2, 3, 8, 6)):
        told = cues_of(empty, target=2.0)
        assert told.isfinite().all() and (told[..., 1] > 0.999).all()
        assert (told[..., 0] > cues_of(bells(4.0).float(), target=2.0)[0, 0, 0]).all()


def test_keypoints_are_told_one_by_one() -> None:
    maps = torch.rand(2, 5, 12, 9)
    order = torch.randperm(5)
    torch.testing.assert_close(cues_of(maps[:, order], target=1.0), cues_of(maps, target=1.0)[:, order])
