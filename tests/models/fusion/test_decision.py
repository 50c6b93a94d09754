"""The decision: weights are shares, absent branches have none, each rule says what its name says."""

import pytest
import torch

from cape.codecs import local_soft_argmax
from cape.models.fusion.decision import Decision, _mixed
from cape.structures import Match


def match(similarity: torch.Tensor, tokens: torch.Tensor | None = None) -> Match:
    batch, keypoints, height, width = similarity.shape
    generator = torch.Generator().manual_seed(int(similarity.sum().abs() * 1000))
    drawn = {"generator": generator}
    return Match(
        feature=torch.randn(batch, height * width, 8, **drawn),
        position=torch.zeros(height * width, 8),
        tokens=torch.randn(batch, keypoints, 8, **drawn) if tokens is None else tokens,
        similarity=similarity,
        expected=torch.rand(batch, keypoints, 2, **drawn),
        proposals=torch.rand(batch, keypoints, 2, **drawn),
    )


@pytest.fixture
def matches() -> tuple[Match, Match]:
    torch.manual_seed(0)
    return match(torch.randn(2, 5, 4, 4)), match(4 * torch.randn(2, 5, 4, 4))


def deciding(**options) -> Decision:
    torch.manual_seed(1)
    decision = Decision(width=8, **options)
    if decision.gate is not None:  # it starts as the mean
        torch.nn.init.normal_(decision.gate.weight)
    return decision


@pytest.mark.parametrize("rule", ["gate", "mean", "confidence", "pool"])
def test_weights_are_shares_of_the_branches_that_are_there(matches: tuple[Match, Match], rule: str) -> None:
    present = torch.ones(2, 2, 5, dtype=torch.bool)
    present[:, 0, 1] = present[:, 1, 2] = present[:, :, 3] = False
    _, weights = deciding(rule=rule)(matches, present)
    assert weights.shape == (2, 2, 5)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, 5))
    lone = present.any(dim=1, keepdim=True) & ~present
    assert (weights[lone] == 0).all() and (weights >= 0).all()
    torch.testing.assert_close(weights[:, :, 3], torch.full((2, 2), 0.5))  # nobody knows it: it stays in the crop


def test_the_gate_starts_as_the_mean_and_moves_one_keypoint_at_a_time(matches: tuple[Match, Match]) -> None:
    present = torch.ones(2, 2, 5, dtype=torch.bool)
    torch.testing.assert_close(Decision(width=8)(matches, present)[1], torch.full((2, 2, 5), 0.5))
    gate = deciding()
    _, before = gate(matches, present)
    changed = matches[0].tokens.clone()
    changed[:, 2] += 1
    _, after = gate((matches[0]._replace(tokens=changed), matches[1]), present)
    moved = (before - after).abs().amax(dim=(0, 1)) > 1e-6
    assert moved.tolist() == [False, False, True, False, False]


def test_without_tokens_the_gate_reads_the_maps_alone(matches: tuple[Match, Match]) -> None:
    present = torch.ones(2, 2, 5, dtype=torch.bool)
    gate = deciding(tokens=False)
    other = matches[0]._replace(tokens=matches[0].tokens + 1)
    assert torch.equal(gate((other, matches[1]), present)[1], gate(matches, present)[1])
    flat = matches[0]._replace(similarity=matches[0].similarity / 10)
    assert (gate((flat, matches[1]), present)[1] - gate(matches, present)[1]).abs().max() > 1e-3


def test_confidence_follows_the_peak() -> None:
    """Peaks of 0.9 and 0.1 in 1:1 temperature weigh 0.9 and 0.1; at half of it 0.81 : 0.01."""
    first, second = torch.full((1, 1, 1, 11), 0.01), torch.full((1, 1, 1, 11), 0.09)
    first[..., 0], second[..., 0] = 0.9, 0.1
    both, present = (match(first.log()), match(second.log())), torch.ones(1, 2, 1, dtype=torch.bool)
    _, weights = Decision(width=8, rule="confidence", temperature=1.0)(both, present)
    torch.testing.assert_close(weights.flatten(), torch.tensor([0.9, 0.1]))
    _, weights = Decision(width=8, rule="confidence", temperature=0.5)(both, present)
    torch.testing.assert_close(weights.flatten(), torch.tensor([0.81, 0.01]) / 0.82)


def test_absent_everywhere_leaves_the_gradient_finite(matches: tuple[Match, Match]) -> None:
    gate = deciding()
    gate(matches, torch.zeros(2, 2, 5, dtype=torch.bool))[1].sum().backward()
    assert gate.gate is not None and gate.gate.weight.grad.isfinite().all()


def test_a_mixture_with_all_weight_on_one_branch_is_that_branch(matches: tuple[Match, Match]) -> None:
    for chosen in (0, 1):
        weights = torch.zeros(2, 2, 5)
        weights[:, chosen] = 1
        for found, expected in zip(_mixed(matches, weights), matches[chosen], strict=True):
            torch.testing.assert_close(found, expected)


def test_a_mixture_is_linear_in_the_weights(matches: tuple[Match, Match]) -> None:
    weights = torch.full((2, 2, 5), 0.5)
    found = _mixed(matches, weights)
    torch.testing.assert_close(found.feature, (matches[0].feature + matches[1].feature) / 2)
    torch.testing.assert_close(found.proposals, (matches[0].proposals + matches[1].proposals) / 2)
    assert all(value.isfinite().all() for value in _mixed(matches, torch.zeros(2, 2, 5)))


def test_a_pool_finds_the_place_that_both_find_likely() -> None:
    """The visual map likes cells 0 and 15 nearly alike, the text map all of the lower half: 15 it is."""
    visual, text = torch.full((1, 1, 4, 4), -9.0), torch.zeros(1, 1, 4, 4)
    visual[..., 0, 0], visual[..., 3, 3] = 1.1, 1.0
    text[..., 2:, :] = 1.0
    both, present = (match(visual), match(text)), torch.ones(1, 2, 1, dtype=torch.bool)
    fused, _ = Decision(width=8, rule="pool")(both, present)
    assert fused.similarity.flatten().argmax() == 15
    fused, _ = Decision(width=8, rule="pool", powers=(1.0, 0.05))(both, present)
    assert fused.similarity.flatten().argmax() == 0
    expected = visual.flatten().log_softmax(0) + 0.05 * text.flatten().log_softmax(0)
    torch.testing.assert_close(fused.similarity.flatten(), expected)


@pytest.mark.parametrize("powers", [(1.0, 1.0), (0.7, 0.25)])
@pytest.mark.parametrize("absent", [0, 1])
def test_a_pool_of_one_is_that_one(matches: tuple[Match, Match], absent: int, powers: tuple[float, float]) -> None:
    present = torch.ones(2, 2, 5, dtype=torch.bool)
    present[:, absent] = False
    fused, _ = Decision(width=8, rule="pool", powers=powers)(matches, present)
    torch.testing.assert_close(fused.proposals, local_soft_argmax(matches[1 - absent].similarity))


def test_a_pool_that_nobody_has_a_token_for_is_a_guess_of_both(matches: tuple[Match, Match]) -> None:
    """Not the corner, which is where a map without any preference begins."""
    fused, _ = Decision(width=8, rule="pool", powers=(0.7, 0.25))(matches, torch.zeros(2, 2, 5, dtype=torch.bool))
    both = sum(each.similarity.flatten(-2).log_softmax(dim=-1).view_as(each.similarity) for each in matches)
    torch.testing.assert_close(fused.proposals, local_soft_argmax(both))
