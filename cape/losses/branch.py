"""All losses of one branch of a few-shot model, by name."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cape.losses.cells import cell_loss
from cape.losses.counterfactual import counterfactual_points_loss
from cape.losses.heatmap import heatmap_loss
from cape.losses.offset import offset_loss
from cape.structures import Branch, Match

Heatmap = Literal["squared", "cells"]


def matching_losses(
    match: Match,
    target: Float[Tensor, "B K 2"],
    maps: Float[Tensor, "B K h w"],
    valid: Bool[Tensor, "B K"],
    *,
    heatmap: Heatmap,
    weight: float,
) -> dict[str, Tensor]:
    """What similarity maps and their global soft-argmax learn from: `heatmap` and `proposal` (specification §3.9).

    Args:
        match: Of the branch.
        target: True points, crop frame.
        maps: Their Gaussian maps.
        valid: Keypoints that count.
        heatmap: "squared" is `heatmap_loss` on the maps, "cells" `cell_loss` on the points.
        weight: Of the heatmap loss.
    """
    squared = heatmap == "squared"
    loss = heatmap_loss(match.similarity, maps, valid) if squared else cell_loss(match.similarity, target, valid)
    return {"heatmap": weight * loss, "proposal": offset_loss(match.expected, target, valid)}


def branch_losses(
    branch: Branch,
    target: Float[Tensor, "B K 2"],
    maps: Float[Tensor, "B K h w"],
    shown: Bool[Tensor, "B K"],
    *,
    name: str,
    heatmap: Heatmap,
    weight: float,
    reach: float | None,
    decodes: bool,
    counterfactual: float = 0.0,
) -> dict[str, Tensor]:
    """All of one branch: what matching learns from, and, if the branch decodes, the layers of its decoder.

    Args:
        branch: What it found.
        target: True points, crop frame.
        maps: Their Gaussian maps.
        shown: Keypoints that the query shows.
        name: Prefix of the names of the losses.
        heatmap: See `matching_losses`.
        weight: Of the heatmap loss.
        reach: See `refinement_losses`.
        decodes: The branch has a decoder's points.
        counterfactual: Weight of the loss of keypoints that an intervention left alone, where there was one.
    """
    valid = shown & branch.mask
    losses = matching_losses(branch.match, target, maps, valid, heatmap=heatmap, weight=weight)
    if decodes:
        losses |= refinement_losses(branch.points, branch.match.proposals, target, valid, reach=reach)
    if branch.observed is not None and branch.replaced is not None:
        stable = valid & ~branch.replaced
        agreement = counterfactual_points_loss(branch.points[-1], branch.observed, stable)
        losses["counterfactual"] = counterfactual * agreement
    return {f"{name}_{key}": value for key, value in losses.items()}


def refinement_losses(
    points: Float[Tensor, "L B K 2"],
    proposals: Float[Tensor, "B K 2"],
    target: Float[Tensor, "B K 2"],
    valid: Bool[Tensor, "B K"],
    *,
    reach: float | None = None,
) -> dict[str, Tensor]:
    """What the layers of a decoder learn from: `offset_0` and so on.

    A match that is wholly wrong says nothing about the last few pixels: its offset would only pull all points towards
    where wrong matches happen to lie. With a bound, keypoints out of reach do not count.

    Args:
        points: After each layer, crop frame.
        proposals: Where the first began.
        target: True points.
        valid: Keypoints that count.
        reach: How far a layer may move a point along each axis; None: anywhere.
    """
    starts = torch.cat([proposals[None], points[:-1]]).detach()
    reachable = torch.ones_like(starts[..., 0], dtype=torch.bool)
    if reach is not None:
        reachable = ((target - starts).abs() < reach).all(dim=-1)
    layers = zip(points, valid & reachable, strict=True)
    return {f"offset_{layer}": offset_loss(each, target, mask) for layer, (each, mask) in enumerate(layers)}
