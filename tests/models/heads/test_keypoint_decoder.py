"""Matching and decoder together: permutation, padding, masks, gradients, finiteness (specification §7.1)."""

import pytest
import torch

from cape.models.fusion import Matching
from cape.models.heads import KeypointDecoder
from cape.models.heads.keypoint_decoder import recorded_attention
from cape.structures import Match

D = 32


def build(**options) -> tuple[Matching, KeypointDecoder]:
    torch.manual_seed(0)
    matching = Matching(width=D, heads=4, layers=2, hidden=48, gate=16)
    decoder = KeypointDecoder(width=D, heads=4, layers=2, graph={"hidden": 48}, **options)
    for offset in decoder.offsets:  # they start as the identity; make them say something
        torch.nn.init.normal_(offset[-1].weight, std=0.3)
    return matching.eval(), decoder.eval()


def example(keypoints: int = 7, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    feature = torch.randn(2, D, 8, 8, generator=generator)
    tokens = torch.randn(2, keypoints, D, generator=generator)
    adjacency = torch.zeros(2, keypoints, keypoints, dtype=torch.bool)
    for a in range(keypoints - 1):
        adjacency[:, a, a + 1] = adjacency[:, a + 1, a] = True
    return feature, tokens, adjacency, torch.ones(2, keypoints, dtype=torch.bool)


def run(parts, feature, tokens, adjacency, mask) -> torch.Tensor:
    matching, decoder = parts
    return decoder(matching(feature, tokens, mask), adjacency, mask)


@pytest.mark.parametrize("one_path", [True, False])
def test_permuting_keypoints_permutes_the_points(one_path: bool) -> None:
    parts = build(one_path=one_path)
    feature, tokens, adjacency, mask = example()
    order = torch.tensor([3, 6, 0, 5, 1, 4, 2])
    found = run(parts, feature, tokens, adjacency, mask)
    moved = run(parts, feature, tokens[:, order], adjacency[:, order][:, :, order], mask)
    assert (moved - found[:, :, order]).abs().max() < 1e-5
    assert found.shape == (2, 2, 7, 2)
    assert ((found > 0) & (found < 1)).all()


def test_padding_to_128_with_garbage_changes_nothing() -> None:
    parts = build()
    feature, tokens, adjacency, mask = example()
    found = run(parts, feature, tokens, adjacency, mask)
    wide = torch.ones(2, 128, 128, dtype=torch.bool)
    wide[:, :7, :7] = adjacency
    padded = torch.cat([tokens, torch.full((2, 121, D), 1e3)], dim=1)
    many = torch.arange(128)[None].expand(2, -1) < 7
    assert (run(parts, feature, padded, wide, many)[:, :, :7] - found).abs().max() < 1e-5


@pytest.mark.parametrize("keypoints", [1, 106])
def test_extreme_numbers_of_keypoints_are_finite(keypoints: int) -> None:
    assert torch.isfinite(run(build(), *example(keypoints))).all()


def test_no_visible_keypoint_is_finite() -> None:
    feature, tokens, adjacency, mask = example()
    mask[0] = False
    found = run(build(), feature, tokens, adjacency, mask)
    assert torch.isfinite(found).all()


def test_refinement_starts_at_the_proposals() -> None:
    torch.manual_seed(0)
    matching, decoder = Matching(width=D, heads=4).eval(), KeypointDecoder(width=D, heads=4).eval()
    feature, tokens, adjacency, mask = example()
    match = matching(feature, tokens, mask)
    points = decoder(match, adjacency, mask)
    torch.testing.assert_close(points, match.proposals.expand_as(points), atol=1e-3, rtol=0)


@pytest.mark.parametrize("one_path", [True, False])
def test_every_parameter_gets_a_gradient(one_path: bool) -> None:
    matching, decoder = build(one_path=one_path)
    feature, tokens, adjacency, mask = example()
    match = matching(feature, tokens, mask)
    points = decoder(match, adjacency, mask)
    loss = (points * torch.randn_like(points)).sum() + (match.expected * torch.randn_like(match.expected)).sum()
    loss.backward()
    for part in (matching, decoder):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_proposals_do_not_learn_from_the_decoder() -> None:
    matching, decoder = build()
    feature, tokens, adjacency, mask = example()
    match = matching(feature, tokens, mask)
    match.proposals.retain_grad()
    decoder(match, adjacency, mask).sum().backward()
    assert match.proposals.grad is None


def test_identical_keypoints_of_equal_role_get_identical_points() -> None:
    """Check 10: nothing tells the index of a keypoint; the two ends of a symmetric chain stay together."""
    parts = build()
    feature, tokens, adjacency, mask = example(keypoints=5)
    tokens[:, 4], tokens[:, 3] = tokens[:, 0], tokens[:, 1]
    found = run(parts, feature, tokens, adjacency, mask)
    assert (found[:, :, 0] - found[:, :, 4]).abs().max() < 1e-6
    tokens[:, 4] += 0.5
    found = run(parts, feature, tokens, adjacency, mask)
    assert (found[:, :, 0] - found[:, :, 4]).abs().max() > 1e-4


@pytest.mark.parametrize("one_path", [True, False])
def test_reach_bounds_how_far_each_layer_moves_a_point(one_path: bool) -> None:
    matching, decoder = build(reach=0.05, one_path=one_path)
    feature, tokens, adjacency, mask = example()
    for offset in decoder.offsets:
        torch.nn.init.normal_(offset[-1].weight, std=30)
    match = matching(feature, tokens, mask)
    points = decoder(match, adjacency, mask)
    moved = (points - torch.cat([match.proposals[None], points[:-1]])).abs()
    assert moved.max() < 0.1001 and moved[0].max() > 0.04, "two tanh of one base at most"
    if one_path:
        assert moved.max() < 0.0501


def test_recording_where_keypoints_look_changes_nothing() -> None:
    parts, inputs = build(), example()
    plain = run(parts, *inputs)
    with recorded_attention(parts[1]) as weights:
        assert torch.equal(run(parts, *inputs), plain)
    assert len(weights) == 2 and all(each.shape == (2, 7, 64) for each in weights)
    for each in weights:
        torch.testing.assert_close(each.sum(dim=-1), torch.ones(2, 7))
    run(parts, *inputs)
    assert len(weights) == 2, "outside the context nothing is recorded"
    assert not any(layer.cross_attention._forward_hooks for layer in parts[1].layers)


def test_recorded_weights_lie_where_the_attention_looks() -> None:
    """Cells that look alike share the weight evenly; the one that differs, by row and column, stands out."""
    _, decoder = build()
    _, tokens, adjacency, mask = example(keypoints=1)
    match = Match(
        feature=torch.zeros(2, 64, D), position=torch.zeros(64, D), tokens=tokens, similarity=torch.zeros(2, 1, 8, 8),
        expected=torch.full((2, 1, 2), 0.5), proposals=torch.full((2, 1, 2), 0.5),
    )  # fmt: skip
    cell = 3 * 8 + 5
    with recorded_attention(decoder) as weights:
        decoder(match, adjacency, mask)
        match.position[cell] = 100 * torch.randn(D)
        decoder(match, adjacency, mask)
    even, pointed = weights[0], weights[2]
    torch.testing.assert_close(even, torch.full_like(even, 1 / 64))
    others = torch.cat([pointed[..., :cell], pointed[..., cell + 1 :]], dim=-1)
    torch.testing.assert_close(others, others[..., :1].expand_as(others))
    assert ((pointed[..., cell] - others[..., 0]).abs() > 0.01).all()
