"""Support tokens: pooling by definition, masks, shots."""

import pytest
import torch
import torch.nn.functional as F

from cape.codecs import gaussian_heatmap
from cape.models.encoders import SupportEncoder
from cape.models.encoders.support import pool


def example(shots: int = 2):
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn(2, shots, 5, 16, 16, generator=generator)
    points = torch.rand(2, shots, 4, 2, generator=generator)
    return feature, points, torch.ones(2, shots, 4, dtype=torch.bool)


def test_pooling_equals_its_definition() -> None:
    """Enlarge the features, take the inner product with the heatmap of sum 1: the official way."""
    feature, points, visible = example()
    heatmap, _ = gaussian_heatmap(points, visible)
    large = F.interpolate(feature.flatten(0, 1), (64, 64), mode="bilinear", align_corners=False).unflatten(0, (2, 2))
    weight = heatmap / (heatmap.sum((-2, -1), keepdim=True) + 1e-8)
    torch.testing.assert_close(pool(feature, heatmap), torch.einsum("bskhw,bschw->bskc", weight, large))


def test_a_constant_map_pools_to_its_constant() -> None:
    _, points, visible = example()
    tokens, _ = SupportEncoder()(torch.full((2, 2, 5, 16, 16), 3.25), points, visible)
    torch.testing.assert_close(tokens, torch.full((2, 4, 5), 3.25), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("shots", "expected"), [("all", False), ("shown", True)])
def test_a_keypoint_that_one_shot_hides(shots: str, expected: bool) -> None:
    feature, points, visible = example()
    visible[0, 1, 2] = False
    tokens, mask = SupportEncoder(shots=shots)(feature, points, visible)
    assert mask[0].tolist() == [True, True, expected, True]
    if expected:
        alone, _ = SupportEncoder()(feature[:, :1], points[:, :1], visible[:, :1])
        torch.testing.assert_close(tokens[0, 2], alone[0, 2])
    else:
        assert tokens[0, 2].abs().sum() == 0


def test_a_shift_by_whole_cells_moves_with_the_picture() -> None:
    """Check 16: with a translation-equivariant backbone, shifting picture and points leaves the tokens alone."""
    feature, _, visible = example(shots=1)
    points = torch.full((2, 1, 4, 2), 0.3) + torch.rand(2, 1, 4, 2, generator=torch.Generator().manual_seed(4)) * 0.2
    before, _ = SupportEncoder()(feature, points, visible[:, :1])
    after, _ = SupportEncoder()(feature.roll((2, 3), dims=(-2, -1)), points + torch.tensor([3, 2]) / 16, visible[:, :1])
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-5)
