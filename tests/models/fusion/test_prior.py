"""Priors: which of the ways to see a support a query chooses, and where it is sent to look."""

import pytest
import torch
import torch.nn.functional as F

from cape.codecs import cell_centres
from cape.errors import UsageError
from cape.models.fusion import CosinePrior, TurnedFit
from cape.models.fusion.prior import cosine
from cape.structures import Tokens, View

C, GRID = 24, 16


def scene(ways: int = 3, right: int = 1) -> tuple[Tokens, torch.Tensor, torch.Tensor]:
    """A prompt of which one way shows what the query shows, the query's features, and where its keypoints lie."""
    generator = torch.Generator().manual_seed(0)
    feature = F.normalize(torch.randn(1, C, GRID, GRID, generator=generator), dim=1)
    cells = torch.tensor([[3, 4], [11, 5], [7, 12], [4, 9]])
    truth = (cells + 0.5) / GRID
    appearance = F.normalize(torch.randn(1, ways, 4, C, generator=generator), dim=-1)
    places = torch.rand(1, ways, 4, 2, generator=generator)
    appearance[0, right] = feature[0, :, cells[:, 1], cells[:, 0]].T
    places[0, right] = 0.9 * (truth - 0.5) + 0.52
    shown = torch.ones(1, ways, 4, dtype=torch.bool)
    tokens = torch.randn(1, ways, 2, 4, 8, generator=generator)
    canonical = torch.randn(1, 4, 8, generator=generator)
    present = shown[:, :, None].repeat(1, 1, 2, 1)
    prompt = Tokens(tokens, present, appearance, shown, places, torch.zeros(1, ways), canonical)
    return prompt, feature, truth


def test_the_way_that_fits_is_chosen_and_keypoints_are_sought_near_its_fit() -> None:
    prompt, feature, truth = scene()
    chosen, prior = TurnedFit().eval()(prompt, feature)
    for field, before in zip(chosen[:-1], prompt[:-1], strict=True):
        assert field.shape[1] == 1
        if field.dim() > 2:
            assert torch.equal(field[:, 0], before[:, 1])
    assert torch.equal(chosen.canonical, prompt.canonical), "a name is the same whichever way the support is seen"
    best = prior.flatten(-2).argmax(dim=-1)[0]
    assert (cell_centres(GRID, GRID, like=prior).flatten(0, 1)[best] - truth).abs().max() < 1e-6
    similarity = cosine(prompt.appearance, feature)[:, 1]
    assert (prior <= similarity + 1e-6).all() and (similarity - prior).max() > 1  # far from the fit it costs much


def test_doubt_decides_between_equals() -> None:
    prompt, feature, _ = scene(ways=2, right=0)
    both = Tokens(*(torch.cat([field[:, :1], field[:, :1]], dim=1) for field in prompt))
    both = both._replace(tokens=prompt.tokens[:, :2], canonical=prompt.canonical)
    for doubt, expected in (([0.0, 0.1], 0), ([0.1, 0.0], 1)):
        chosen, _ = TurnedFit().eval()(both._replace(doubt=torch.tensor([doubt])), feature)
        assert torch.equal(chosen.tokens[:, 0], prompt.tokens[:, expected])


def test_a_keypoint_that_nobody_clicked_may_lie_anywhere() -> None:
    prompt, feature, _ = scene()
    shown = prompt.shown.clone()
    shown[..., 2] = False
    appearance = prompt.appearance * shown[..., None]
    _, prior = TurnedFit().eval()(prompt._replace(shown=shown, appearance=appearance), feature)
    assert (prior[0, 2] == 0).all() and (prior[0, [0, 1, 3]] != 0).any()


def test_names_alone_are_seen_in_the_first_way() -> None:
    prompt, feature, _ = scene()
    nothing = prompt._replace(shown=torch.zeros_like(prompt.shown), appearance=torch.zeros_like(prompt.appearance))
    chosen, prior = TurnedFit().eval()(nothing, feature)
    assert torch.equal(chosen.tokens[:, 0], prompt.tokens[:, 0]) and (prior == 0).all()


def test_permuting_keypoints_permutes_the_answer() -> None:
    prompt, feature, _ = scene()
    order = torch.tensor([2, 0, 3, 1])
    shuffled = Tokens(
        prompt.tokens[:, :, :, order], prompt.present[:, :, :, order], prompt.appearance[:, :, order],
        prompt.shown[:, :, order], prompt.places[:, :, order], prompt.doubt,
        prompt.canonical[:, order],
    )  # fmt: skip
    for page in (CosinePrior(), TurnedFit().eval()):
        one, other = page(prompt, feature), page(shuffled, feature)
        torch.testing.assert_close(other[1], one[1][:, order], atol=1e-5, rtol=0)
        torch.testing.assert_close(other[0].tokens, one[0].tokens[:, :, :, order])


def support(channels: int = 3, shots: int = 2) -> View:
    return View(
        torch.rand(2, shots, channels, 32, 32),
        torch.rand(2, shots, 4, 2),
        torch.ones(2, shots, 4, dtype=torch.bool),
        torch.eye(2, 3).expand(2, shots, -1, -1),
    )


def test_in_training_all_shots_are_one_way() -> None:
    prompt, feature, _ = scene(ways=1, right=0)
    page, mirror = TurnedFit().train(), torch.arange(4).expand(2, -1)
    view, doubt = page.alternatives(support(), mirror)
    plain, _ = CosinePrior().alternatives(support(), mirror)
    assert view.image.shape == plain.image.shape == (2, 1, 2, 3, 32, 32) and (doubt == 0).all()
    torch.testing.assert_close(page(prompt, feature)[1], cosine(prompt.appearance, feature)[:, 0])


def test_in_evaluation_each_turn_of_each_shot_is_one() -> None:
    mirror = torch.arange(4).expand(2, -1)
    view, doubt = TurnedFit(rotations=4).eval().alternatives(support(), mirror)
    assert view.image.shape == (2, 16, 1, 3, 32, 32) and doubt.shape == (2, 16)
    torch.testing.assert_close(doubt[:, :8], doubt[:, 8:])  # the second shot is as good as the first
    assert doubt[0, 4] == pytest.approx(0.08)


def test_features_are_not_turned() -> None:
    view, doubt = TurnedFit().eval().alternatives(support(channels=7), torch.arange(4).expand(2, -1))
    assert view.image.shape == (2, 2, 1, 7, 32, 32) and (doubt == 0).all()


def test_no_rotation_is_refused(refused) -> None:
    with refused(UsageError, "rotation", "0"):
        TurnedFit(rotations=0)
