"""The loss of SimCC logits."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cape.structures import SimCC

Reduction = Literal["mmpose", "mean"]


def simcc_loss(
    logits: SimCC,
    target: SimCC,
    weight: Float[Tensor, "B K"],
    *,
    beta: float = 10.0,
    reduction: Reduction = "mmpose",
) -> Float[Tensor, ""]:
    """Divergence of the bins' distribution from that of the target (CIGPose, Eq. 5; specification §3.1).

    Both are softmaxes of `beta` times their argument, so that logits equal to the target, or to it plus a constant,
    cost nothing. The divergence is the mean over the bins of an axis, as in mmpose, not their sum.

    Args:
        logits: Predicted.
        target: Gaussians of peak 1.
        weight: 0 where a keypoint is not labelled.
        beta: Of the softmaxes.
        reduction: "mmpose" sums over the batch and divides by K alone, so that the loss grows with the batch; published
            learning rates were tuned with it. "mean" divides by the sum of the weights instead.

    Example:
        Three bins, target (0, 1, 0), logits zero: softmax(0, 10, 0) = q has the divergence log 3 + sum(q log q) =
        1.0976, a third of that an axis.
    """
    loss = logits.x.new_zeros(weight.shape)
    for axis, truth in zip(logits, target, strict=True):
        wanted = (beta * truth).log_softmax(dim=-1)
        found = (beta * axis).log_softmax(dim=-1)
        loss = loss + functional.kl_div(found, wanted, reduction="none", log_target=True).mean(dim=-1)
    total = (loss * weight).sum()
    return total / (weight.shape[1] if reduction == "mmpose" else weight.sum().clamp_min(1))
