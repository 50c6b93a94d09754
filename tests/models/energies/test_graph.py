"""The graph loss-net against the specification's counts, a breadth-first search, and a plain transformer."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from cape.data.skeletons import read_skeleton
from cape.errors import UsageError
from cape.models.energies import GraphEnergy
from cape.models.energies.graph import hop_counts

PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
EDGES = [(joint, parent) for joint, parent in enumerate(PARENTS) if parent >= 0]
# H3WB (specification §8): body, feet, face, and two hands of five fingers each
BODY = (-1, 0, 0, 0, 0, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14)
WHOLE = [(joint, parent) for joint, parent in enumerate((*BODY, *(15,) * 3, *(16,) * 3, *(0,) * 68)) if parent >= 0]
for _wrist, _first in ((9, 91), (10, 112)):
    WHOLE.append((_first, _wrist))
    for _finger in range(5):
        WHOLE += list(pairwise([_first, *range(_first + 1 + 4 * _finger, _first + 5 + 4 * _finger)]))
OFFICIAL = {"spd": "linear", "degree_bias": True, "node_id": "embed32"}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def poses(*axes: int, joints: int = 17, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*axes, joints, 2, generator=generator), torch.randn(*axes, joints, 3, generator=generator)


def test_as_many_parameters_as_the_official_code() -> None:
    assert count(GraphEnergy(edges=EDGES, **OFFICIAL)) == 2_451_752
    assert count(GraphEnergy(edges=EDGES, layers=4, ratio=2.0, **OFFICIAL)) == 2_185_512
    assert count(GraphEnergy(joints=133, edges=WHOLE, **OFFICIAL)) == 2_455_464


def slow_hops(joints: int, edges: list[tuple[int, int]]) -> np.ndarray:
    hops = np.full((joints, joints), -1)
    for start in range(joints):
        queue, hops[start, start] = [start], 0
        for place in queue:
            for edge in edges:
                for one, other in (edge, edge[::-1]):
                    if one == place and hops[start, other] < 0:
                        hops[start, other] = hops[start, place] + 1
                        queue.append(other)
    return hops


@pytest.mark.parametrize(("joints", "edges", "largest"), [(17, EDGES, 8), (133, WHOLE, 16)])
def test_distances_are_those_of_a_search(joints: int, edges: list[tuple[int, int]], largest: int) -> None:
    adjacency = np.zeros((joints, joints), dtype=bool)
    adjacency[tuple(np.array(edges).T)] = True
    found = hop_counts(adjacency | adjacency.T)
    np.testing.assert_array_equal(found, slow_hops(joints, edges))
    assert found.max() == largest


def test_joints_without_a_path_have_a_distance_of_their_own() -> None:
    adjacency = np.zeros((4, 4), dtype=bool)
    adjacency[0, 1] = adjacency[1, 0] = adjacency[1, 2] = adjacency[2, 1] = True
    assert hop_counts(adjacency).tolist() == [[0, 1, 2, 3], [1, 0, 1, 3], [2, 1, 0, 3], [3, 3, 3, 0]]
    assert torch.isfinite(GraphEnergy(joints=4, width=8, heads=2, layers=1)(*poses(3, joints=4))).all()


@pytest.mark.parametrize("options", [{}, OFFICIAL, {"inputs": "bilinear"}, {"spd": "none"}])
def test_relabelling_joints_changes_nothing(options: dict) -> None:
    """Skeleton, numbers and inputs in another order: the network only knows what it is told."""
    order = torch.randperm(17, generator=torch.Generator().manual_seed(3))
    places = order.argsort().tolist()
    small = {"width": 32, "heads": 4, "layers": 2, **options}
    one = GraphEnergy(edges=EDGES, **small)
    other = GraphEnergy(edges=[(places[a], places[b]) for a, b in EDGES], **small)
    if one.bias.table is not None:
        nn.init.normal_(one.bias.table)
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        if one.numbers is not None and other.numbers is not None:
            other.numbers.weight.copy_(one.numbers.weight[order])
        else:
            for mine, theirs in zip(one.project, other.project, strict=True):
                known = mine.in_features - 17
                theirs.weight[:, known:] = mine.weight[:, known:][:, order]
        points, joints = poses(5)
        torch.testing.assert_close(other(points[:, order], joints[:, order]), one(points, joints), atol=1e-5, rtol=1e-5)


def test_without_a_bias_it_is_a_plain_transformer() -> None:
    energy = GraphEnergy(edges=EDGES, width=32, heads=4, layers=2, ratio=2.0).eval()  # the table starts at 0
    plain = [
        nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, activation="gelu", batch_first=True, norm_first=True).eval()
        for _ in range(2)
    ]
    with torch.no_grad():
        for mine, theirs in zip(energy.blocks, plain, strict=True):
            attention = theirs.self_attn
            attention.in_proj_weight.copy_(mine.attend.weight)
            attention.in_proj_bias.copy_(mine.attend.bias)
            for name, part in (
                ("self_attn.out_proj", mine.mix), ("linear1", mine.refine[0]), ("linear2", mine.refine[2]),
                ("norm1", mine.before), ("norm2", mine.between),
            ):  # fmt: skip
                theirs.get_submodule(name).load_state_dict(part.state_dict())
        points, joints = poses(5)
        numbers = torch.eye(17).expand(5, -1, -1)
        nodes = energy.project[0](torch.cat([points, joints, numbers], dim=-1))  # the one-hot input in full
        tokens = torch.cat([energy.virtual.expand(5, 1, -1), nodes], dim=1)
        for layer in plain:
            tokens = layer(tokens)
        expected = energy.head(energy.norm(tokens)[:, 0]).squeeze(-1)
        torch.testing.assert_close(energy(points, joints), expected, atol=1e-5, rtol=1e-5)


def test_the_first_token_alone_is_the_first_of_all() -> None:
    """With a bias, dropout drawn or not: what the last block leaves out is not read."""
    energy = GraphEnergy(edges=EDGES, width=32, heads=4, layers=1, **OFFICIAL)
    tokens, bias = torch.randn(6, 18, 32), energy.bias()
    torch.testing.assert_close(energy.blocks[0].first(tokens, bias), energy.blocks[0](tokens, bias)[:, 0])


def test_the_linear_bias_is_the_official_one() -> None:
    bias = GraphEnergy(edges=EDGES, heads=2, width=4, **OFFICIAL).bias()
    degrees = np.bincount(np.array(EDGES).ravel())
    assert bias.shape == (2, 18, 18)
    for one, other in ((3, 3), (0, 1), (3, 16), (8, 9)):
        hops = slow_hops(17, EDGES)[one, other]
        expected = -0.8 * hops - 2.0 * (hops != 1) + 0.2 * (degrees[one] + degrees[other]) / degrees.max()
        assert float(bias[1, 1 + one, 1 + other].detach()) == pytest.approx(expected, abs=1e-5)
    assert not bias[:, 0].any()
    assert not bias[:, :, 0].any()


def test_one_block_sees_all_joints() -> None:
    points, joints = poses(2)
    joints.requires_grad_()
    GraphEnergy(edges=EDGES, width=32, heads=4, layers=1)(points, joints).sum().backward()
    assert joints.grad is not None
    assert (joints.grad.abs().sum(dim=-1) > 0).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"edges": [(0, 17)]}, "(0, 17)"),
        ({"edges": [(0,)]}, "(0,)"),
        ({"width": 30}, "heads"),
        ({"layers": 0}, "heads"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, words: str, refused) -> None:
    with refused(UsageError, words):
        GraphEnergy(**options)


def test_shipped_skeletons_serve() -> None:
    skeleton = read_skeleton("coco_wholebody")
    energy = GraphEnergy(joints=len(skeleton), edges=skeleton.edges, width=16, heads=2, layers=1)
    assert energy(*poses(2, joints=133)).shape == (2,)
