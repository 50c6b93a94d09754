"""The robust affine fit: exact recovery, robustness, mirrors, and that it never needs the query's visibility."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cape.codecs import cell_centres
from cape.models.affine import FitSettings, bent, best_start, design, fit_affine, of_start, robust_fit, turns
from cape.models.baselines import peak
from cape.structures import Anchors


def some_points(seed: int, count: int = 8) -> torch.Tensor:
    return torch.rand(1, count, 2, generator=torch.Generator().manual_seed(seed)) * 0.6 + 0.2


def turn(angle: float, *, mirrored: bool = False) -> torch.Tensor:
    rotation = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return rotation @ torch.diag(torch.tensor([-1.0, 1.0])) if mirrored else rotation


@given(seed=st.integers(0, 10_000))
def test_fit_recovers_an_affine_map_without_ridge(seed: int) -> None:
    source = some_points(seed).double()
    linear = torch.randn(2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    affine = torch.cat([linear, torch.tensor([[0.1], [-0.3]], dtype=torch.float64)], dim=-1)
    target = design(source) @ affine.T
    found = fit_affine(source, target, torch.ones(1, 8, dtype=torch.float64), ridge=1e-9)
    torch.testing.assert_close(found[0], affine, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_strong_ridge_leaves_a_similarity_transform(count: int) -> None:
    """Two points determine a similarity and no more; the pull must supply the rest."""
    linear = 0.8 * turn(0.7)
    source = some_points(3, count)
    target = source @ linear.T + 0.05
    found = fit_affine(source, target, torch.ones(1, count), ridge=100.0)
    torch.testing.assert_close(found[0, :, :2], linear, atol=1e-3, rtol=1e-3)


def test_points_of_weight_zero_are_ignored() -> None:
    source = some_points(1)
    target = source + 0.1
    weight = torch.ones(1, 8)
    weight[0, 3] = 0
    before = fit_affine(source, target, weight, ridge=0.1)
    target[0, 3] = 50.0
    torch.testing.assert_close(before, fit_affine(source, target, weight, ridge=0.1))


def test_turns_cover_the_circle_and_its_mirror_images() -> None:
    affine = turns(4, like=torch.zeros(1))
    torch.testing.assert_close(affine[0], torch.tensor([[1.0, 0, 0], [0, 1, 0]]))
    torch.testing.assert_close(torch.linalg.det(affine[:, :, :2]), torch.tensor([1.0] * 4 + [-1.0] * 4))
    torch.testing.assert_close(affine[4] @ torch.tensor([0.2, 0.7, 1.0]), torch.tensor([0.8, 0.7]))
    centre = design(torch.full((1, 2), 0.5)) @ affine.transpose(-1, -2)
    torch.testing.assert_close(centre, torch.full_like(centre, 0.5))


def maps_with_outliers(points: torch.Tensor, wrong: list[int]) -> torch.Tensor:
    """Similarity maps that peak at the true places, except for keypoints whose peak is elsewhere."""
    places = points.clone()
    places[:, wrong] = torch.tensor([0.06, 0.94])
    squared = (cell_centres(16, 16, like=points) - places[..., None, None, :]).square().sum(-1)
    return torch.exp(-squared / (2 * 0.1**2))


def fitted(maps: torch.Tensor, points: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """The map of the best start, all starts looking at the same maps."""
    fit = robust_fit(maps[:, None].expand(-1, points.shape[1], -1, -1, -1), points, shown)
    return of_start(fit.logits, best_start(fit.evidence, shown))


def everywhere(points: torch.Tensor, rotations: int = 8) -> torch.Tensor:
    """The points at every turn."""
    return design(points)[:, None] @ turns(rotations, like=points).transpose(-1, -2)


@pytest.mark.parametrize("angle", [0.0, 2.0, -2.6])
@pytest.mark.parametrize("mirrored", [False, True])
def test_outliers_are_overruled_at_any_rotation(angle: float, mirrored: bool) -> None:
    support = some_points(5, 9)
    query = (support - 0.5) @ turn(angle, mirrored=mirrored).T + 0.5
    maps = maps_with_outliers(query, wrong=[2, 6])
    starts = everywhere(support)
    found = peak(fitted(maps, starts, torch.ones(starts.shape[:-1], dtype=torch.bool)))
    assert (found - query).norm(dim=-1).max() < 0.06
    assert (peak(maps) - query).norm(dim=-1)[0, [2, 6]].min() > 0.2  # what the arg-max alone says


def test_the_places_are_the_mapped_points() -> None:
    support = some_points(5, 9)
    query = (support - 0.5) @ turn(0.3).T + 0.55
    maps = maps_with_outliers(query, wrong=[])
    fit = robust_fit(maps[:, None], support[:, None], torch.ones(1, 1, 9, dtype=torch.bool))
    assert (fit.places[:, 0] - query).norm(dim=-1).max() < 0.02


def test_a_start_that_fits_better_wins() -> None:
    query, stranger = some_points(8, 7), some_points(99, 7)
    maps = maps_with_outliers(query, wrong=[0])
    shown = torch.ones(1, 2, 7, dtype=torch.bool)
    found = peak(fitted(maps, torch.stack([stranger, query], dim=1), shown))
    assert (found - query).norm(dim=-1).max() < 0.06


def test_a_keypoint_that_the_best_start_does_not_show_is_taken_from_the_next() -> None:
    evidence = torch.tensor([[1.0, 3.0, 2.0]])
    shown = torch.tensor([[[True, True, False], [True, False, False], [True, True, False]]])
    assert best_start(evidence, shown).tolist() == [[1, 2, 1]]
    values = torch.arange(9.0).view(1, 3, 3, 1)
    assert of_start(values, best_start(evidence, shown))[0, :, 0].tolist() == [3.0, 7.0, 5.0]


def test_batch_equals_singles_and_order_does_not_matter() -> None:
    support = torch.cat([some_points(seed, 6) for seed in range(4)])
    maps = maps_with_outliers(support.flip(0) * 0.9, wrong=[1])
    shown = torch.rand(4, 1, 6, generator=torch.Generator().manual_seed(0)) < 0.8
    starts, shown = everywhere(support), shown.expand(-1, 16, -1)
    together = fitted(maps, starts, shown)
    for i in range(4):
        alone = fitted(maps[i : i + 1], starts[i : i + 1], shown[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], atol=1e-3, rtol=1e-3)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    permuted = fitted(maps[:, order], starts[:, :, order], shown[..., order])
    torch.testing.assert_close(permuted, together[:, order], atol=1e-3, rtol=1e-3)


def test_hidden_support_points_have_no_influence() -> None:
    support, query = some_points(11, 6), some_points(11, 6)
    maps = maps_with_outliers(query, wrong=[])
    shown = torch.ones(1, 1, 6, dtype=torch.bool)
    shown[..., 4] = False
    before = fitted(maps, support[:, None], shown)
    support[:, 4], maps[:, 4] = 7.0, 0.3
    after = fitted(maps, support[:, None], shown)
    others = [0, 1, 2, 3, 5]
    torch.testing.assert_close(before[:, others], after[:, others])


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_keypoints_stay_finite(count: int) -> None:
    support = some_points(2, count)
    maps, starts = maps_with_outliers(support, []), everywhere(support)
    logits = fitted(maps, starts, torch.ones(starts.shape[:-1], dtype=torch.bool))
    assert torch.isfinite(logits).all()
    assert (peak(logits) - support).norm(dim=-1).max() < 0.06


def test_evidence_is_the_mean_over_what_a_start_shows() -> None:
    """A keypoint that it does not show says nothing for it, whatever its map looks like."""
    support = some_points(11, 6)
    maps = maps_with_outliers(support, wrong=[])[:, None]
    shown = torch.ones(1, 1, 6, dtype=torch.bool)
    shown[..., 4] = False
    before = robust_fit(maps, support[:, None], shown).evidence
    maps[:, :, 4] = 9.0
    torch.testing.assert_close(robust_fit(maps, support[:, None], shown).evidence, before)
    rest = [0, 1, 2, 3, 5]
    alone = robust_fit(maps[:, :, rest], support[:, None, rest], shown[..., rest]).evidence
    torch.testing.assert_close(alone, before)


def known(places: torch.Tensor, *fixed: int) -> Anchors:
    where = torch.zeros(places.shape[:2], dtype=torch.bool)
    where[:, list(fixed)] = True
    return Anchors(places, where)


def test_anchors_decide_where_the_maps_are_wrong() -> None:
    """The maps are those of another place: known keypoints match where they are known, and the fit follows them."""
    support = some_points(5, 9)
    query = support + torch.tensor([0.15, -0.1])
    maps = maps_with_outliers(support, wrong=[])[:, None]
    shown = torch.ones(1, 1, 9, dtype=torch.bool)
    stiff = FitSettings(bend=1e-3)  # what lies near an anchor does not go along with it by itself
    anchors = known(query, 0, 2, 4, 6, 7, 8)
    plain = robust_fit(maps, support[:, None], shown, settings=stiff).places[:, 0]
    found = robust_fit(maps, support[:, None], shown, settings=stiff, anchors=anchors).places[:, 0]
    free = [1, 3, 5]
    assert (plain - query)[:, free].norm(dim=-1).min() > 0.15
    assert (found - query)[:, free].norm(dim=-1).max() < 0.75 * (plain - query)[:, free].norm(dim=-1).min()


def test_what_lies_near_an_anchor_goes_along_with_it() -> None:
    points = torch.tensor([[[0.3, 0.3], [0.33, 0.3], [0.9, 0.9]]])
    anchors = known(points + torch.tensor([0.2, 0.0]), 0)
    moved = bent(points[:, None], points[:, None], anchors, length=0.1)[0, 0] - points[0]
    torch.testing.assert_close(moved[0], torch.tensor([0.2, 0.0]), atol=1e-3, rtol=0)
    near = 0.2 * math.exp(-(0.03**2) / (2 * 0.1**2))
    torch.testing.assert_close(moved[1], torch.tensor([near, 0.0]), atol=1e-3, rtol=0)
    assert moved[2].abs().max() < 1e-6
    maps = torch.zeros(1, 1, 3, 16, 16)
    shown = torch.ones(1, 1, 3, dtype=torch.bool)
    fit = robust_fit(maps, points[:, None], shown, anchors=anchors)
    torch.testing.assert_close(fit.places[0, 0, 0], anchors.places[0, 0], atol=1e-3, rtol=0)
