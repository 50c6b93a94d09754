"""Losses between the branches of decision-level fusion."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.losses.consistency import Teacher, consistency_loss
from cape.losses.decision import decision_loss
from cape.structures import Found


def fusion_losses(
    found: Found,
    target: Float[Tensor, "B K 2"],
    agreeing: Bool[Tensor, "B K"],
    learnt: Bool[Tensor, "B K"],
    *,
    decision: nn.Module,
    teacher: Teacher,
    weight: float,
) -> dict[str, Tensor]:
    """The agreement of both branches (Eq. 5), and what a decision that learns is taught by.

    Args:
        found: With both branches.
        target: True points, crop frame.
        agreeing: Keypoints that agreement is asked of, where both branches have a token.
        learnt: Keypoints that teach the decision, where both have.
        decision: The part; without parameters that learn there is no loss of it.
        teacher: See `consistency_loss`.
        weight: λ of Eq. 5.
    """
    visual, text = found.branches
    both = visual.mask & text.mask
    agreement = consistency_loss(visual.points[-1], text.points[-1], both & agreeing, teacher=teacher)
    losses = {"loss_consistency": weight * agreement}
    if any(each.requires_grad for each in decision.parameters()):
        losses["loss_decision"] = decision_loss(decision, found, target, learnt & both)
    return losses
