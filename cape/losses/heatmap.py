"""Squared error of similarity maps, the heatmap loss."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def heatmap_loss(
    similarity: Float[Tensor, "B K H W"], target: Float[Tensor, "B K h w"], valid: Bool[Tensor, "B K"]
) -> Float[Tensor, ""]:
    """Mean squared error between sigmoid similarity and the target map (specification §3.9; the paper's Eq. 6).

    Args:
        similarity: Logits.
        target: Gaussian maps of any size; shrunk to H x W and scaled back to peak 1.
        valid: Keypoints that count.

    Example:
        A single valid keypoint whose map is 0.5 everywhere against a target of zeros: the loss is 0.25.
    """
    target = F.interpolate(target, similarity.shape[-2:], mode="bilinear", align_corners=False)
    target = target / (target.amax(dim=(-2, -1), keepdim=True) + 1e-10)
    error = (similarity.sigmoid() - target).square().mean(dim=(-2, -1)) * valid
    return (error.sum(dim=1) / valid.sum(dim=1).clamp_min(1)).mean()
