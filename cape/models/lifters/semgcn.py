"""SemGCN: graph convolutions whose edges have learned weights."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.errors import UsageError
from cape.models.lifters.windows import check_points
from cape.registry import MODELS


@MODELS.register_module()
class SemGCN(nn.Module):
    """Zhao et al., "Semantic graph convolutional networks for 3D human pose regression", CVPR 2019 (specification §5).

    Without the non-local layers, which SEAL-pose's authors leave out, too. 267,373 parameters on the 17 joints and 16
    edges of Human3.6M.

    Args:
        joints: J.
        edges: Bones, as pairs of 0-based indices: those of the data's skeleton. (The authors' script for MPI-INF-3DHP
            gives another skeleton's.)
        width: Of the hidden layers.
        blocks: Residual blocks of two layers each.
        dropout: Rate after each hidden layer; the published one has none.

    Raises:
        UsageError: An edge that does not join two of the joints.
    """

    frames = 1

    def __init__(
        self,
        *,
        joints: int,
        edges: Sequence[Sequence[int]],
        width: int = 128,
        blocks: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.joints = joints
        adjacency = _adjacency(joints, edges)
        self.first = _Layer(adjacency, 2, width, dropout)
        self.blocks = nn.ModuleList(
            nn.Sequential(_Layer(adjacency, width, width, dropout), _Layer(adjacency, width, width, dropout))
            for _ in range(blocks)
        )
        self.last = SemanticConvolution(adjacency, width, 3)

    def forward(self, points: Float[Tensor, "B T J 2"]) -> Float[Tensor, "B T J 3"]:
        """Metres relative to the root, each frame for itself.

        Raises:
            UsageError: As `check_points`.
        """
        check_points("SemGCN", points, self.joints)
        tokens = self.first(points.flatten(0, 1))  # [BT, J, width]
        for block in self.blocks:
            tokens = tokens + block(tokens)
        return self.last(tokens).unflatten(0, points.shape[:2])


class SemanticConvolution(nn.Module):
    """`(A * I) x W0 + (A * (1 - I)) x W1 + b`, A the softmax over each joint's neighbours and itself of learned logits.

    A joint and its neighbours have different maps; how much each neighbour says is one number an edge and direction,
    which all channels share. (In the official code `A` is a matrix of -9e15 filled in at the edges; so is it here.)
    """

    def __init__(self, adjacency: Bool[Tensor, "J J"], before: int, after: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.empty(2, before, after))
        self.logits = nn.Parameter(torch.ones(1, int(adjacency.sum())))
        self.bias = nn.Parameter(torch.empty(after))
        nn.init.xavier_uniform_(self.maps, gain=2**0.5)
        nn.init.uniform_(self.bias, -(after**-0.5), after**-0.5)
        self.register_buffer("places", adjacency.flatten().nonzero()[:, 0], persistent=False)
        self.places: Tensor

    def forward(self, tokens: Float[Tensor, "B J C"]) -> Float[Tensor, "B J E"]:
        """What each joint hears from itself and its neighbours."""
        joints = tokens.shape[1]
        # Where there is no edge: so low that softmax gives 0
        logits = self.logits.new_full((joints * joints,), torch.finfo(self.logits.dtype).min)
        logits = logits.index_put((self.places,), self.logits[0])
        weights = logits.reshape(joints, joints).softmax(dim=1)
        own = weights.diagonal()  # [J]
        others = weights - torch.diag(own)
        return own[:, None] * (tokens @ self.maps[0]) + others @ (tokens @ self.maps[1]) + self.bias


class _Layer(nn.Module):
    """The convolution with batch normalisation over frames and joints, ReLU and dropout."""

    def __init__(self, adjacency: Tensor, before: int, after: int, dropout: float) -> None:
        super().__init__()
        self.graph = SemanticConvolution(adjacency, before, after)
        self.norm = nn.BatchNorm1d(after)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "B J C"]) -> Float[Tensor, "B J E"]:
        hidden = self.norm(self.graph(tokens).transpose(1, 2)).transpose(1, 2)
        return self.dropout(hidden.relu())


def _adjacency(joints: int, edges: Sequence[Sequence[int]]) -> Bool[Tensor, "J J"]:
    """Symmetric, with self-loops; on the CPU whatever the default device is, as its entries are counted."""
    adjacency = torch.eye(joints, dtype=torch.bool, device="cpu")
    for edge in edges:
        if len(edge) != 2 or edge[0] == edge[1] or not all(0 <= joint < joints for joint in edge):
            raise UsageError(
                "SemGCN edges", expected=f"pairs of two different joints below {joints}", got=str(edge),
                fix="Give the edges of the data's skeleton.",
            )  # fmt: skip
        adjacency[edge[0], edge[1]] = adjacency[edge[1], edge[0]] = True
    return adjacency
