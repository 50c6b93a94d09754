"""Loss of a decision between branches."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.losses.cells import cell_loss
from cape.losses.offset import offset_loss
from cape.structures import Found, Match


def decision_loss(
    decision: nn.Module, found: Found, target: Float[Tensor, "B K 2"], valid: Bool[Tensor, "B K"]
) -> Tensor:
    """What teaches a decision and nothing before it: the pooled map's loss, or that of the fused points."""
    matches = [Match(*(each.detach() for each in branch.match)) for branch in found.branches]
    fused, weights = decision(matches, torch.stack([branch.mask for branch in found.branches], dim=1))
    if decision.rule == "pool":
        return cell_loss(fused.similarity, target, valid)
    points = torch.stack([branch.points[-1] for branch in found.branches], dim=1).detach()
    return offset_loss((weights[..., None] * points).sum(dim=1), target, valid)
