"""The graph loss-net: a small Graphormer over the joints of a skeleton."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cape.errors import UsageError
from cape.models.energies.coupling import WIDTHS, Inputs, LocalTerm, check_poses, inputs_of
from cape.models.layers import MLP
from cape.registry import MODELS

Distances = Literal["table", "linear", "none"]
EMBEDDED = 32
"""Width of the official code's embedding of joint numbers; the paper calls it d = 32."""


@MODELS.register_module()
class GraphEnergy(nn.Module):
    """Transformer over joints and a virtual node, biased by how far apart joints are (specification §3.1).

    The paper: Graphormer with the bias by shortest-path distance, without degree and edge terms; d = 256, 8 heads, 6
    blocks, one bias for all of them, input [2D, 3D, one-hot number of the joint]. The official code differs in three
    options here: `spd="linear"`, `degree_bias=True`, `node_id="embed32"`; so it has 2,451,752 parameters at J = 17.

    Nothing but the virtual node is read in the end, so the last block asks for it alone, which changes no value.

    Args:
        joints: J.
        edges: Pairs of joints.
        width: D.
        heads: Of attention; divides the width.
        layers: Blocks.
        ratio: Of the hidden width of a block's MLP to D.
        dropout: Of attention, and of what a block adds.
        inputs: See the folder.
        spd: Attention bias by distance: "table" has a learnt number for each distance and head, as Graphormer;
            "linear" the official code's four numbers for all heads; "none" has none.
        degree_bias: Add a learnt multiple of (degree + degree) / largest degree.
        node_id: What tells joints apart: "onehot", or "embed32", a learnt vector.

    Raises:
        UsageError: An edge that is none, or a width that the heads do not divide.
    """

    def __init__(
        self,
        *,
        joints: int = 17,
        edges: Sequence[Sequence[int]] = (),
        width: int = 256,
        heads: int = 8,
        layers: int = 6,
        ratio: float = 1.0,
        dropout: float = 0.0,
        inputs: Inputs = "early",
        spd: Distances = "table",
        degree_bias: bool = False,
        node_id: Literal["onehot", "embed32"] = "onehot",
    ) -> None:
        super().__init__()
        if width % heads or layers < 1:
            got, fix = f"{width}, {heads} and {layers}", "Say 256, 8 and 6."
            raise UsageError("width, heads, layers", expected="heads that divide the width", got=got, fix=fix)
        self.joints = joints
        self.inputs: Inputs = inputs
        self.numbers = nn.Embedding(joints, EMBEDDED) if node_id == "embed32" else None
        told = joints if self.numbers is None else EMBEDDED
        self.project = nn.ModuleList(nn.Linear(each + told, width) for each in WIDTHS[inputs])
        self.virtual = nn.Parameter(torch.randn(width) * 0.02)
        self.bias = GraphBias(joints=joints, edges=edges, heads=heads, spd=spd, degree=degree_bias)
        self.blocks = nn.ModuleList(Block(width, heads=heads, ratio=ratio, dropout=dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head: nn.Module = nn.Bilinear(width, width, 1) if inputs == "bilinear" else MLP((width, width, 1))
        self.local = LocalTerm(joints=joints, width=width) if inputs == "decomposed" else None

    def forward(self, points: Float[Tensor, "*B J 2"], joints: Float[Tensor, "*B J 3"]) -> Float[Tensor, "*B"]:
        """Energy of every pose.

        Raises:
            UsageError: Poses of another skeleton.
        """
        check_poses(points, joints, count=self.joints)
        axes = joints.shape[:-2]
        points, joints = points.reshape(-1, self.joints, 2), joints.reshape(-1, self.joints, 3)
        bias = self.bias()
        seen = inputs_of(self.inputs, points, joints)
        found = [self._descriptor(layer, each, bias) for layer, each in zip(self.project, seen, strict=True)]
        energy = self.head(*found).squeeze(-1)
        if self.local is not None:
            energy = energy + self.local(points, joints)
        return energy.reshape(axes)

    def _descriptor(
        self, project: Any, seen: Float[Tensor, "B J _"], bias: Float[Tensor, "H _ _"]
    ) -> Float[Tensor, "B D"]:
        """The virtual node after all blocks."""
        # A linear layer of [coordinates, number of the joint], whose second half is the same for every pose
        count = seen.shape[-1]
        weight, offset = project.weight, project.bias
        told = (
            weight[:, count:].T if self.numbers is None else functional.linear(self.numbers.weight, weight[:, count:])
        )
        nodes = functional.linear(seen, weight[:, :count]) + (told + offset)
        tokens = torch.cat([self.virtual.expand(len(nodes), 1, -1), nodes], dim=1)  # [B, 1 + J, D]
        blocks: list[Any] = list(self.blocks)
        for block in blocks[:-1]:
            tokens = block(tokens, bias)
        return self.norm(blocks[-1].first(tokens, bias))


class Block(nn.Module):
    """Attention and MLP, each behind a norm and beside what it is given."""

    def __init__(self, width: int, *, heads: int, ratio: float, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.refine = MLP((width, round(width * ratio), width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "B J D"], bias: Float[Tensor, "H J J"]) -> Float[Tensor, "B J D"]:
        """All tokens."""
        parts = self.attend(self.before(tokens)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4).contiguous()  # [B, H, J, D / H] each
        # Not torch's fused kernel, through which a gradient penalty could not be differentiated
        weights = (query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2) + bias).softmax(dim=-1)
        seen = (self.dropout(weights) @ value).transpose(1, 2).flatten(2)
        return self._refined(tokens, seen)

    def first(self, tokens: Float[Tensor, "B J D"], bias: Float[Tensor, "H J J"]) -> Float[Tensor, "B D"]:
        """The first token alone, which sees all others: the same numbers for a fraction of the work.

        One query a head can be taken to the tokens, q' (W x) = (W' q)' x, instead of all tokens to their keys; and the
        weighted mean of values is the value of the weighted mean.
        """
        normed = self.before(tokens)
        asks, keys, values = self.attend.weight.unflatten(0, (3, self.heads, -1))  # [H, D / H, D] each
        query_offset, key_offset, value_offset = self.attend.bias.unflatten(0, (3, self.heads, -1))
        scale = keys.shape[1] ** -0.5
        query = (torch.einsum("bd,hed->bhe", normed[:, 0], asks) + query_offset) * scale
        asked = torch.einsum("bhe,hed->bhd", query, keys)
        constant = (query * key_offset).sum(dim=-1, keepdim=True)  # changes no weight, as softmax sees differences
        weights = (asked @ normed.transpose(-1, -2) + constant + bias[:, 0]).softmax(dim=-1)  # [B, H, J]
        weights = self.dropout(weights)
        seen = torch.einsum("bhd,hed->bhe", weights @ normed, values)
        seen = seen + weights.sum(dim=-1, keepdim=True) * value_offset
        return self._refined(tokens[:, 0], seen.flatten(1))

    def _refined(self, tokens: Float[Tensor, "B *J D"], seen: Float[Tensor, "B *J D"]) -> Float[Tensor, "B *J D"]:
        tokens = tokens + self.dropout(self.mix(seen))
        return tokens + self.dropout(self.refine(self.between(tokens)))


class GraphBias(nn.Module):
    """What is added to attention's logits: the same for all poses and blocks. The virtual node comes first.

    Args:
        joints: J.
        edges: Pairs of joints.
        heads: Of attention.
        spd: See `GraphEnergy`. "linear" starts at -0.8 a step, -2 for all that are not neighbours, themselves included,
            and 0 for neighbours, a number which the official code has, too, but never uses.
        degree: See `GraphEnergy`.
    """

    kinds: Tensor
    terms: Tensor

    def __init__(
        self, *, joints: int, edges: Sequence[Sequence[int]], heads: int, spd: Distances, degree: bool
    ) -> None:
        super().__init__()
        adjacency = _adjacency(joints, edges)
        hops = hop_counts(adjacency)
        self.heads, largest = heads, int(hops.max(initial=0))
        # Row by row who asks; pairs of the virtual node have kinds of their own
        kinds = np.zeros((joints + 1, joints + 1), dtype=np.int64)
        kinds[1:, 1:], kinds[0, 1:], kinds[1:, 0], kinds[0, 0] = hops, largest + 1, largest + 2, largest + 3
        self.register_buffer("kinds", torch.as_tensor(kinds), persistent=False)
        self.table = nn.Parameter(torch.zeros(largest + 4, heads)) if spd == "table" else None

        terms, starts = [], []
        if spd == "linear":
            terms += [-hops, adjacency, ~adjacency]
            starts += [0.8, 0.0, -2.0]
        if degree:
            degrees = adjacency.sum(axis=0)
            terms.append((degrees + degrees[:, None]) / max(degrees.max(), 1))
            starts.append(0.2)
        padded = [np.pad(np.asarray(term, dtype=np.float32), ((1, 0), (1, 0))) for term in terms]
        if spd == "linear":
            padded += [np.asarray(kinds == largest + each, dtype=np.float32) for each in (1, 2, 3)]
            starts += [0.0, 0.0, 0.0]
        stacked = np.stack(padded, axis=-1) if padded else np.zeros((joints + 1, joints + 1, 0), dtype=np.float32)
        self.register_buffer("terms", torch.as_tensor(stacked), persistent=False)
        self.scale = nn.Parameter(torch.tensor(starts)) if starts else None

    def forward(self) -> Float[Tensor, "H _ _"]:
        """The bias, 1 + J by 1 + J for each head."""
        bias = self.terms.new_zeros(1, *self.kinds.shape)
        if self.table is not None:
            bias = bias + self.table[self.kinds].permute(2, 0, 1)
        if self.scale is not None:
            bias = bias + self.terms @ self.scale
        return bias.expand(self.heads, -1, -1)


def hop_counts(adjacency: np.ndarray) -> np.ndarray:
    """Lengths of the shortest paths between all nodes of a graph, by breadth-first search from all of them at once.

    Args:
        adjacency: J by J, symmetric, boolean.

    Returns:
        J by J; of nodes without a path one more than the longest path there is.
    """
    reached = np.eye(len(adjacency), dtype=bool)
    hops = np.where(reached, 0, -1)
    for steps in range(1, len(adjacency) + 1):
        new = (reached @ adjacency) & (hops < 0)
        if not new.any():
            break
        hops[new] = steps
        reached = new
    return np.where(hops < 0, hops.max(initial=0) + 1, hops)


def _adjacency(joints: int, edges: Sequence[Sequence[int]]) -> np.ndarray:
    adjacency = np.zeros((joints, joints), dtype=bool)
    for edge in edges:
        if len(edge) != 2 or not all(0 <= each < joints for each in edge):
            got, fix = str(edge), "Give the edges of the skeleton."
            raise UsageError("edges", expected=f"pairs of joints below {joints}", got=got, fix=fix)
        adjacency[edge[0], edge[1]] = adjacency[edge[1], edge[0]] = True
    return adjacency
