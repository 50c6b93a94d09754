"""How far confidence is from what it should be (CCNet, Eq. 20 to 22).

The paper is "On the Calibration of Human Pose Estimation". Its Eq. 20 sums over all keypoints, its pseudo-code over
those that are visible; a keypoint nobody labelled has no similarity, so it is the latter here (specification §3.4).
"""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from cape.structures import Confidence, Outcome

Regression = Literal["squared", "entropy"]


def confidence_loss(
    found: Confidence, outcome: Outcome, mask: Bool[Tensor, "B K"], *, loss: Regression = "squared"
) -> Float[Tensor, ""]:
    """Eq. 20: squared distance of the confidence from the accuracy, summed over labelled keypoints, mean over poses.

    Args:
        found: Logits.
        outcome: Its accuracy is the target.
        mask: Keypoints that were asked for.
        loss: "squared", or the cross-"entropy" with a soft target, which has the same optimum and learns on where a
            sigmoid is flat.

    Example:
        A confidence of 0.8 for a keypoint of similarity 0.5 costs 0.09.
    """
    counts = outcome.labelled & mask
    if loss == "entropy":
        cost = F.binary_cross_entropy_with_logits(found.accuracy, outcome.accuracy, reduction="none")
    else:
        cost = (found.accuracy.sigmoid() - outcome.accuracy).square()
    return (cost * counts).sum() / len(cost)


def presence_loss(found: Confidence, outcome: Outcome, mask: Bool[Tensor, "B K"]) -> Float[Tensor, ""]:
    """Eq. 21: cross-entropy of whether the picture shows a keypoint, summed over those where that is known."""
    target = outcome.labelled.to(found.presence.dtype)
    cost = F.binary_cross_entropy_with_logits(found.presence, target, reduction="none")
    return (cost * (outcome.known & mask)).sum() / len(cost)
