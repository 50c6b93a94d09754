"""SemGCN: the published size, a ten-line reference, and the graph it is given."""

import pytest
import torch

from cape.data.skeletons import read_skeleton
from cape.errors import UsageError
from cape.models.lifters import SemGCN
from cape.models.lifters.semgcn import SemanticConvolution


def test_parameters_are_counted_as_published() -> None:
    lifter = SemGCN(joints=17, edges=read_skeleton("human36m").edges)
    assert sum(each.numel() for each in lifter.parameters()) == 267_373


def test_the_convolution_is_its_formula() -> None:
    adjacency = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=torch.bool)
    layer = SemanticConvolution(adjacency, 4, 5)
    torch.nn.init.normal_(layer.logits)
    tokens = torch.randn(2, 3, 4)
    logits = torch.full((3, 3), -9e15)
    logits[adjacency] = layer.logits[0]
    weights, one = logits.softmax(dim=1), torch.eye(3)
    expected = (weights * one) @ (tokens @ layer.maps[0]) + (weights * (1 - one)) @ (tokens @ layer.maps[1])
    torch.testing.assert_close(layer(tokens), expected + layer.bias)


def test_a_joint_hears_only_as_far_as_layers_reach() -> None:
    lifter = SemGCN(joints=6, edges=[(k, k + 1) for k in range(5)], width=8, blocks=0).eval()
    points = torch.randn(1, 1, 6, 2)
    changed = points.clone()
    changed[:, :, 5] += 1
    differs = (lifter(points) - lifter(changed)).abs().amax(dim=(0, 1, 3)) > 0
    assert differs.tolist() == [False, False, False, True, True, True]


@pytest.mark.parametrize("edge", [(0, 3), (1, 1), (0, 1, 2), (-1, 0)])
def test_edges_that_join_nothing_are_refused(edge: tuple, refused) -> None:
    with refused(UsageError, "SemGCN edges", str(edge)):
        SemGCN(joints=3, edges=[edge])
