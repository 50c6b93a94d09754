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
    "peak", "share", "spread", "entropy", "margin", "logit", "moved", "astray", "cosine", "clicked", "keypoints",
    "bent", "crowded", "border",
)  # fmt: skip
"""Names of the cues, in their order; see `cues_of`."""
REACH = 0.2
"""How far around a point counts as near it, in crop sides."""
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
    """What an answer tells of each of its keypoints, named in `CUES`.

    Of the similarity map: its highest logit, as a share of a perfect match's; the share of its mass within reach of the
    point; its spread and entropy; how far the highest logit is above the best one elsewhere; the logit at the point.
    Of the point: how far the decoder moved it, how far it lies from the map's mean; the cosine similarity of what is
    there with what was clicked, and whether it was clicked. Of the pose: how many keypoints there are; how far the
    point lies from an affine map of the clicked pose; whether it lies closer to another point than in the clicked pose,
    as where left and right fall on the same side; how far the crop's border is.

    Args:
        found: The answer.
        tokens: Its prompt.
        feature: Of the query.
        scale: Logits of a perfect match.
    """
    maps, points = found.match.similarity, found.points[-1]
    mask, places = tokens.mask, tokens.places[:, 0]
    weight, grid = maps.flatten(-2).softmax(dim=-1), cell_centres(*maps.shape[-2:], like=maps).flatten(0, 1)

    # The map
    away = torch.cdist(points, grid)  # [B, K, HW]
    share = (weight * (away <= REACH)).sum(dim=-1)
    expected = found.match.expected
    variance = (weight @ grid.square()).sum(dim=-1) - (weight @ grid).square().sum(dim=-1)
    spread = variance.clamp_min(1e-6).sqrt()
    entropy = torch.special.entr(weight).sum(dim=-1) / math.log(weight.shape[-1])
    logits = maps.flatten(-2) / scale
    peak = logits.amax(dim=-1)
    elsewhere = logits.masked_fill(torch.cdist(found.match.proposals, grid) <= REACH / 2, -torch.inf).amax(dim=-1)
    sampled = F.grid_sample(maps.flatten(0, 1)[:, None], _grid(points).flatten(0, 1)[:, None], align_corners=False)
    logit = sampled.view_as(peak) / scale

    # The point
    moved, astray = (points - found.match.proposals).norm(dim=-1), (points - expected).norm(dim=-1)
    there = F.grid_sample(feature, _grid(points), align_corners=False, padding_mode="border")[..., 0]  # [B, C, K]
    clicked = tokens.shown.any(dim=1)
    similar = torch.einsum("brkc,bck->brk", F.normalize(tokens.appearance, dim=-1), F.normalize(there, dim=1))
    cosine = similar.masked_fill(~tokens.shown, 0).amax(dim=1)

    # The pose
    count = mask.sum(dim=1, keepdim=True).clamp_min(1).log().expand_as(peak)
    bent = _bent(places, points, clicked & mask, peak)
    crowded = _nearest(points, mask) / _nearest(places, clicked & mask).clamp_min(1e-3)
    border = torch.minimum(points, 1 - points).amin(dim=-1)
    cues = (
        peak, share, spread, entropy, peak - elsewhere, logit, moved, astray, cosine, clicked.to(peak.dtype), count,
        bent, crowded.clamp(1e-2, 10).log() * clicked, border.clamp(-0.2, 0.5),
    )  # fmt: skip
    return torch.stack(cues, dim=-1) * mask[..., None]


def _grid(points: Float[Tensor, "B K 2"]) -> Float[Tensor, "B K 1 2"]:
    return (2 * points - 1)[:, :, None]


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
