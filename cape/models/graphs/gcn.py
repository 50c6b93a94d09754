"""GraphCape's graph feed-forward."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.registry import MODELS

Mode = Literal["pre", "post", "both", "none"]
Weighting = Literal["sender", "symmetric"]


@MODELS.register_module()
class GraphFeedForward(nn.Module):
    """A feed-forward whose linear layers may be graph convolutions (specification §3.7).

    Args:
        width: D.
        hidden: Width between the two layers.
        mode: Which layer is a graph convolution: "pre" the first (the paper's), "post" the second, "both", "none".
        weighting: "sender" divides each message by its sender's degree, as the official code does, so that a hub with
            three leaves gets weight 3; "symmetric" divides by the roots of both degrees.
        dropout: Rate between the layers.
    """

    def __init__(
        self,
        *,
        width: int = 256,
        hidden: int = 768,
        mode: Mode = "pre",
        weighting: Weighting = "sender",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.weighting: Weighting = weighting
        self.first = GraphConvolution(width, hidden) if mode in ("pre", "both") else nn.Linear(width, hidden)
        self.second = GraphConvolution(hidden, width) if mode in ("post", "both") else nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        tokens: Float[Tensor, "B K D"],
        adjacency: Bool[Tensor, "B K K"],
        mask: Bool[Tensor, "B K"],
        groups: Bool[Tensor, "B P K"] | None = None,
    ) -> Float[Tensor, "B K D"]:
        """The update of each token; masked keypoints neither send nor receive, and groups do not matter."""
        del groups
        graph = message_weights(adjacency, mask, weighting=self.weighting).to(tokens.dtype)
        hidden = self.dropout(_apply(self.first, tokens, graph).relu())
        return _apply(self.second, hidden, graph)


class GraphConvolution(nn.Module):
    """Each token's own map plus its neighbours' map, summed by the graph, then ReLU."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.maps = nn.Linear(before, 2 * after)

    def forward(self, tokens: Float[Tensor, "B K D"], graph: Float[Tensor, "B 2 K K"]) -> Float[Tensor, "B K E"]:
        """`graph[:, 0]` weighs a token for itself, `graph[:, 1]` from sender (row) to receiver (column)."""
        own, sent = self.maps(tokens).chunk(2, dim=-1)
        return (graph[:, 0].transpose(1, 2) @ own + graph[:, 1].transpose(1, 2) @ sent).relu()


def message_weights(
    adjacency: Bool[Tensor, "B K K"], mask: Bool[Tensor, "B K"], *, weighting: Weighting = "sender"
) -> Float[Tensor, "B 2 K K"]:
    """Identity and normalised adjacency of the keypoints that exist; an empty skeleton gives zeros, not NaN."""
    edges = (adjacency & mask[:, :, None] & mask[:, None, :]).float()
    degree = edges.sum(dim=-1).clamp_min(1)
    share = degree[..., None] if weighting == "sender" else (degree[..., None] * degree[:, None]).sqrt()
    return torch.stack([torch.diag_embed(mask.float()), edges / share], dim=1)


def _apply(layer: nn.Module, tokens: Tensor, graph: Tensor) -> Tensor:
    return layer(tokens, graph) if isinstance(layer, GraphConvolution) else layer(tokens)
