"""The training-free baselines on maps and features whose answer is known."""

import pytest
import torch

from cape.errors import PromptError
from cape.models.baselines import (
    BASELINES,
    Align,
    Center,
    Copy,
    Near,
    Nearest,
    Support,
    Turned,
    appearance_at,
    cosine_similarity,
    peak,
)


def random_support(shots: int = 1, keypoints: int = 5, seed: int = 0) -> tuple[Support, torch.Tensor]:
    """A support whose picture is the query: every keypoint's best match is at its own place."""
    generator = torch.Generator().manual_seed(seed)
    feature = torch.nn.functional.normalize(torch.randn(2, 24, 16, 16, generator=generator), dim=1)
    cells = torch.randint(1, 15, (2, 1, keypoints, 2), generator=generator)
    points = ((cells + 0.5) / 16).repeat(1, shots, 1, 1)
    visible = torch.ones(2, shots, keypoints, dtype=torch.bool)
    appearance = torch.stack([appearance_at(each, feature) for each in points.unbind(dim=1)], dim=1)
    return Support(points, visible, appearance), feature


@pytest.mark.parametrize("shots", [1, 3])
@pytest.mark.parametrize("name", ["copy", "nearest", "near", "align", "turned"])
def test_the_support_picture_itself_is_solved(name: str, shots: int) -> None:
    support, feature = random_support(shots)
    found = BASELINES[name]()(support, feature)
    assert (found - support.points[:, 0]).abs().max() < 0.5 / 16


def test_center_is_the_middle() -> None:
    support, _ = random_support()
    assert (Center()(support) == 0.5).all()


def test_copy_averages_the_shots_that_show_a_keypoint() -> None:
    support, _ = random_support(shots=3)
    points = torch.rand(2, 3, 5, 2)
    visible = support.visible.clone()
    visible[:, 2, 1] = False
    found = Copy()(Support(points, visible, None))
    torch.testing.assert_close(found[:, 0], points[:, :, 0].mean(dim=1))
    torch.testing.assert_close(found[:, 1], points[:, :2, 1].mean(dim=1))


@pytest.mark.parametrize("name", BASELINES)
def test_a_support_without_a_visible_keypoint_is_refused(name: str) -> None:
    support, feature = random_support()
    hidden = support.visible.clone()
    hidden[1] = False
    with pytest.raises(PromptError, match="at least one visible keypoint"):
        BASELINES[name]()(support._replace(visible=hidden), feature)


def test_missing_features_are_refused() -> None:
    support, feature = random_support()
    with pytest.raises(PromptError, match="features"):
        Nearest()(support._replace(appearance=None), feature)


@pytest.mark.parametrize("sigma", [0.1, 0.3])
def test_near_trades_likeness_for_distance(sigma: float) -> None:
    """Of two equal matches the nearer; a better one that lies far off only where the prior is wide."""
    feature = torch.zeros(1, 2, 16, 16)
    feature[:, 0, 8, 4] = feature[:, 0, 8, 14] = 1
    points, seen = torch.tensor([[[[4.5 / 16, 8.5 / 16]]]]), torch.ones(1, 1, 1, dtype=torch.bool)
    support = Support(points, seen, torch.tensor([[[[1.0, 0.0]]]]))
    assert (Near(sigma=sigma)(support, feature) - points[:, 0]).abs().max() < 0.5 / 16
    feature[:, :, 8, 4] = torch.tensor([0.5, 0.75**0.5])
    other = torch.tensor([[[14.5 / 16, 8.5 / 16]]])
    far = (10 / 16) ** 2 / (2 * sigma**2) > 8 * 0.5  # nats that the distance costs, and that the likeness is worth
    assert far == (sigma == 0.1)
    assert (Near(sigma=sigma)(support, feature) - (points[:, 0] if far else other)).abs().max() < 0.5 / 16


@pytest.mark.parametrize("name", ["copy", "nearest", "near", "align", "turned"])
def test_permuting_keypoints_permutes_the_points(name: str) -> None:
    support, feature = random_support(shots=2)
    order = torch.tensor([4, 2, 0, 1, 3])
    page = BASELINES[name]()
    shuffled = Support(*(field[:, :, order] for field in support[:3]))
    torch.testing.assert_close(page(shuffled, feature), page(support, feature)[:, order], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["copy", "nearest", "near", "align", "turned"])
def test_padding_changes_nothing(name: str) -> None:
    support, feature = random_support(shots=2)
    page = BASELINES[name]()
    points = torch.cat([support.points, torch.full((2, 2, 4, 2), 9.0)], dim=2)
    visible = torch.cat([support.visible, torch.zeros(2, 2, 4, dtype=torch.bool)], dim=2)
    appearance = torch.cat([support.appearance, torch.ones(2, 2, 4, 24)], dim=2)
    padded = page(Support(points, visible, appearance), feature)
    torch.testing.assert_close(padded[:, :5], page(support, feature), atol=1e-4, rtol=0)


def test_similarity_is_a_cosine() -> None:
    support, feature = random_support()
    similarity = cosine_similarity(support, feature)
    assert similarity.shape == (2, 5, 16, 16)
    assert similarity.abs().max() <= 1 + 1e-5
    x, y = (support.points[0, 0, 3] * 16).long().tolist()
    assert similarity[0, 3, y, x] == pytest.approx(1, abs=1e-4)


def test_peak_reads_x_and_y_in_the_right_order() -> None:
    maps = torch.zeros(1, 1, 16, 16)
    maps[0, 0, 3, 12] = 1.0  # row 3, column 12
    torch.testing.assert_close(peak(maps)[0, 0], torch.tensor([12.5 / 16, 3.5 / 16]), atol=1 / 64, rtol=0)


def test_options_reach_the_fit() -> None:
    assert Align(rotations=3, settings={"ridge": 2.0}).settings.ridge == 2.0
    assert Align(rotations=3).maps == Turned(rotations=3).maps == 6


def test_of_equal_turns_the_one_that_is_not_doubted_wins() -> None:
    support, feature = random_support(shots=2)
    other = support.points.clone()
    other[:, 1] = 1 - other[:, 1]
    appearance = torch.stack([support.appearance[:, 0], appearance_at(other[:, 1], feature)], dim=1)
    pages = [
        Turned()(Support(other, support.visible, appearance, torch.tensor([doubt] * 2)), feature)
        for doubt in ([0.0, 1.0], [1.0, 0.0])
    ]
    for found, expected in zip(pages, other.unbind(dim=1), strict=True):
        assert (found - expected).abs().max() < 0.5 / 16
    with pytest.raises(TypeError):
        Align(settings={"rotation": 3})
