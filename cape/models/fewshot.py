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
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from mmengine.model import BaseModel
from torch import Tensor, nn

from cape.codecs import gaussian_heatmap
from cape.errors import PromptError, UsageError
from cape.losses import cell_loss, heatmap_loss, offset_loss
from cape.models.fusion.matching import cosine_prior
from cape.models.layers import drop_modalities, xavier
from cape.registry import MODELS
from cape.structures import Match, Tokens, View


class Pose(NamedTuple):
    """One predicted pose."""

    points: Float[Tensor, "K 2"]
    """Crop frame of the query."""
    proposals: Float[Tensor, "K 2"]
    """Where the decoder started."""
    mask: Bool[Tensor, "K"]
    """Keypoints that were asked for."""
    pair: int


def poses(points: Float[Tensor, "L B K 2"], match: Match, mask: Bool[Tensor, "B K"], pair: Tensor) -> list[Pose]:
    """What the last layer found, pair by pair."""
    return [Pose(*row) for row in zip(points[-1], match.proposals, mask, pair.tolist(), strict=True)]


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
        heatmap: Loss of the similarity maps: "squared" (the papers') or "cells", for small data, see `cell_loss`.
        heatmap_weight: Its weight; the others weigh 1.
        sigma: Of the heatmap target, in cells of 64.
        dropout: Rate on backbone features and text embeddings before their projections.
        modality_dropout: How often, in training, a sample does without its support features, and without its texts.
        frozen: Children that do not learn and stay in evaluation mode. With all but `alignment` and `text_projection`,
            γ = 0 and no norm, text is plugged into a finished visual model, which it starts as, bit for bit.
        unit_inputs: Features and embeddings have unit length: they are scaled by √C, to which a network is used.

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
        heatmap: Literal["squared", "cells"] = "squared",
        heatmap_weight: float = 2.0,
        sigma: float = 1.0,
        dropout: float = 0.0,
        modality_dropout: tuple[float, float] = (0.0, 0.0),
        frozen: Sequence[str] = (),
        unit_inputs: bool = False,
    ) -> None:
        super().__init__()
        if support is None and text is None:
            raise UsageError(
                "FewShotPose", expected="a support or a text encoder", got="neither", fix="Give one of them."
            )
        self.width, self.heatmap, self.heatmap_weight, self.sigma = width, heatmap, heatmap_weight, sigma
        self.modality_dropout, self.unit_inputs = modality_dropout, unit_inputs
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
        self.dropout = nn.Dropout(dropout)
        both = self.support is not None and self.text is not None
        self.alignment = MODELS.build({"type": "CMAA", **(alignment or {}), "width": width}) if both else None
        self.matching = MODELS.build({"type": "Matching", **(matching or {}), "width": width})
        self.decoder = MODELS.build({"type": "KeypointDecoder", **(decoder or {}), "width": width})
        self.frozen = tuple(frozen)
        for name in self.frozen:
            self._child(name).requires_grad_(False)

    def train(self, mode: bool = True) -> "FewShotPose":
        """Training mode, but for the frozen children."""
        super().train(mode)
        for name in self.frozen:
            self._child(name).eval()
        return self

    def _child(self, name: str) -> nn.Module:
        children = dict(self.named_children())
        if name not in children:
            raise UsageError("frozen", expected=f"some of {', '.join(children)}", got=repr(name), fix="Mend the name.")
        return children[name]

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
        tokens = self.prompt(support, names, mask)
        points, match = self.locate(self.visual(query.image), tokens, adjacency)
        if mode == "loss":
            return self.losses(points, match, query, tokens.mask)
        if mode == "predict":
            return poses(points, match, tokens.mask, pair)
        return points

    def prompt(self, support: View, names: Sequence[Sequence[str]], mask: Bool[Tensor, "B K"]) -> Tokens:
        """Keypoint tokens of a support set: all that depends on it, so it is computed once per prompt.

        Args:
            support: Support views.
            names: Keypoint texts.
            mask: Keypoints that exist and may be asked for.

        Raises:
            PromptError: Not one name a keypoint.
        """
        if len(names) != mask.shape[1]:
            raise PromptError(
                "prompt",
                expected=f"a name for each of {mask.shape[1]} keypoints",
                got=str(len(names)),
                fix='Give as many names as points, "" where there is none.',
            )

        # What the support pictures show at each keypoint, and what it is called
        appearance, shown = self._appearance(support, mask)
        meaning, named = self._meaning(names, mask)
        if self.training:
            shown, named = drop_modalities(shown, named, rates=self.modality_dropout)

        # One token of each kind
        visual = self._project(self.visual_projection, appearance * shown[..., None])
        text = self._project(self.text_projection, meaning * named[..., None])

        # One token a keypoint
        if self.alignment is not None:
            tokens = self.alignment(visual, text, shown, named)
        else:
            tokens = text if self.visual_projection is None else visual
        return Tokens(tokens, shown | named, appearance * shown[..., None])

    def _appearance(
        self, support: View, mask: Bool[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K C"], Bool[Tensor, "B K"]]:
        if self.support is None:
            return torch.zeros(*mask.shape, self.visual.channels, device=mask.device), torch.zeros_like(mask)
        feature = self.visual(support.image.flatten(0, 1)).unflatten(0, support.image.shape[:2])
        pooled, shown = self.support(feature, support.points, support.visible)
        return pooled, shown & mask

    def _meaning(
        self, names: Sequence[Sequence[str]], mask: Bool[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K E"], Bool[Tensor, "B K"]]:
        if self.text is None:
            return torch.zeros(*mask.shape, 1, device=mask.device), torch.zeros_like(mask)
        embedded, known = self.text(names)
        return embedded, known & mask

    def _project(self, projection: nn.Module | None, inputs: Float[Tensor, "B K E"]) -> Float[Tensor, "B K D"]:
        if projection is None:
            return torch.zeros(*inputs.shape[:2], self.width, device=inputs.device)
        return projection(self._input(inputs, inputs.shape[-1]))

    def _input(self, inputs: Tensor, channels: int) -> Tensor:
        return self.dropout(inputs * channels**0.5 if self.unit_inputs else inputs)

    def locate(
        self, feature: Float[Tensor, "B C H W"], prompt: Tokens, adjacency: Bool[Tensor, "B K K"]
    ) -> tuple[Float[Tensor, "L B K 2"], Match]:
        """Find prompted keypoints in a query feature map."""
        prior = None if self.matching.log_prior is None else cosine_prior(prompt.appearance, feature)
        match = self.matching(
            self.feature_projection(self._input(feature, feature.shape[1])), prompt.tokens, prompt.mask, prior
        )
        return self.decoder(match, adjacency, prompt.mask), match

    def losses(
        self, points: Float[Tensor, "L B K 2"], match: Match, query: View, mask: Bool[Tensor, "B K"]
    ) -> dict[str, Tensor]:
        """Heatmap, proposal and per-layer offset losses over keypoints that prompt and query show."""
        target, shown = gaussian_heatmap(query.points, query.visible, sigma=self.sigma)
        valid = shown & mask
        starts = torch.cat([match.proposals[None], points[:-1]]).detach()
        layers = {
            f"loss_offset_{layer}": offset_loss(each, query.points, valid & self.decoder.reachable(start, query.points))
            for layer, (each, start) in enumerate(zip(points, starts, strict=True))
        }
        if self.heatmap == "cells":
            maps = cell_loss(match.similarity, query.points, valid)
        else:
            maps = heatmap_loss(match.similarity, target, valid)
        return {
            "loss_heatmap": self.heatmap_weight * maps,
            "loss_proposal": offset_loss(match.expected, query.points, valid),
            **layers,
        }
