"""What a few-shot model's answer tells of itself: the similarity maps, and whether the pose hangs together."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from cape.codecs import cell_centres
from cape.models.affine import design, fit_affine
from cape.registry import MODELS
from cape.structures import Evidence, Found, Reading, Tokens, View

CUES = (
    "peak", "spread", "entropy", "margin", "moved", "astray", "cosine", "rival", "mixed", "turned", "clicked",
    "keypoints", "bent", "crowded", "border",
)  # fmt: skip
"""Names of the cues, in their order; see `cues_of`."""
NEAR = 0.1
"""How far around a place its surroundings reach, in crop sides."""
BOX_SIDE = 1 / 1.25
"""Longest side of the box in the crop frame: the official crop is 1.25 times as large."""


@MODELS.register_module()
class FewShotReader(nn.Module):
    """Reads `FewShotPose`: tokens are those that matching made, shared by all keypoints and categories."""

    cues = len(CUES)

    def __init__(self) -> None:
        super().__init__()

    def forward(  # noqa: PLR0917 (an Episode's fields)
        self,
        network: Any,
        support: View,
        query: View,
        mask: Bool[Tensor, "B K"],
        adjacency: Bool[Tensor, "B K K"],
        mirror: Int64[Tensor, "B K"],
        parts: Bool[Tensor, "B K K"],
        names: Sequence[Sequence[str]],
        category: Tensor,
        pair: Tensor,
    ) -> Reading:
        """One batch of episodes of official crops."""
        tokens = network.prompt(support, names, mask, mirror)
        feature = network.visual(query.image)
        found = network.locate(feature, tokens, adjacency, parts)
        evidence = self.evidence(network, found, tokens, feature)
        return Reading(
            answer=found,
            evidence=(evidence,),
            points=found.points[-1],
            truth=query.points,
            size=torch.full_like(query.points[:, 0, 0], BOX_SIDE),
            labelled=query.visible & tokens.mask,
            known=support.visible.any(dim=1) & tokens.mask,
            group=category,
            row=pair,
        )

    def evidence(self, network: Any, found: Found, tokens: Tokens, feature: Float[Tensor, "B C H W"]) -> Evidence:
        """What there is to judge an answer by.

        Args:
            network: Whose answer it is.
            found: The answer.
            tokens: The prompt, in all the ways to see it.
            feature: The query as the backbone gives it.
        """
        prior = network.matching.log_prior
        scale = 1.0 if prior is None else prior.exp()
        cues = cues_of(found, tokens, feature, scale=scale)
        return Evidence(found.match.tokens, feature, found.points[-1], cues, tokens.mask)

    @staticmethod
    def width_of(network: Any) -> int:
        """D."""
        return network.width

    @staticmethod
    def channels_of(network: Any) -> int:
        """C of the backbone."""
        return network.visual.channels

    @staticmethod
    def keypoints_of(network: Any) -> None:
        """Any number."""
        del network


def cues_of(
    found: Found, tokens: Tokens, feature: Float[Tensor, "B C H W"], *, scale: float | Tensor
) -> Float[Tensor, "B K E"]:
    """What an answer tells of each of its keypoints, named in `CUES`; 0 where there is nothing to tell.

    Args:
        found: The answer.
        tokens: Its prompt.
        feature: Of the query.
        scale: Logits of a perfect match.

    Returns:
        Of the similarity map its highest logit as a share of a perfect match's (`peak`), its `spread` and `entropy`,
        and how far the highest logit is above the best one elsewhere (`margin`). Of the point how far the decoder
        `moved` it, and how far it lies from the map's mean (`astray`). Of the backbone's features alone, in the view of
        the support that fits the pose best: the `cosine` similarity there, by how much another place has more
        (`rival`), by how much it looks like another keypoint (`mixed`), and how much better that view fits than others
        do (`turned`). Whether the keypoint was `clicked`, and how many `keypoints` there are. Of the pose how far the
        point lies from an affine map of the clicked one (`bent`), whether it lies closer to another point than there,
        as where left and right fall on the same side (`crowded`), and how far the crop's `border` is.
    """
    points, mask = found.points[-1], tokens.mask
    there = _at(points, feature)
    fits = _fits(tokens, there)
    rows, view = torch.arange(len(fits), device=fits.device), fits.argmax(dim=1)
    clicked, places = tokens.shown[rows, view], tokens.places[rows, view]
    appearance = tokens.appearance[rows, view]
    turned = (fits.amax(dim=1) - fits.median(dim=1).values)[:, None].expand_as(mask)

    peak, *of_map = _map_cues(found, scale)
    count = mask.sum(dim=1, keepdim=True).clamp_min(1).log().expand_as(peak)
    crowded = _nearest(points, mask) / _nearest(places, clicked & mask).clamp_min(1e-3)
    cues = (
        peak, *of_map, *_feature_cues(appearance, there, feature, clicked), turned, clicked.to(peak.dtype), count,
        _bent(places, points, clicked & mask, peak), crowded.clamp(1e-2, 10).log() * clicked,
        torch.minimum(points, 1 - points).amin(dim=-1).clamp(-0.2, 0.5),
    )  # fmt: skip
    return torch.stack(cues, dim=-1) * mask[..., None]


def _map_cues(found: Found, scale: float | Tensor) -> tuple[Float[Tensor, "B K"], ...]:
    """Peak, spread, entropy, margin, moved, astray."""
    match, points = found.match, found.points[-1]
    maps = match.similarity
    weight, grid = maps.flatten(-2).softmax(dim=-1), cell_centres(*maps.shape[-2:], like=maps).flatten(0, 1)
    variance = (weight @ grid.square()).sum(dim=-1) - (weight @ grid).square().sum(dim=-1)
    entropy = torch.special.entr(weight).sum(dim=-1) / math.log(weight.shape[-1])
    logits = maps.flatten(-2) / scale
    peak = logits.amax(dim=-1)
    elsewhere = logits.masked_fill(torch.cdist(match.proposals, grid) <= NEAR, -torch.inf).amax(dim=-1)
    moved, astray = ((points - from_).norm(dim=-1) for from_ in (match.proposals, match.expected))
    return peak, variance.clamp_min(1e-6).sqrt(), entropy, peak - elsewhere, moved, astray


def _fits(tokens: Tokens, there: Float[Tensor, "B K C"]) -> Float[Tensor, "B R"]:
    """Mean cosine similarity of each way to see the support with what was found."""
    alike = torch.einsum("brkc,bkc->brk", tokens.appearance, there)
    return (alike * tokens.shown).sum(dim=2) / tokens.shown.sum(dim=2).clamp_min(1)


def _feature_cues(
    appearance: Float[Tensor, "B K C"], there: Float[Tensor, "B K C"], feature: Float[Tensor, "B C H W"],
    clicked: Bool[Tensor, "B K"],
) -> tuple[Float[Tensor, "B K"], ...]:  # fmt: skip
    """Cosine, rival, mixed."""
    alike = appearance @ there.transpose(1, 2)  # of keypoint j of the prompt with what was found for keypoint k
    cosine = alike.diagonal(dim1=1, dim2=2)
    cells = feature.flatten(2)
    anywhere = (appearance @ cells / cells.norm(dim=1, keepdim=True).clamp_min(1e-12)).amax(dim=-1)
    own = torch.eye(alike.shape[1], dtype=torch.bool, device=alike.device)
    others = alike.masked_fill(own | ~clicked[:, :, None], -1).amax(dim=1)
    return cosine * clicked, (anywhere - cosine) * clicked, (others - cosine) * clicked


def _at(points: Float[Tensor, "B K 2"], feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K C"]:
    """Features at points, of unit length."""
    grid = (2 * points - 1)[:, :, None]
    sampled = F.grid_sample(feature, grid, align_corners=False, padding_mode="border")[..., 0]
    return F.normalize(sampled, dim=1).transpose(1, 2)


def _bent(
    places: Float[Tensor, "B K 2"], points: Float[Tensor, "B K 2"], there: Bool[Tensor, "B K"], weight: Tensor
) -> Float[Tensor, "B K"]:
    """Distance from the affine map of the clicked pose that fits all points best; 0 where nothing was clicked."""
    weight = weight.clamp_min(1e-3) * there
    affine = fit_affine(places, points, weight, ridge=0.3)
    return (design(places) @ affine.transpose(-1, -2) - points).norm(dim=-1) * there


def _nearest(points: Float[Tensor, "B K 2"], there: Bool[Tensor, "B K"]) -> Float[Tensor, "B K"]:
    """Distance to the nearest other point, in mean distances of all; 1 where there is no other."""
    apart = torch.cdist(points, points)
    own = torch.eye(points.shape[1], dtype=torch.bool, device=points.device)
    pairs = there[:, :, None] & there[:, None] & ~own
    mean = (apart * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)).clamp_min(1)
    nearest = apart.masked_fill(~pairs, torch.inf).amin(dim=-1) / mean.clamp_min(1e-6)[:, None]
    return torch.where(nearest.isfinite(), nearest, 1.0)
