"""Support tokens: what a keypoint looks like in the support pictures."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.codecs import gaussian_heatmap
from cape.registry import MODELS


@MODELS.register_module()
class SupportEncoder(nn.Module):
    """Gaussian-weighted pooling of the support feature maps, averaged over shots (specification §3.2).

    The official code enlarges the feature map to the heatmap's size and takes the inner product with the heatmap,
    scaled to sum 1. Enlarging is linear, so its transpose may shrink the heatmap instead: the same sums, without a
    64 x 64 copy of every channel.

    Args:
        size: Cells a side of the heatmap.
        sigma: Of the Gaussian, in cells.
        shots: "all" takes a keypoint that every support shows and averages over all shots (the protocol);
            "shown" averages over the shots that show it.
    """

    def __init__(self, *, size: int = 64, sigma: float = 1.0, shots: Literal["all", "shown"] = "all") -> None:
        super().__init__()
        self.size, self.sigma, self.shots = size, sigma, shots

    def forward(
        self, feature: Float[Tensor, "B S C H W"], points: Float[Tensor, "B S K 2"], visible: Bool[Tensor, "B S K"]
    ) -> tuple[Float[Tensor, "B K C"], Bool[Tensor, "B K"]]:
        """Pooled tokens (zero where masked) and the mask of the keypoints that have one."""
        heatmap, shown = gaussian_heatmap(points, visible, size=self.size, sigma=self.sigma)
        pooled = pool(feature, heatmap)
        mask = shown.all(dim=1) if self.shots == "all" else shown.any(dim=1)
        weight = (
            (mask[:, None] if self.shots == "all" else shown)[..., None].to(pooled.dtype).expand_as(pooled[..., :1])
        )
        tokens = (pooled * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1)
        return tokens, mask


def pool(feature: Float[Tensor, "B S C H W"], heatmap: Float[Tensor, "B S K h w"]) -> Float[Tensor, "B S K C"]:
    """Mean feature under each heatmap; zero for an empty one."""
    height, width = feature.shape[-2:]
    weight = heatmap / (heatmap.sum(dim=(-2, -1), keepdim=True) + 1e-8)
    rows, columns = _enlargement(height, heatmap.shape[-2], heatmap), _enlargement(width, heatmap.shape[-1], heatmap)
    small = rows.T @ weight @ columns  # [B, S, K, H, W]
    return torch.einsum("bskhw,bschw->bskc", small, feature)


def _enlargement(small: int, large: int, like: Tensor) -> Float[Tensor, "h H"]:
    """The matrix of bilinear enlargement along one axis."""
    eye = torch.eye(small, dtype=like.dtype, device=like.device)[None]
    return F.interpolate(eye, large, mode="linear", align_corners=False)[0].T
