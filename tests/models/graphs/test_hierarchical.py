"""The hierarchical graph: by hand, against a loop with the same mathematics, and the contract of the slot."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cape.models.graphs import HierarchicalGraph
from cape.models.graphs.hierarchical import EdgeConv, GroupGates, _structure, aggregate, neighbourhoods

PATH = torch.zeros(1, 3, 3, dtype=torch.bool)
PATH[0, [0, 1, 1, 2], [1, 0, 2, 1]] = True
TREE = torch.zeros(2, 6, 6, dtype=torch.bool)
for _a, _b in ((0, 1), (1, 2), (1, 3), (3, 4)):  # keypoint 5 has no neighbour
    TREE[:, _a, _b] = TREE[:, _b, _a] = True
ALL = torch.ones(2, 6, dtype=torch.bool)
GROUPS = torch.zeros(2, 3, 6, dtype=torch.bool)
GROUPS[:, 0, :3] = GROUPS[:, 1, 2:5] = True  # keypoint 2 is in both, 5 in none, and the third has no member


def by_hand(part: HierarchicalGraph, tokens: Tensor, adjacency: Tensor, groups: Tensor) -> Tensor:
    """The network of specification §2.4 for one sample in evaluation mode, edge by edge and group by group."""

    def convolved(convolution: EdgeConv, nodes: list[Tensor], edges: list[tuple[int, int]]) -> list[Tensor]:
        found = [torch.zeros_like(node) for node in nodes]
        for a, b in edges:
            both = torch.cat([nodes[a], nodes[b] - nodes[a]])
            found[a] = found[a] + functional.silu(convolution.norm(convolution.message(both)[None])[0])
        return found

    bones = [(a, b) for a in range(len(tokens)) for b in range(len(tokens)) if adjacency[a, b]]
    members = [row.nonzero()[:, 0].tolist() for row in groups if row.any()]
    rows = list(functional.silu(part.norm(part.project(tokens))))
    for block in part.blocks:
        local = list(block.norm(torch.stack(convolved(block.bones, rows, bones))))
        narrow = functional.silu(block.gates.norm(block.gates.down(torch.stack(local))))
        pooled = [narrow[each].mean(dim=0) for each in members]
        pairs = [(a, b) for a in range(len(pooled)) for b in range(len(pooled)) if a != b]
        gates = [block.gates.up(each).sigmoid() for each in convolved(block.gates.between, pooled, pairs)]
        for place in range(len(tokens)):
            own = [gate for gate, each in zip(gates, members, strict=True) if place in each]
            gate = torch.stack(own).mean(dim=0) if own else torch.ones_like(local[place])
            rows[place] = functional.silu(local[place] * gate + rows[place])
    return torch.stack(rows)


def trained(part: nn.Module) -> nn.Module:
    """With statistics and scales other than those of the start."""
    generator = torch.Generator().manual_seed(3)
    for each in part.modules():
        if isinstance(each, nn.BatchNorm1d):
            each.running_mean.normal_(generator=generator)
            each.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.normal_(each.weight, generator=generator)
            nn.init.normal_(each.bias, generator=generator)
    return part


@pytest.mark.parametrize("layers", [1, 2])
def test_equals_the_loop_over_samples_edges_and_groups(layers: int) -> None:
    part = trained(HierarchicalGraph(width=8, layers=layers)).eval()
    tokens = torch.randn(2, 6, 8)
    found = part(tokens, TREE, ALL, GROUPS)
    for row, sample in zip(found, tokens, strict=True):
        torch.testing.assert_close(row, by_hand(part, sample, TREE[0], GROUPS[0]), atol=1e-5, rtol=1e-5)


def test_a_path_by_hand() -> None:
    """With W = [1, 1] a message is SiLU(x_i + x_j - x_i): each keypoint gets the sum of its neighbours' SiLU."""
    part = EdgeConv(width=1).eval()
    part.message.weight.data.fill_(1.0)
    part.norm.eps = 0.0
    rows = torch.tensor([[1.0], [2.0], [3.0]])
    edges = _structure(PATH, torch.ones(1, 3, dtype=torch.bool), None, 1).bones
    one, two, three = functional.silu(rows)[:, 0]
    torch.testing.assert_close(part(rows, edges)[:, 0], torch.stack([two, one + three, two]))


@pytest.mark.parametrize(
    ("how", "wanted"), [("sum", [4.0, 0.0, 5.0]), ("mean", [2.0, 0.0, 5.0]), ("max", [3.0, 0.0, 5.0])]
)
def test_aggregation(how: str, wanted: list[float]) -> None:
    messages, receiver = torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 2])
    assert aggregate(messages, receiver, 3, how=how)[:, 0].tolist() == wanted
    lowest = aggregate(-messages, receiver, 3, how="max")[:, 0].tolist()
    assert lowest == [-1.0, 0.0, -5.0], "the zero of those without a message is no message"


