"""The matching prior: an untrained model matches as its backbone does. Contracts are in heads/test_keypoint_decoder."""

import pytest
import torch
import torch.nn.functional as F

from cape.codecs import local_soft_argmax
from cape.models.fusion import Matching
from cape.models.fusion.prior import cosine

D, C = 16, 24


def part(**options) -> Matching:
    torch.manual_seed(0)
    return Matching(width=D, heads=2, layers=1, hidden=16, gate=8, **options).eval()


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    mask = torch.ones(2, 5, dtype=torch.bool)
    prior = cosine(F.normalize(torch.randn(2, 1, 5, C), dim=-1), torch.randn(2, C, 6, 6))[:, 0]
    return torch.randn(2, D, 6, 6), torch.randn(2, 5, D), mask, prior


def test_the_prior_is_the_cosine_and_zero_without_a_support() -> None:
    appearance, feature = F.normalize(torch.randn(1, 3, C), dim=-1), torch.randn(1, C, 4, 5)
    appearance[0, 1] = 0
    prior = cosine(appearance[:, None], feature)[:, 0]
    assert prior.shape == (1, 3, 4, 5) and prior[0, 1].abs().max() == 0
    by_hand = torch.cosine_similarity(appearance[0, 2], feature[0, :, 3, 1], dim=0)
    torch.testing.assert_close(prior[0, 2, 3, 1], by_hand)


def test_an_untrained_model_matches_as_its_backbone() -> None:
    feature, tokens, mask, prior = example()
    found = part(prior=12.0)(feature, tokens, mask, prior)
    torch.testing.assert_close(found.similarity, 12 * prior)
    torch.testing.assert_close(found.proposals, local_soft_argmax(12 * prior))
    assert not torch.equal(part()(feature, tokens, mask).similarity, found.similarity)


def test_the_weight_of_the_prior_is_learnt_and_so_is_the_rest() -> None:
    feature, tokens, mask, prior = example()
    matching = part(prior=12.0).train()
    for _ in range(2):  # behind the zeros of the first step nothing but the last map learns
        loss = matching(feature, tokens, mask, prior).similarity.square().sum()
        loss.backward()
        with torch.no_grad():
            for parameter in matching.parameters():
                parameter.sub_(1e-3 * torch.sign(parameter.grad))
    assert [name for name, each in matching.named_parameters() if each.grad.abs().sum() == 0] == []


def test_without_the_option_a_prior_is_not_looked_at() -> None:
    feature, tokens, mask, prior = example()
    assert torch.equal(part()(feature, tokens, mask, prior).similarity, part()(feature, tokens, mask).similarity)
    assert "log_prior" not in part().state_dict()


@pytest.mark.parametrize("weight", [1.0, 30.0])
def test_the_start_is_the_option(weight: float) -> None:
    torch.testing.assert_close(part(prior=weight).log_prior.exp(), torch.tensor(weight))


def test_trust_is_how_much_of_the_learned_part_counts_in_evaluation() -> None:
    feature, tokens, mask, prior = example()
    matching = part(prior=2.0, trust=0.25)
    torch.nn.init.normal_(matching.project_tokens.weight)
    evaluated = matching(feature, tokens, mask, prior).similarity - 2 * prior
    for layer in matching.layers:  # training mode without its dropout
        layer.dropout.p = layer.attention.dropout = layer.feed_forward[2].p = 0.0
    trained = matching.train()(feature, tokens, mask, prior).similarity - 2 * prior
    assert trained.abs().max() > 0.1
    torch.testing.assert_close(evaluated, 0.25 * trained, atol=1e-5, rtol=1e-4)
