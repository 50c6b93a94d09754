"""L1 distance of coordinates, the offset loss."""

from jaxtyping import Bool, Float
from torch import Tensor


def offset_loss(
    points: Float[Tensor, "B K 2"], target: Float[Tensor, "B K 2"], valid: Bool[Tensor, "B K"]
) -> Float[Tensor, ""]:
    """Mean over samples of the mean over valid keypoints of |Δx| + |Δy| (specification §3.9; the paper's Eq. 7).

    Args:
        points: Predicted, crop frame.
        target: True, crop frame.
        valid: Keypoints that count.

    Example:
        One keypoint of two counts, and is off by (0.1, 0.2): the loss is 0.3.
    """
    distance = (points - target).abs().sum(dim=-1) * valid
    return (distance.sum(dim=1) / valid.sum(dim=1).clamp_min(1)).mean()