def test_gates() -> None:
    """Between 0 and 1; 1 for a keypoint in no group; the mean of its groups' for one in two."""
    gates = trained(GroupGates(width=8, narrow=4)).eval()
    structure = _structure(TREE, ALL, GROUPS, 2)
    assert structure.groups == 4, "the row without a member is no group"
    found = gates(torch.randn(12, 8), structure).view(2, 6, 8)
    assert (found[:, 5] == 1).all()
    assert ((found[:, :5] > 0) & (found[:, :5] < 1)).all()
    torch.testing.assert_close(found[:, 2], (found[:, 0] + found[:, 3]) / 2)


def test_neighbourhoods() -> None:
    for hops, wanted in ((1, [0, 1]), (2, [0, 1, 2, 3]), (3, [0, 1, 2, 3, 4])):
        assert neighbourhoods(TREE, hops)[0, 0].nonzero()[:, 0].tolist() == wanted
    assert neighbourhoods(TREE, 2)[0, 5].nonzero()[:, 0].tolist() == [5]


def test_a_sample_without_declared_parts_gets_neighbourhoods() -> None:
    part = HierarchicalGraph(width=8, norm="layer").eval()
    tokens = torch.randn(2, 6, 8)
    some = GROUPS.clone()
    some[1] = False
    found = part(tokens, TREE, ALL, some)
    torch.testing.assert_close(found[:1], part(tokens[:1], TREE[:1], ALL[:1], GROUPS[:1]))
    torch.testing.assert_close(found[1:], part(tokens[1:], TREE[1:], ALL[1:]))
    assert not torch.allclose(found[1], part(tokens, TREE, ALL, GROUPS)[1])


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("declared", [True, False])
def test_contract_of_the_slot(norm: str, declared: bool) -> None:
    part = trained(HierarchicalGraph(width=8, layers=2, norm=norm)).eval()
    tokens, order = torch.randn(2, 6, 8), torch.tensor([3, 1, 4, 0, 5, 2])
    groups = GROUPS if declared else None
    found = part(tokens, TREE, ALL, groups)
    moved = part(tokens[:, order], TREE[:, order][..., order], ALL, GROUPS[..., order] if declared else None)
    torch.testing.assert_close(moved, found[:, order], atol=1e-5, rtol=0)

    wild = torch.cat([tokens, torch.full((2, 3, 8), 1e4)], dim=1)
    edges, members = torch.ones(2, 9, 9, dtype=torch.bool), torch.ones(2, 3, 9, dtype=torch.bool)
    edges[:, :6, :6], members[..., :6] = TREE, GROUPS
    members[:, 2] = False
    mask = torch.arange(9).expand(2, 9) < 6
    for training in (False, True):
        part.train(training)
        padded = part(wild, edges, mask, members if declared else None)
        torch.testing.assert_close(padded[:, :6], part(tokens, TREE, ALL, groups), atol=1e-5, rtol=0)
        assert (padded[:, 6:] == 0).all()

    (part(tokens, TREE, ALL, groups) * torch.randn(2, 6, 8)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in part.parameters())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("count", "edges"), [(1, PATH[:, :1, :1]), (3, torch.zeros_like(PATH))], ids=["one keypoint", "no edges"]
)
def test_what_is_small_is_legal(training: bool, count: int, edges: Tensor) -> None:
    """One keypoint in a batch of one has no batch statistics; and nobody sends where there are no edges."""
    part = HierarchicalGraph(width=8).train(training)
    found = part(torch.randn(1, count, 8), edges, torch.ones(1, count, dtype=torch.bool))
    assert found.isfinite().all() and found.shape == (1, count, 8)


def test_nothing_exists() -> None:
    part = HierarchicalGraph(width=8)
    assert (part(torch.randn(2, 6, 8), TREE, ~ALL, GROUPS) == 0).all()


def test_without_gates_the_groups_say_nothing() -> None:
    """Table 4's G_p alone: what the bones say, and weights without those of the gates."""
    part = trained(HierarchicalGraph(width=8, gates=False)).eval()
    whole = HierarchicalGraph(width=8).eval()
    assert {name for name in whole.state_dict() if ".gates." not in name} == set(part.state_dict())
    tokens = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(1))
    found = part(tokens, TREE, ALL, GROUPS)
    assert torch.equal(found, part(tokens, TREE, ALL, torch.zeros_like(GROUPS)))
    assert torch.equal(found, part(tokens, TREE, ALL))
    rows = functional.silu(part.norm(part.project(tokens[0])))
    (block,) = part.blocks
    local = block.norm(block.bones(rows, TREE[0].nonzero().T))
    torch.testing.assert_close(found[0], functional.silu(local + rows))
