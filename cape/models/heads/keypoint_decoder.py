"""Keypoint decoder: proposals become coordinates, layer by layer, along the skeleton."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.models.layers import MLP, attention_padding, logit, sine_encoding, xavier
from cape.registry import MODELS
from cape.structures import Match


@MODELS.register_module()
class KeypointDecoder(nn.Module):
    """GraphCape's graph transformer decoder with iterative refinement (specification §3.7).

    Args:
        width: D.
        heads: Of both attentions.
        layers: L.
        graph: The graph part of a layer, a registered type with its options (its width is filled in).
        dropout: Rate.
        reach: How far a layer may move a point along each axis, in crop sides: the offset is added after a tanh, and
            learnt from the keypoints within reach (`refinement_losses`). None (the official networks) refines in logit
            space, unbounded.
        one_path: Supervise the coordinates that the next layer starts from. False is GraphCape: the supervised output
            reads the layer-normed token, the propagated one the bare token.
        own_offsets: False has no output MLPs: those of another decoder are given to `forward`.
    """

    def __init__(
        self,
        *,
        width: int = 256,
        heads: int = 8,
        layers: int = 3,
        graph: dict | None = None,
        dropout: float = 0.1,
        reach: float | None = None,
        one_path: bool = True,
        own_offsets: bool = True,
    ) -> None:
        super().__init__()
        self.one_path, self.reach = one_path, reach
        part = {"type": "GraphFeedForward", **(graph or {}), "width": width}
        if part["type"] == "GraphFeedForward":
            part.setdefault("dropout", dropout)
        self.layers = nn.ModuleList(_DecoderLayer(width, heads, MODELS.build(part), dropout) for _ in range(layers))
        self.position = MLP((width, width, width))
        self.norm = nn.LayerNorm(width)
        offsets = [MLP((width, width, width, width, 2)) for _ in range(layers * own_offsets)]
        self.offsets = nn.ModuleList(offsets)
        xavier(self)
        for offset in offsets:  # refinement starts as the identity
            for parameter in offset[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(
        self,
        match: Match,
        adjacency: Bool[Tensor, "B K K"],
        mask: Bool[Tensor, "B K"],
        parts: Bool[Tensor, "B P K"] | None = None,
        offsets: nn.ModuleList | None = None,
    ) -> Float[Tensor, "L B K 2"]:
        """Coordinates after each layer, crop frame.

        Args:
            match: Refined tokens and picture, and the proposals to start from.
            adjacency: Skeleton.
            mask: Keypoints that exist.
            parts: Members of the declared parts, for graphs that look at them.
            offsets: Output MLPs of another decoder; None: its own.
        """
        padding = attention_padding(mask)
        tokens = match.tokens
        start = base = match.proposals.detach()
        outputs = []
        for layer, offset in zip(self.layers, offsets or self.offsets, strict=True):
            code = self.position(sine_encoding(start, tokens.shape[-1]))
            tokens = layer(tokens, code, match, adjacency, padding, parts)

            # Refine; the next layer starts from a detached copy
            normed = offset(self.norm(tokens))
            if self.one_path:
                point = self._move(start, normed)
                outputs.append(point)
            else:
                outputs.append(self._move(base, normed))
                point = self._move(start, offset(tokens))
            base, start = point, point.detach()
        return torch.stack(outputs)

    def _move(self, point: Float[Tensor, "B K 2"], offset: Float[Tensor, "B K 2"]) -> Float[Tensor, "B K 2"]:
        if self.reach is None:
            return torch.sigmoid(logit(point) + offset)
        return point + self.reach * offset.tanh()


class _DecoderLayer(nn.Module):
    """Keypoints attend to each other, then to the picture, then exchange messages along the skeleton."""

    def __init__(self, width: int, heads: int, graph: nn.Module, dropout: float) -> None:
        super().__init__()
        self.self_attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        # Content and position are concatenated, not added, where keypoints look at the picture
        self.cross_attention = nn.MultiheadAttention(2 * width, heads, dropout=dropout, vdim=width, batch_first=True)
        self.narrow = nn.Linear(2 * width, width)
        self.graph = graph
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(  # noqa: PLR0917 (private, and called in one place)
        self,
        tokens: Float[Tensor, "B K D"],
        code: Float[Tensor, "B K D"],
        match: Match,
        adjacency: Bool[Tensor, "B K K"],
        padding: Bool[Tensor, "B K"],
        parts: Bool[Tensor, "B P K"] | None,
    ) -> Float[Tensor, "B K D"]:
        # Self-attention
        placed = tokens + code
        found, _ = self.self_attention(placed, placed, tokens, key_padding_mask=padding, need_weights=False)
        tokens = self.norm1(tokens + self.dropout(found))

        # Cross-attention, [token, position] on both sides
        query = torch.cat([tokens, code], dim=-1)
        key = torch.cat([match.feature, match.position.expand_as(match.feature)], dim=-1)
        found, _ = self.cross_attention(query, key, match.feature, need_weights=False)
        tokens = self.norm2(tokens + self.dropout(self.narrow(found)))

        # Graph
        return self.norm3(tokens + self.dropout(self.graph(tokens, adjacency, ~padding, parts)))


@contextmanager
def recorded_attention(decoder: KeypointDecoder) -> Iterator[list[Float[Tensor, "B K HW"]]]:
    """Record where keypoints look: the weights of the cross-attention, mean over heads, layer by layer.

    Inside the context each forward appends one tensor a layer to the list; the weights of a keypoint sum to 1 over the
    cells. They are computed beside the forward, whose own way and results stay as they are, bit for bit. For a decoder
    in evaluation mode: the dropout of one that trains would be drawn twice.

    Example:
        with recorded_attention(model.decoder) as weights:
            model.locate(feature, tokens, adjacency)
    """
    weights: list[Tensor] = []

    def record(part: nn.MultiheadAttention, inputs: tuple, options: dict[str, Any], output: tuple) -> None:
        del output
        weights.append(part.forward(*inputs, **{**options, "need_weights": True})[1])  # type: ignore[arg-type]

    with ExitStack() as stack:
        for layer in decoder.layers.children():
            hook = layer.get_submodule("cross_attention").register_forward_hook(record, with_kwargs=True)
            stack.callback(hook.remove)
        yield weights
