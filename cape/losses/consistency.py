"""Agreement of two branches, the consistency loss."""

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor


def consistency_loss(
    first: Float[Tensor, "B K 2"],
    second: Float[Tensor, "B K 2"],
    valid: Bool[Tensor, "B K"],
    *,
    detach: Literal["none", "first", "second"] = "none",
) -> Float[Tensor, ""]:
    """Mean over samples of the mean over valid keypoints of the squared distance (the paper's Eq. 5, its "MSE").

    Args:
        first: Points of one branch, crop frame.
        second: Points of the other.
        valid: Keypoints that count. The query need not show them: agreement needs no label.
        detach: The branch that teaches without being taught.

    Example:
        Two keypoints, off by (0.1, 0) and (0, 0.2): the loss is (0.01 + 0.04) / 2 = 0.025.
    """
    first = first.detach() if detach == "first" else first
    second = second.detach() if detach == "second" else second
    distance = (first - second).square().sum(dim=-1) * valid
    return (distance.sum(dim=1) / valid.sum(dim=1).clamp_min(1)).mean()
