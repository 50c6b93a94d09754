"""Graph feed-forward: adjacency by hand, modes, and the contract of the slot."""

import pytest
import torch

from cape.models.graphs import GraphFeedForward
from cape.models.graphs.gcn import message_weights

STAR = torch.zeros(1, 5, 5, dtype=torch.bool)
STAR[0, 0, 1:4] = STAR[0, 1:4, 0] = True
ALL = torch.ones(1, 5, dtype=torch.bool)


def test_a_star_by_hand() -> None:
    """Specification §7.1, check 14: each leaf sends all it has to the hub, the hub a third to each leaf."""
    own, edges = message_weights(STAR, ALL)[0]
    torch.testing.assert_close(own, torch.eye(5))
    torch.testing.assert_close(edges.sum(dim=0), torch.tensor([3.0, 1 / 3, 1 / 3, 1 / 3, 0.0]))
    symmetric = message_weights(STAR, ALL, weighting="symmetric")[0, 1]
    torch.testing.assert_close(symmetric, symmetric.T)
    torch.testing.assert_close(symmetric[0, 1], torch.tensor(1 / 3**0.5))


def test_masked_keypoints_neither_send_nor_receive() -> None:
    mask = ALL.clone()
    mask[0, 2] = False
    own, edges = message_weights(STAR, mask)[0]
    assert own[2, 2] == 0 and edges[2].sum() == 0 and edges[:, 2].sum() == 0
    assert edges[0, 1] == pytest.approx(1 / 2), "the hub's degree no longer counts the masked leaf"


@pytest.mark.parametrize("weighting", ["sender", "symmetric"])
def test_an_empty_skeleton_is_legal(weighting: str) -> None:
    graph = message_weights(torch.zeros_like(STAR), ALL, weighting=weighting)
    assert torch.isfinite(graph).all() and graph[:, 1].sum() == 0


@pytest.mark.parametrize("mode", ["pre", "post", "both", "none"])
def test_contract_of_the_slot(mode: str) -> None:
    torch.manual_seed(1)
    part = GraphFeedForward(width=8, hidden=12, mode=mode).eval()
    tokens, order = torch.randn(1, 5, 8), torch.tensor([3, 1, 4, 0, 2])
    found = part(tokens, STAR, ALL)
    assert found.shape == tokens.shape
    moved = part(tokens[:, order], STAR[:, order][:, :, order], ALL)
    torch.testing.assert_close(moved, found[:, order], atol=1e-6, rtol=0)

    padded_tokens = torch.cat([tokens, torch.full((1, 3, 8), 1e4)], dim=1)
    padded_edges = torch.ones(1, 8, 8, dtype=torch.bool)
    padded_edges[:, :5, :5] = STAR
    mask = torch.arange(8)[None] < 5
    torch.testing.assert_close(part(padded_tokens, padded_edges, mask)[:, :5], found, atol=1e-5, rtol=0)

    without = part(tokens, torch.zeros_like(STAR), ALL)
    assert torch.equal(without, found) == (mode == "none"), "the skeleton matters to all modes but none"

    (part(tokens, STAR, ALL) * torch.randn(1, 5, 8)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in part.parameters())


def test_direction_order_and_repetition_of_edges_do_not_matter() -> None:
    """Check 6: the adjacency is made symmetric and binary before it gets here."""
    from cape.skeleton import Skeleton

    once = Skeleton(("a", "b", "c"), ((0, 1), (1, 2))).adjacency()
    again = Skeleton(("a", "b", "c"), ((2, 1), (1, 0), (0, 1), (1, 2))).adjacency()
    assert (once == again).all()
