"""The causal intervention: who is replaced, by what, which way gradients go (specification §10, checks 2, 3, 10)."""

import pytest
import torch

from cape.errors import UsageError
from cape.models.graphs import CausalIntervention
from cape.models.graphs.intervention import confounder_score

SCORE = torch.tensor([[0.1, 0.9, 0.5, 0.7], [0.4, 0.3, 0.2, 0.1]])
ALL = torch.ones(2, 4, dtype=torch.bool)


def chosen(
    score: torch.Tensor = SCORE, mask: torch.Tensor = ALL, *, training: bool = False, **options
) -> list[list[int]]:
    part = CausalIntervention(width=3, keypoints=4, **options).train(training)
    found = part(torch.randn(2, 4, 3), score, mask).chosen
    return [row.nonzero()[:, 0].tolist() for row in found]


def test_the_n_highest_scores_of_each_instance() -> None:
    assert chosen(test=2) == [[1, 3], [0, 1]]
    assert chosen(train=3, test=1, training=True) == [[1, 2, 3], [0, 1, 2]]
    assert chosen(train=3, test=0) == [[], []]


def test_a_share_is_of_those_that_exist() -> None:
    mask = torch.tensor([[True, False, True, True], [True, True, False, False]])
    assert chosen(mask=mask, train=0.5, training=True) == [[2, 3], [0]]
    assert chosen(mask=mask, test=4) == [[0, 2, 3], [0, 1]]
    assert chosen(mask=~ALL, train=0.5, training=True) == [[], []]


def test_threshold() -> None:
    assert chosen(threshold=0.45) == [[1, 2, 3], []]
    mask = torch.tensor([[True, False, True, True], [True, True, True, True]])
    assert chosen(threshold=0.35, mask=mask) == [[2, 3], [0]]


def test_equal_scores_are_decided_by_order() -> None:
    assert chosen(torch.ones(2, 4), test=2) == [[0, 1], [0, 1]]


def test_none_replaced_is_the_identity_and_all_replaced_know_no_picture() -> None:
    first, second = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    part = CausalIntervention(width=3, keypoints=4, test=0).eval()
    assert torch.equal(part(first, SCORE, ALL).tokens, first)
    part = CausalIntervention(width=3, keypoints=4, test=4).eval()
    assert torch.equal(part(first, SCORE, ALL).tokens, part(second, SCORE.flip(1), ALL).tokens)


def test_gradients_go_where_equation_9_says() -> None:
    part = CausalIntervention(width=3, keypoints=4, test=2).eval()
    tokens = torch.randn(2, 4, 3, requires_grad=True)
    found = part(tokens, SCORE, ALL)
    upstream = torch.randn(2, 4, 3)
    (found.tokens * upstream).sum().backward()
    mask = found.chosen[..., None]
    torch.testing.assert_close(part.canonical.weight.grad, (mask * upstream).sum(dim=0))
    assert (part.canonical.weight.grad[2] == 0).all(), "no instance replaced this one"
    torch.testing.assert_close(tokens.grad, ~mask * upstream)


def test_canonical_embeddings_from_outside() -> None:
    part = CausalIntervention(width=3, test=1).eval()
    given = torch.randn(2, 4, 3)
    found = part(torch.randn(2, 4, 3), SCORE, ALL, given)
    assert torch.equal(found.tokens[found.chosen], given[found.chosen])
    with pytest.raises(UsageError, match="canonical"):
        part(given, SCORE, ALL)


@pytest.mark.parametrize("options", [{"train": 5}, {"test": 5}, {"train": -1}, {"test": 1.5}])
def test_more_than_there_are(options: dict) -> None:
    with pytest.raises(UsageError, match="at most 4"):
        CausalIntervention(width=3, keypoints=4, **options)


def test_confounder_score() -> None:
    """Eq. 2: uniform logits give the most, certainty 0, and temperature sharpens."""
    w, h = 384, 512
    uniform = confounder_score(torch.zeros(1, 2, w), torch.zeros(1, 2, h))
    torch.testing.assert_close(uniform, torch.full((1, 2), 1 - (1 / w + 1 / h) / 2))
    peak = torch.zeros(1, 1, w)
    peak[..., 7] = 1.0
    torch.testing.assert_close(confounder_score(1e3 * peak), torch.zeros(1, 1))
    assert 0.99 < confounder_score(peak).item() < 0.998, "a well-formed peak at temperature 1 says next to nothing"
    assert confounder_score(peak, temperature=10.0).item() < 0.02
    random = confounder_score(torch.randn(5, 4, w), torch.randn(5, 4, h))
    assert ((random >= 0) & (random <= uniform[0, 0])).all()
