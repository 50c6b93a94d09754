"""Cross-entropy over the cells of similarity maps."""

from jaxtyping import Bool, Float
from torch import Tensor

from cape.codecs import cell_centres


def cell_loss(
    similarity: Float[Tensor, "B K H W"],
    points: Float[Tensor, "B K 2"],
    valid: Bool[Tensor, "B K"],
    *,
    sigma: float = 0.04,
) -> Float[Tensor, ""]:
    """Cross-entropy between the softmax over cells and a Gaussian around the true point.

    In the place of `heatmap_loss`, for small data: the sigmoid of a map that starts with large logits is 0 or 1, where
    neither it nor the soft-argmax has a gradient, and a wrong peak stays. Cross-entropy pulls from anywhere. Not in
    the papers.

    Args:
        similarity: Logits.
        points: True, crop frame.
        valid: Keypoints that count.
        sigma: Of the Gaussian, in crop sides.

    Example:
        Four equal logits: the loss is ln 4 wherever the point is.
    """
    cells = cell_centres(*similarity.shape[-2:], like=similarity).flatten(0, 1)
    distance = (points[:, :, None] - cells).square().sum(dim=-1)
    target = (-distance / (2 * sigma**2)).softmax(dim=-1)  # [B, K, HW]
    error = -(target * similarity.flatten(2).log_softmax(dim=-1)).sum(dim=-1) * valid
    return (error.sum(dim=1) / valid.sum(dim=1).clamp_min(1)).mean()
