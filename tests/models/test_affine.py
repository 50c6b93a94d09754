"""The robust affine fit: exact recovery, robustness, mirrors, and that it never needs the query's visibility."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cape.codecs import cell_centres
from cape.models.affine import FitSettings, design, fit_affine, robust_prior, starts
from cape.models.baselines import peak


def some_points(seed: int, count: int = 8) -> torch.Tensor:
    return torch.rand(1, count, 2, generator=torch.Generator().manual_seed(seed)) * 0.6 + 0.2


@given(seed=st.integers(0, 10_000), mirrored=st.booleans())
def test_fit_recovers_an_affine_map_without_ridge(seed: int, mirrored: bool) -> None:
    source = some_points(seed).double()
    linear = torch.randn(2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    affine = torch.cat([linear, torch.tensor([[0.1], [-0.3]], dtype=torch.float64)], dim=-1)
    target = design(source) @ affine.T
    found = fit_affine(
        source, target, torch.ones(1, 8, dtype=torch.float64), mirrored=torch.tensor([mirrored]), ridge=1e-9
    )
    torch.testing.assert_close(found[0], affine, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_strong_ridge_leaves_a_similarity_transform(mirrored: bool, count: int) -> None:
    """Two points determine a similarity and no more; the pull must supply the rest, reflections included."""
    angle, scale = 0.7, 0.8
    turn = scale * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    if mirrored:
        turn = turn @ torch.diag(torch.tensor([-1.0, 1.0]))
    source = some_points(3, count)
    target = source @ turn.T + 0.05
    found = fit_affine(source, target, torch.ones(1, count), mirrored=torch.tensor([mirrored]), ridge=100.0)
    torch.testing.assert_close(found[0, :, :2], turn, atol=1e-3, rtol=1e-3)


def test_points_of_weight_zero_are_ignored() -> None:
    source = some_points(1)
    target = source + 0.1
    weight = torch.ones(1, 8)
    weight[0, 3] = 0
    before = fit_affine(source, target, weight, mirrored=torch.tensor([False]), ridge=0.1)
    target[0, 3] = 50.0
    after = fit_affine(source, target, weight, mirrored=torch.tensor([False]), ridge=0.1)
    torch.testing.assert_close(before, after)


def test_starts_cover_the_circle_and_its_mirror_images() -> None:
    affine, mirrored = starts(FitSettings(rotations=4), like=torch.zeros(1))
    assert mirrored.tolist() == [False] * 4 + [True] * 4
    torch.testing.assert_close(affine[0], torch.tensor([[1.0, 0, 0], [0, 1, 0]]))
    torch.testing.assert_close(torch.linalg.det(affine[:, :, :2]), torch.tensor([1.0] * 4 + [-1.0] * 4))
    centre = design(torch.full((1, 2), 0.5)) @ affine.transpose(-1, -2)
    torch.testing.assert_close(centre, torch.full_like(centre, 0.5))


def maps_with_outliers(points: torch.Tensor, wrong: list[int]) -> torch.Tensor:
    """Similarity maps that peak at the true places, except for keypoints whose peak is elsewhere."""
    places = points.clone()
    places[:, wrong] = torch.tensor([0.06, 0.94])
    squared = (cell_centres(16, 16, like=points) - places[..., None, None, :]).square().sum(-1)
    return torch.exp(-squared / (2 * 0.1**2))


@pytest.mark.parametrize("angle", [0.0, 2.0, -2.6])
@pytest.mark.parametrize("mirrored", [False, True])
def test_outliers_are_overruled_at_any_rotation(angle: float, mirrored: bool) -> None:
    support = some_points(5, 9)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    if mirrored:
        turn = turn @ torch.diag(torch.tensor([-1.0, 1.0]))
    query = (support - 0.5) @ turn.T + 0.5
    maps = maps_with_outliers(query, wrong=[2, 6])
    shown = torch.ones(1, 1, 9, dtype=torch.bool)
    found = peak(robust_prior(maps, support[:, None], shown))
    assert (found - query).norm(dim=-1).max() < 0.06
    assert (peak(maps) - query).norm(dim=-1)[0, [2, 6]].min() > 0.2  # what the arg-max alone says


def test_a_second_shot_that_fits_better_wins() -> None:
    query = some_points(8, 7)
    stranger = some_points(99, 7)
    maps = maps_with_outliers(query, wrong=[0])
    shown = torch.ones(1, 2, 7, dtype=torch.bool)
    found = peak(robust_prior(maps, torch.stack([stranger, query], dim=1), shown))
    assert (found - query).norm(dim=-1).max() < 0.06


def test_batch_equals_singles_and_order_does_not_matter() -> None:
    support = torch.cat([some_points(seed, 6) for seed in range(4)])
    maps = maps_with_outliers(support.flip(0) * 0.9, wrong=[1])
    shown = torch.rand(4, 1, 6, generator=torch.Generator().manual_seed(0)) < 0.8
    together = robust_prior(maps, support[:, None], shown)
    for i in range(4):
        alone = robust_prior(maps[i : i + 1], support[i : i + 1, None], shown[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], atol=1e-3, rtol=1e-3)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    permuted = robust_prior(maps[:, order], support[:, None, order], shown[..., order])
    torch.testing.assert_close(permuted, together[:, order], atol=1e-3, rtol=1e-3)


def test_hidden_support_points_have_no_influence() -> None:
    support, query = some_points(11, 6), some_points(11, 6)
    maps = maps_with_outliers(query, wrong=[])
    shown = torch.ones(1, 1, 6, dtype=torch.bool)
    shown[..., 4] = False
    before = robust_prior(maps, support[:, None], shown)
    support[:, 4], maps[:, 4] = 7.0, 0.3
    after = robust_prior(maps, support[:, None], shown)
    others = [0, 1, 2, 3, 5]
    torch.testing.assert_close(before[:, others], after[:, others])


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_keypoints_stay_finite(count: int) -> None:
    support = some_points(2, count)
    logits = robust_prior(maps_with_outliers(support, []), support[:, None], torch.ones(1, 1, count, dtype=torch.bool))
    assert torch.isfinite(logits).all()
    assert (peak(logits) - support).norm(dim=-1).max() < 0.06
