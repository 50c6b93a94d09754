"""Few-shot, category-agnostic pose estimation: the whole model, with feature-level or decision-level fusion.

    query picture ──▶ visual ─────────────▶ feature ─┐
    support pictures ▶ visual ▶ support ▶ visual token ┐ │
    keypoint names ──▶ text ──────────────▶ text token ┤ │
                                     alignment (CMAA) ─┘ │
                                             tokens ──▶ matching ──▶ proposals ──▶ decoder ──▶ points

With decision-level fusion each modality has a matching and a decoder, whose points `decision` weighs.

    visual token, feature ──▶ matching ───────▶ decoder ──────┐
                                                              decision ──▶ points
    text token, feature ────▶ text_matching ──▶ text_decoder ─┘

The paper is "Enhancing Robust CAPE through Multi-Modal Feature Alignment"; the networks around its alignment are those
of GraphCape and CapeX. Without a text encoder this page is GraphCape, without a support encoder CapeX.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int64
from mmengine.model import BaseModel
from torch import Tensor, nn

from cape.codecs import gaussian_heatmap
from cape.errors import PromptError, UsageError
from cape.losses import branch_losses, fusion_losses, refinement_losses
from cape.losses.consistency import Teacher
from cape.models.graphs.intervention import confounder_score
from cape.models.layers import drop_modalities, start_projections
from cape.registry import MODELS
from cape.structures import Anchors, Branch, Found, Match, Pose, Shown, Tokens, View


def poses(found: Found, mask: Bool[Tensor, "B K"], pair: Tensor) -> list[Pose]:
    """What the last layer found, pair by pair."""
    branches = torch.stack([branch.points[-1] for branch in found.branches], dim=1)
    rows = zip(found.points[-1], found.match.proposals, mask, pair.tolist(), branches, found.weights, strict=True)
    return [Pose(*row) for row in rows]


@MODELS.register_module()
class FewShotPose(BaseModel):
    """GraphCape, CapeX, or their fusion.

    Args:
        visual: The visual encoder, a registered type with its options.
        support: The support encoder; None for text alone (CapeX).
        text: The text encoder; None for pictures alone (GraphCape).
        alignment: CMAA, which fuses features; ignored unless there are both modalities and no `decision`.
        decision: `Decision`, which fuses answers (DLF) and takes the alignment's place; None for FLF.
        intervention: `CausalIntervention` before each decoder: CIGPose's, with the projected text, or a learned vector
            where there is none, as what a keypoint is without a picture, and scored by the similarity maps. A replaced
            keypoint then asks the picture as what it is called, not as what matching made of it.
        prior: Where the support pictures alone would look, `CosinePrior` or `TurnedFit`, for a matching that adds it.
        matching: Joint encoder and proposals.
        decoder: Keypoint decoder.
        decoders: With a decision: "two" (as the paper's parameter count has it; the branches share the output MLPs) or
            "shared", one decoder of the mixed tokens and proposals (as its text has it).
        width: D, of all of them.
        heatmap: Loss of the similarity maps: "squared" (the papers') or "cells", for small data, see `cell_loss`.
        heatmap_weight: Its weight; the others weigh 1.
        sigma: Of the heatmap target, in cells of 64.
        consistency: With a decision: the branch that teaches without being taught ("visual" or "text"), or "both" for
            the symmetric loss of Eq. 5.
        consistency_weight: λ; see also `hooks.ConsistencyRamp`.
        decision_share: Share of category numbers (by a hash: of few it may be more or fewer) that teach a decision
            which learns, and nothing else. Branches know what they learn from, names most of all: a decision taught by
            that would trust them too much. (A gate before a shared decoder learns through it, too.)
        dropout: Rate on backbone features and text embeddings before their projections.
        modality_dropout: How often, in training, a sample does without its support features, and without its texts.
        frozen: Children that do not learn and stay in evaluation mode. With all but `alignment` and `text_projection`,
            γ = 0 and no norm, text is plugged into a finished visual model, which it starts as, bit for bit.
        unit_inputs: Features and embeddings have unit length: they are scaled by √C, to which a network is used.

    Raises:
        UsageError: Neither a support nor a text encoder, or a decision between them without both.
    """

    def __init__(
        self,
        *,
        visual: dict,
        support: dict | None,
        text: dict | None,
        alignment: dict | None = None,
        decision: dict | None = None,
        intervention: dict | None = None,
        prior: dict | None = None,
        matching: dict | None = None,
        decoder: dict | None = None,
        decoders: Literal["two", "shared"] = "two",
        width: int = 256,
        heatmap: Literal["squared", "cells"] = "squared",
        heatmap_weight: float = 2.0,
        sigma: float = 1.0,
        consistency: Teacher = "both",
        consistency_weight: float = 1.0,
        decision_share: float = 0.0,
        dropout: float = 0.0,
        modality_dropout: tuple[float, float] = (0.0, 0.0),
        frozen: Sequence[str] = (),
        unit_inputs: bool = False,
    ) -> None:
        super().__init__()
        both = support is not None and text is not None
        if support is text is None or (decision is not None and not both):
            raise UsageError(
                "FewShotPose", expected="a support or a text encoder, and both of them for a decision",
                got="neither" if support is text else "a decision between one", fix="Give what is missing.",
            )  # fmt: skip
        self.width, self.heatmap, self.heatmap_weight, self.sigma = width, heatmap, heatmap_weight, sigma
        self.consistency: Teacher = consistency
        self.consistency_weight, self.ramp = consistency_weight, 1.0
        self.modality_dropout, self.unit_inputs = modality_dropout, unit_inputs

        # What is seen and said
        self.visual = MODELS.build(visual)
        self.support = MODELS.build(support) if support else None
        self.text = MODELS.build(text) if text else None
        self.feature_projection = nn.Conv2d(self.visual.channels, width, 1)
        self.visual_projection = nn.Linear(self.visual.channels, width) if self.support else None
        self.text_projection = nn.Linear(self.text.width, width) if self.text else None
        start_projections(self.feature_projection, self.visual_projection, self.text_projection)
        self.dropout = nn.Dropout(dropout)

        # One branch of fused tokens, or one a modality
        flf, dlf = both and decision is None, decision is not None
        matching = {"type": "Matching", **(matching or {}), "width": width}
        decoder = {"type": "KeypointDecoder", **(decoder or {}), "width": width}
        self.alignment = MODELS.build({"type": "CMAA", **(alignment or {}), "width": width}) if flf else None
        self.prior = MODELS.build(prior or {"type": "CosinePrior"})
        self.matching = MODELS.build(matching)
        self.decoder = MODELS.build(decoder)
        self.text_matching = MODELS.build({**matching, "prior": None}) if dlf else None  # no picture to start from
        self.text_decoder = MODELS.build({**decoder, "own_offsets": False}) if dlf and decoders == "two" else None
        self.decision = MODELS.build({"type": "Decision", **(decision or {}), "width": width}) if dlf else None
        self.intervention = MODELS.build({**intervention, "width": width}) if intervention is not None else None
        self.null = None if intervention is None else nn.Parameter(0.02 * torch.randn(width))
        self.decision_share = decision_share if self.decision is not None and [*self.decision.parameters()] else 0.0

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
        mirror: Int64[Tensor, "B K"],
        parts: Bool[Tensor, "B K K"],
        names: Sequence[Sequence[str]],
        category: Tensor,
        pair: Tensor,
        mode: str = "tensor",
    ) -> dict[str, Tensor] | list[Pose] | Float[Tensor, "L B K 2"]:
        """One batch of episodes, field by field as mmengine unpacks an `Episode`.

        Args:
            mode: "loss" gives named scalars, "predict" poses, "tensor" the points of every layer.
        """
        tokens = self.prompt(support, names, mask, mirror)
        found = self.locate(self.visual(query.image), tokens, adjacency, parts)
        if mode == "loss":
            return self.losses(found, query, category)
        if mode == "predict":
            return poses(found, tokens.mask, pair)
        return found.points

    def prompt(
        self,
        support: View | Shown,
        names: Sequence[Sequence[str]],
        mask: Bool[Tensor, "B K"],
        mirror: Int64[Tensor, "B K"] | None = None,
    ) -> Tokens:
        """Keypoint tokens of a support set: all that depends on it, so it is computed once per prompt.

        Args:
            support: Support views, or what `look` made of them.
            names: Keypoint texts.
            mask: Keypoints that exist and may be asked for.
            mirror: See `Episode`; None: no keypoint has a counterpart.

        Raises:
            PromptError: Not one name a keypoint.
        """
        if len(names) != mask.shape[1]:
            raise PromptError(
                "prompt", expected=f"a name for each of {mask.shape[1]} keypoints", got=str(len(names)),
                fix='Give as many names as points, "" where there is none.',
            )  # fmt: skip

        # What the support pictures show at each keypoint, seen in R ways, and what it is called
        if mirror is None:
            mirror = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
        appearance, shown, places, doubt = support if isinstance(support, Shown) else self.look(support, mirror)
        shown = shown & mask[:, None]
        meaning, named = self._meaning(names, mask)
        if self.training:
            seen, named = drop_modalities(shown[:, 0], named, rates=self.modality_dropout)
            shown = seen[:, None]

        # One token of each kind
        visual = self._project(self.visual_projection, appearance * shown[..., None])
        text = self._project(self.text_projection, meaning * named[..., None])
        text, named = text[:, None].expand_as(visual), named[:, None].expand_as(shown)
        # One token a keypoint, or one a branch
        if self.decision is not None:
            tokens, present = torch.stack([visual, text], dim=2), torch.stack([shown, named], dim=2)
        elif self.alignment is not None:
            fused = self.alignment(*(each.flatten(0, 1) for each in (visual, text, shown, named)))
            tokens, present = fused.view_as(visual)[:, :, None], (shown | named)[:, :, None]
        else:
            tokens = (text if self.visual_projection is None else visual)[:, :, None]
            present = (shown | named)[:, :, None]
        return Tokens(
            tokens, present, nn.functional.normalize(appearance, dim=-1) * shown[..., None], shown, places, doubt,
            canonical=text[:, 0] if self.null is None else torch.where(named[:, 0, :, None], text[:, 0], self.null),
        )  # fmt: skip

    def look(self, support: View, mirror: Int64[Tensor, "B K"]) -> Shown:
        """What support views show, whatever they are called: what a prompt costs, with a prior that turns them most."""
        views, doubt = self.prior.alternatives(support, mirror)  # [B, R, S, ...]
        (batch, ways, shots), places = views.image.shape[:3], views.points.mean(dim=2)
        if self.support is None:
            nothing = views.visible.any(dim=2) & False
            return Shown(places.new_zeros(*nothing.shape, self.visual.channels), nothing, places, doubt)
        feature = self.visual(views.image.flatten(0, 2)).unflatten(0, (batch * ways, shots))
        pooled, shown = self.support(feature, views.points.flatten(0, 1), views.visible.flatten(0, 1))
        return Shown(pooled.unflatten(0, (batch, ways)), shown.unflatten(0, (batch, ways)), places, doubt)

    def _meaning(
        self, names: Sequence[Sequence[str]], mask: Bool[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K E"], Bool[Tensor, "B K"]]:
        if self.text is None:
            return torch.zeros(*mask.shape, 1, device=mask.device), torch.zeros_like(mask)
        embedded, known = self.text(names)
        return embedded, known & mask

    def _project(self, projection: nn.Module | None, inputs: Float[Tensor, "*B K E"]) -> Float[Tensor, "*B K D"]:
        if projection is None:
            return inputs.new_zeros(*inputs.shape[:-1], self.width)
        return projection(self._input(inputs, inputs.shape[-1]))

    def _input(self, inputs: Tensor, channels: int) -> Tensor:
        return self.dropout(inputs * channels**0.5 if self.unit_inputs else inputs)

    def locate(
        self,
        feature: Float[Tensor, "B C H W"],
        prompt: Tokens,
        adjacency: Bool[Tensor, "B K K"],
        parts: Bool[Tensor, "B K K"] | None = None,
        anchors: Anchors | None = None,
    ) -> Found:
        """Find prompted keypoints in a query feature map; of some the places may be known."""
        skeleton = {"adjacency": adjacency, "parts": parts}
        prompt, prior = (prompt, None) if self.matching.log_prior is None else self.prior(prompt, feature, anchors)
        picture = self.feature_projection(self._input(feature, feature.shape[1]))
        tokens, masks = prompt.tokens[:, 0].unbind(dim=1), prompt.present[:, 0].unbind(dim=1)
        match = self.matching(picture, tokens[0], masks[0], prior)
        weights = prompt.present[:, 0].to(feature.dtype)

        # Fused features: one answer
        if self.decision is None or self.text_matching is None:
            branch = self._branch(match, masks[0], self.decoder, prompt, skeleton)
            return Found(branch.points, match, (branch,), weights)

        # Two answers, and what they say together
        matches = (match, self.text_matching(picture, tokens[1], masks[1]))
        fused, weights = self.decision(matches, prompt.present[:, 0])

        # One decoder for the mixture, or the average of two, each from its own proposal or from the pooled one
        if self.text_decoder is None:
            points, expected = self.decoder(fused, mask=prompt.mask, **skeleton), [m.expected[None] for m in matches]
            return Found(points, fused, tuple(map(Branch, matches, expected, masks)), weights)
        decoders = (self.decoder, self.text_decoder)

        def decoded(starts: Sequence[Match]) -> tuple[Branch, ...]:
            return tuple(self._branch(*each, prompt, skeleton) for each in zip(starts, masks, decoders, strict=True))

        branches = answers = decoded(matches)
        if self.decision.rule == "pool" and not self.training:  # no loss asks for it
            answers = decoded([each._replace(proposals=fused.proposals) for each in matches])
        share = weights.transpose(0, 1)[:, None, :, :, None]  # [V, 1, B, K, 1]
        points = (share * torch.stack([each.points for each in answers])).sum(dim=0)
        return Found(points, fused, branches, weights)

    def _branch(
        self, match: Match, mask: Bool[Tensor, "B K"], decoder: nn.Module, prompt: Tokens, skeleton: Mapping[str, Any]
    ) -> Branch:
        """One answer, after an intervention on what the picture confuses."""
        decode = partial(decoder, mask=mask, offsets=self.decoder.offsets, **skeleton)
        if self.intervention is None:
            return Branch(match, decode(match), mask)
        score = confounder_score(match.similarity.flatten(2))
        tokens, replaced = self.intervention(match.tokens, score, mask, prompt.canonical)
        with torch.no_grad():
            observed = decode(match)[-1] if self.training else None
        return Branch(match, decode(match._replace(tokens=tokens)), mask, replaced, observed)

    def losses(self, found: Found, query: View, category: Int64[Tensor, "B"]) -> dict[str, Tensor]:
        """Heatmap, proposal and offset losses of each branch, over keypoints that prompt and query show.

        With a decision also the agreement of the branches (Eq. 5), and the loss that teaches the decision: what the
        branches found is detached there.
        """
        maps, shown = gaussian_heatmap(query.points, query.visible, sigma=self.sigma)
        kept = 0.0 if self.intervention is None else self.intervention.weight
        options = {"heatmap": self.heatmap, "weight": self.heatmap_weight, "counterfactual": kept}
        options |= {"reach": self.decoder.reach, "decodes": self.decision is None or self.text_decoder is not None}
        if self.decision is None:
            return branch_losses(found.branches[0], query.points, maps, shown, name="loss", **options)
        held = (self.teaches_decision_alone(category)[:, None] & self.training).expand_as(shown)
        losses = {}
        for branch, name in zip(found.branches, ("loss_visual", "loss_text"), strict=True):
            losses |= branch_losses(branch, query.points, maps, shown & ~held, name=name, **options)
        if self.text_decoder is None:
            fused = Branch(found.match, found.points, found.branches[0].mask | found.branches[1].mask)
            valid, reach = shown & ~held & fused.mask, self.decoder.reach
            layers = refinement_losses(fused.points, found.match.proposals, query.points, valid, reach=reach)
            losses |= {f"loss_{key}": value for key, value in layers.items()}
        learnt = shown & (held | (self.decision_share == 0))
        weight = self.consistency_weight * self.ramp
        return losses | fusion_losses(
            found, query.points, ~held, learnt, decision=self.decision, teacher=self.consistency, weight=weight
        )

    def teaches_decision_alone(self, category: Int64[Tensor, "*B"]) -> Bool[Tensor, "*B"]:
        """Categories held out from the branches in training: a fixed share of the numbers, in no order."""
        return category * 2_654_435_761 % 2**32 < self.decision_share * 2**32  # Knuth's multiplicative hash
