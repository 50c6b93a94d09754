"""CIGPose's hierarchical graph network: messages along the bones, then gates from groups of keypoints."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from cape.registry import MODELS

Aggregation = Literal["sum", "mean", "max"]
Norm = Literal["batch", "layer"]


@MODELS.register_module()
class HierarchicalGraph(nn.Module):
    """Local messages between neighbours, global ones between groups (CIGPose, Eq. 4; specification §2.4).

    Each keypoint that exists is a row of one list over all samples, and each edge a pair of rows: no loop, and padding
    neither sends nor receives nor counts in a statistic.

    As the official code has it, where the paper is silent: the input projection, the residuals, the normalisation, the
    bottleneck of the gates, and the sum in place of EdgeConv's usual maximum.

    Args:
        width: D.
        layers: Blocks of messages and gates. The official networks have 1, and 2 for CrowdPose.
        reduction: How many times narrower than D the gates' hidden layer is.
        aggregation: Of the messages that reach a keypoint.
        norm: "batch", the official one, needs two rows in training (else it takes the running statistics) and makes
            the samples of a batch depend on each other; "layer" does neither: for keypoints of many categories.
        hops: Where no groups are declared, each keypoint's group is what so many edges reach.
        gates: False leaves the groups out: messages along the bones alone, the row "G_p without G_h" of the paper's
            Table 4.
    """

    def __init__(
        self,
        *,
        width: int = 256,
        layers: int = 1,
        reduction: int = 4,
        aggregation: Aggregation = "sum",
        norm: Norm = "batch",
        hops: int = 2,
        gates: bool = True,
    ) -> None:
        super().__init__()
        self.hops = hops
        self.project = nn.Linear(width, width)
        self.norm = _norm(width, norm)
        narrow = width // reduction if gates else None
        self.blocks = nn.ModuleList(_Block(width, narrow, aggregation, norm) for _ in range(layers))

    def forward(
        self,
        tokens: Float[Tensor, "B K D"],
        adjacency: Bool[Tensor, "B K K"],
        mask: Bool[Tensor, "B K"],
        groups: Bool[Tensor, "B P K"] | None = None,
    ) -> Float[Tensor, "B K D"]:
        """Tokens that know their neighbours and their groups; zeros where the mask is False.

        Args:
            tokens: One a keypoint.
            adjacency: Skeleton. A keypoint without neighbours gets no message.
            mask: Keypoints that exist.
            groups: Members of the declared parts; a row without any is no part. A sample without parts, and None:
                neighbourhoods. A keypoint in no part of several keeps its token as it is.
        """
        structure = _structure(adjacency, mask, groups, self.hops)
        there = mask.flatten().nonzero()[:, 0]
        rows = tokens.flatten(0, 1).index_select(0, there)  # [N, D]
        rows = functional.silu(self.norm(self.project(rows)))
        for block in self.blocks:
            rows = block(rows, structure)
        return rows.new_zeros(mask.numel(), rows.shape[1]).index_copy(0, there, rows).view_as(tokens)


class _Structure(NamedTuple):
    """Pairs of rows: of the receiver, then of the sender."""

    bones: Int64[Tensor, "2 E"]
    """Keypoint from keypoint."""
    members: Int64[Tensor, "2 E"]
    """Group from keypoint."""
    between: Int64[Tensor, "2 E"]
    """Group from group, each from every other of its sample."""
    groups: int
    """How many there are, over all samples."""


class _Block(nn.Module):
    """Messages along the bones, gates from the groups (none without a width for them), residual."""

    def __init__(self, width: int, narrow: int | None, aggregation: Aggregation, norm: Norm) -> None:
        super().__init__()
        self.bones = EdgeConv(width=width, aggregation=aggregation, norm=norm)
        self.norm = _norm(width, norm)
        self.gates = None if narrow is None else GroupGates(width=width, narrow=narrow, norm=norm)

    def forward(self, rows: Float[Tensor, "N D"], structure: _Structure) -> Float[Tensor, "N D"]:
        local = self.norm(self.bones(rows, structure.bones))
        gated = local if self.gates is None else local * self.gates(local, structure)
        return functional.silu(gated + rows)


class EdgeConv(nn.Module):
    """The sum (or mean, maximum) over neighbours j of SiLU(norm(W [x_i, x_j - x_i])).

    Args:
        width: D.
        aggregation: See `aggregate`.
        norm: See `HierarchicalGraph`.
    """

    def __init__(self, *, width: int, aggregation: Aggregation = "sum", norm: Norm = "batch") -> None:
        super().__init__()
        self.aggregation: Aggregation = aggregation
        self.message = nn.Linear(2 * width, width, bias=False)
        self.norm = _norm(width, norm)

    def forward(self, rows: Float[Tensor, "N D"], edges: Int64[Tensor, "2 E"]) -> Float[Tensor, "N D"]:
        """What reaches each row; zeros where no edge ends."""
        # W [x_i, x_j - x_i] = (W_own - W_other) x_i + W_other x_j: two products a row, none an edge
        own, other = self.message.weight.chunk(2, dim=1)
        kept, sent = functional.linear(rows, own - other), functional.linear(rows, other)
        receiver, sender = edges
        messages = kept.index_select(0, receiver).add_(sent.index_select(0, sender))
        messages = functional.silu(self.norm(messages))
        return aggregate(messages, receiver, len(rows), how=self.aggregation)


class GroupGates(nn.Module):
    """How much of each channel a keypoint keeps: the mean of its groups' gates, which know of each other.

    Args:
        width: D.
        narrow: Width of the groups' features.
        norm: See `HierarchicalGraph`.
    """

    def __init__(self, *, width: int, narrow: int, norm: Norm = "batch") -> None:
        super().__init__()
        self.down = nn.Linear(width, narrow)
        self.norm = _norm(narrow, norm)
        self.between = EdgeConv(width=narrow, norm=norm)
        self.up = nn.Linear(narrow, width)

    def forward(self, rows: Float[Tensor, "N D"], structure: _Structure) -> Float[Tensor, "N D"]:
        """Factors between 0 and 1; 1 for a keypoint in no group."""
        group, keypoint = structure.members
        narrow = functional.silu(self.norm(self.down(rows)))
        pooled = aggregate(narrow.index_select(0, keypoint), group, structure.groups, how="mean")
        gates = self.up(self.between(pooled, structure.between)).sigmoid()
        inside = torch.zeros_like(rows[:, :1]).index_fill(0, keypoint, 1)
        return aggregate(gates.index_select(0, group), keypoint, len(rows), how="mean") + 1 - inside


class _BatchNorm(nn.BatchNorm1d):
    """Batch normalisation; in training, of fewer than two rows, by the running statistics: there are no others."""

    def forward(self, rows: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:  # type: ignore[override]
        if self.training and len(rows) < 2:
            return functional.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias)
        return super().forward(rows)


def _norm(width: int, kind: Norm) -> nn.Module:
    return _BatchNorm(width) if kind == "batch" else nn.LayerNorm(width)


def aggregate(
    messages: Float[Tensor, "E D"], receiver: Int64[Tensor, "E"], count: int, *, how: Aggregation
) -> Float[Tensor, "N D"]:
    """All messages to each of `count` receivers in one; zeros where there is none."""
    empty = messages.new_zeros(count, messages.shape[1])
    if how == "max":
        target = receiver[:, None].expand_as(messages)
        return empty.scatter_reduce(0, target, messages, reduce="amax", include_self=False)
    total = empty.index_add(0, receiver, messages)
    return total if how == "sum" else total / torch.bincount(receiver, minlength=count).clamp_min(1)[:, None]


def neighbourhoods(adjacency: Bool[Tensor, "B K K"], hops: int) -> Bool[Tensor, "B K K"]:
    """Row k holds the keypoints that at most `hops` edges away from k, itself included."""
    step = adjacency.float() + torch.eye(adjacency.shape[-1], device=adjacency.device)
    reached = step
    for _ in range(hops - 1):
        reached = (reached @ step).clamp_max(1)
    return reached > 0


def _structure(
    adjacency: Bool[Tensor, "B K K"], mask: Bool[Tensor, "B K"], groups: Bool[Tensor, "B P K"] | None, hops: int
) -> _Structure:
    """The lists of pairs that stand for skeleton and groups."""
    bones = adjacency & mask[:, None] & mask[..., None]
    if groups is None:
        groups = neighbourhoods(bones, hops)
    elif not (declared := groups.flatten(1).any(dim=1)).all():
        groups = torch.cat([groups, neighbourhoods(bones, hops) & ~declared[:, None, None]], dim=1)
    members = groups & mask[:, None]
    there = members.any(dim=-1)
    other = ~torch.eye(there.shape[1], dtype=torch.bool, device=there.device)
    keypoint, group = _numbered(mask), _numbered(there)
    return _Structure(
        bones=_pairs(bones, keypoint, keypoint),
        members=_pairs(members, group, keypoint),
        between=_pairs(there[:, None] & there[..., None] & other, group, group),
        groups=int(there.sum()),
    )


def _numbered(mask: Bool[Tensor, "B N"]) -> Int64[Tensor, "B N"]:
    """The row of each entry in the list of those that exist."""
    return mask.flatten().cumsum(dim=0).view_as(mask) - 1


def _pairs(
    related: Bool[Tensor, "B N M"], receivers: Int64[Tensor, "B N"], senders: Int64[Tensor, "B M"]
) -> Int64[Tensor, "2 E"]:
    sample, receiver, sender = related.nonzero(as_tuple=True)
    return torch.stack([receivers[sample, receiver], senders[sample, sender]])
