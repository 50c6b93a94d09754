"""Matching: keypoint tokens meet the query picture, and each proposes a place."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.codecs import local_soft_argmax, soft_argmax
from cape.models.layers import grid_encoding, xavier
from cape.registry import MODELS
from cape.structures import Match


@MODELS.register_module()
class Matching(nn.Module):
    """GraphCape's joint encoder and proposal generator (specification §3.5, §3.6).

    Args:
        width: D.
        heads: Of the attention.
        layers: Of the joint encoder.
        hidden: Width of the feed-forward.
        gate: Width of the dynamic gate's hidden layer.
        dropout: Rate.
        aligned: Code cells at their centres; False is GraphCape's half-cell offset.
        prior: Start of a learned weight of the prior map, which is added to the similarity; None (the official
            networks) adds none. With a prior the learned similarity starts at zero, divided by √D: an untrained model
            matches as its backbone does, and learns what to change.
        trust: With a prior: how much of the learned similarity counts in evaluation. What was learned on the training
            categories is less right on others than there.
    """

    def __init__(
        self,
        *,
        width: int = 256,
        heads: int = 8,
        layers: int = 3,
        hidden: int = 768,
        gate: int = 128,
        dropout: float = 0.1,
        aligned: bool = True,
        prior: float | None = None,
        trust: float = 1.0,
    ) -> None:
        super().__init__()
        self.aligned, self.trust = aligned, trust
        self.layers = nn.ModuleList(_JointLayer(width, heads, hidden, dropout) for _ in range(layers))
        self.project_tokens = nn.Linear(width, width)
        self.project_feature = nn.Linear(width, width)
        self.gate = nn.Sequential(nn.Linear(width, gate), nn.ReLU(), nn.Linear(gate, width), nn.Tanh())
        xavier(self)
        self.log_prior = None if prior is None else nn.Parameter(torch.tensor(math.log(prior)))
        if prior is not None:
            nn.init.zeros_(self.project_tokens.weight)
            nn.init.zeros_(self.project_tokens.bias)

    def forward(
        self,
        feature: Float[Tensor, "B D H W"],
        tokens: Float[Tensor, "B K D"],
        mask: Bool[Tensor, "B K"],
        prior: Float[Tensor, "B K H W"] | None = None,
    ) -> Match:
        """Refine picture and tokens together, then compare them.

        Args:
            feature: Projected query feature map.
            tokens: Projected keypoint tokens.
            mask: Keypoints that exist; the others are ignored by all.
            prior: What is known before, see `fusion.prior`; where the option asks for it.
        """
        height, width = feature.shape[-2:]
        cells = height * width
        position = grid_encoding(height, width, feature.shape[1], aligned=self.aligned, like=feature)  # [HW, D]

        # Joint encoder: cells and keypoints attend to each other; only cells have a position
        joint = torch.cat([feature.flatten(2).transpose(1, 2), tokens], dim=1)  # [B, HW + K, D]
        code = torch.cat([position, torch.zeros_like(tokens[0])])
        ignored = torch.cat([mask.new_zeros(len(mask), cells), ~mask], dim=1)
        for layer in self.layers:
            joint = layer(joint, code, ignored)
        seen, tokens = joint[:, :cells], joint[:, cells:]

        # Similarity of each keypoint, gated by itself, with each cell
        key = self.project_tokens(tokens)
        key = key * (1 + self.gate(key))
        similarity = (key @ self.project_feature(seen).transpose(1, 2)).unflatten(-1, (height, width))
        if self.log_prior is not None and prior is not None:
            learned = similarity * key.shape[-1] ** -0.5
            similarity = learned * (1.0 if self.training else self.trust) + self.log_prior.exp() * prior
        return Match(seen, position, tokens, similarity, soft_argmax(similarity), local_soft_argmax(similarity))


class _JointLayer(nn.Module):
    """Post-norm self-attention; the position is added to the stream itself, hence also to the values."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, stream: Float[Tensor, "B N D"], code: Float[Tensor, "N D"], ignored: Bool[Tensor, "B N"]
    ) -> Float[Tensor, "B N D"]:
        stream = stream + code
        attended, _ = self.attention(stream, stream, stream, key_padding_mask=ignored, need_weights=False)
        stream = self.norm1(stream + self.dropout(attended))
        return self.norm2(stream + self.dropout(self.feed_forward(stream)))
