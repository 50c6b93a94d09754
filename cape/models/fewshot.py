"""Few-shot, category-agnostic pose estimation: the whole model, with feature-level fusion (FLF).

    query picture ──▶ visual ─────────────▶ feature ─┐
    support pictures ▶ visual ▶ support ▶ visual token ┐ │
    keypoint names ──▶ text ──────────────▶ text token ┤ │
                                     alignment (CMAA) ─┘ │
                                             tokens ──▶ matching ──▶ proposals ──▶ decoder ──▶ points

The paper is "Enhancing Robust CAPE through Multi-Modal Feature Alignment"; the networks around its alignment are those
of GraphCape and CapeX. Without a text encoder this page is GraphCape, without a support encoder CapeX.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from mmengine.model import BaseModel
from torch import Tensor, nn

from cape.codecs import gaussian_heatmap
from cape.errors import UsageError
from cape.losses import heatmap_loss, offset_loss
from cape.models.layers import xavier
from cape.registry import MODELS
from cape.structures import Match, View


class Pose(NamedTuple):
    """One predicted pose."""

    points: Float[Tensor, "K 2"]
    """Crop frame of the query."""
    proposals: Float[Tensor, "K 2"]
    """Where the decoder started."""
    mask: Bool[Tensor, "K"]
    """Keypoints that were asked for."""
    pair: int


@MODELS.register_module()
class FewShotPose(BaseModel):
    """GraphCape, CapeX, or their feature-level fusion.

    Args:
        visual: The visual encoder, a registered type with its options.
        support: The support encoder; None for text alone (CapeX).
        text: The text encoder; None for pictures alone (GraphCape).
        alignment: CMAA; ignored unless there are both modalities.
        matching: Joint encoder and proposals.
        decoder: Keypoint decoder.
        width: D, of all of them.
        heatmap_weight: Weight of the heatmap loss; the others weigh 1.
        sigma: Of the heatmap target, in cells of 64.

    Raises:
        UsageError: Neither a support nor a text encoder.
    """

    def __init__(
        self,
        *,
        visual: dict,
        support: dict | None,
        text: dict | None,
        alignment: dict | None = None,
        matching: dict | None = None,
        decoder: dict | None = None,
        width: int = 256,
        heatmap_weight: float = 2.0,
        sigma: float = 1.0,
    ) -> None:
        super().__init__()
        if support is None and text is None:
            raise UsageError(
                "FewShotPose", expected="a support or a text encoder", got="neither", fix="Give one of them."
            )
        self.width, self.heatmap_weight, self.sigma = width, heatmap_weight, sigma
        self.visual = MODELS.build(visual)
        self.support = MODELS.build(support) if support else None
        self.text = MODELS.build(text) if text else None
        self.feature_projection = nn.Conv2d(self.visual.channels, width, 1)
        self.visual_projection = nn.Linear(self.visual.channels, width) if self.support else None
        self.text_projection = nn.Linear(self.text.width, width) if self.text else None
        for projection in (self.feature_projection, self.visual_projection, self.text_projection):
            if projection is not None:
                xavier(projection)
                nn.init.zeros_(projection.bias)  # type: ignore[arg-type] (all three have one)
        both = self.support is not None and self.text is not None
        self.alignment = MODELS.build({"type": "CMAA", **(alignment or {}), "width": width}) if both else None
        self.matching = MODELS.build({"type": "Matching", **(matching or {}), "width": width})
        self.decoder = MODELS.build({"type": "KeypointDecoder", **(decoder or {}), "width": width})

    def forward(  # noqa: D417, PLR0917  # pyright: ignore[reportIncompatibleMethodOverride] (an Episode's fields)
        self,
        support: View,
        query: View,
        mask: Bool[Tensor, "B K"],
        adjacency: Bool[Tensor, "B K K"],
        names: Sequence[Sequence[str]],
        category: Tensor,
        pair: Tensor,
        mode: str = "tensor",
    ) -> dict[str, Tensor] | list[Pose] | Float[Tensor, "L B K 2"]:
        """One batch of episodes, field by field as mmengine unpacks an `Episode`.

        Args:
            mode: "loss" gives named scalars, "predict" poses, "tensor" the points of every layer.
        """
        del category
        tokens, asked = self.prompt(support, names, mask)
        points, match = self.locate(self.visual(query.image), tokens, asked, adjacency)
        if mode == "loss":
            return self.losses(points, match, query, asked)
        if mode == "predict":
            rows = zip(points[-1], match.proposals, asked, pair.tolist(), strict=True)
            return [Pose(*row) for row in rows]
        return points

    def prompt(
        self, support: View, names: Sequence[Sequence[str]], mask: Bool[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K D"], Bool[Tensor, "B K"]]:
        """Keypoint tokens of a support set: all that depends on it, so it is computed once per prompt.

        Args:
            support: Support views.
            names: Keypoint texts.
            mask: Keypoints that exist and may be asked for.

        Returns:
            Tokens, and the keypoints that have one.
        """
        visual, visual_mask = self._visual_tokens(support, mask)
        text, text_mask = self._text_tokens(names, mask)
        if self.alignment is not None:
            return self.alignment(visual, text, visual_mask, text_mask), visual_mask | text_mask
        return (text, text_mask) if self.visual_projection is None else (visual, visual_mask)

    def _visual_tokens(
        self, support: View, mask: Bool[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K D"], Bool[Tensor, "B K"]]:
        if self.support is None or self.visual_projection is None:
            return torch.zeros(*mask.shape, self.width, device=mask.device), torch.zeros_like(mask)
        feature = self.visual(support.image.flatten(0, 1)).unflatten(0, support.image.shape[:2])
        pooled, shown = self.support(feature, support.points, support.visible)
        shown = shown & mask
        return self.visual_projection(pooled * shown[..., None]), shown

    def _text_tokens(
        self, names: Sequence[Sequence[str]], mask: Bool[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K D"], Bool[Tensor, "B K"]]:
        if self.text is None or self.text_projection is None:
            return torch.zeros(*mask.shape, self.width, device=mask.device), torch.zeros_like(mask)
        embedded, known = self.text(names)
        known = known & mask
        return self.text_projection(embedded * known[..., None]), known

    def locate(
        self,
        feature: Float[Tensor, "B C H W"],
        tokens: Float[Tensor, "B K D"],
        mask: Bool[Tensor, "B K"],
        adjacency: Bool[Tensor, "B K K"],
    ) -> tuple[Float[Tensor, "L B K 2"], Match]:
        """Find prompted keypoints in a query feature map."""
        match = self.matching(self.feature_projection(feature), tokens, mask)
        return self.decoder(match, adjacency, mask), match

    def losses(
        self, points: Float[Tensor, "L B K 2"], match: Match, query: View, mask: Bool[Tensor, "B K"]
    ) -> dict[str, Tensor]:
        """Heatmap, proposal and per-layer offset losses over keypoints that prompt and query show."""
        target, shown = gaussian_heatmap(query.points, query.visible, sigma=self.sigma)
        valid = shown & mask
        layers = {f"loss_offset_{layer}": offset_loss(each, query.points, valid) for layer, each in enumerate(points)}
        return {
            "loss_heatmap": self.heatmap_weight * heatmap_loss(match.similarity, target, valid),
            "loss_proposal": offset_loss(match.expected, query.points, valid),
            **layers,
        }
