"""Between coordinates and maps: Gaussian targets, global and local soft-argmax, SimCC.

All coordinates are in the crop frame, [0, 1], but those of SimCC, which are in pixels of the input; the centre of cell
i of a map with n cells is (i + 0.5) / n.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from cape.structures import SimCC


def gaussian_heatmap(
    points: Float[Tensor, "*B K 2"], visible: Bool[Tensor, "*B K"], *, size: int = 64, sigma: float = 1.0
) -> tuple[Float[Tensor, "*B K H W"], Bool[Tensor, "*B K"]]:
    """The official target: a Gaussian of peak 1 around the integer cell floor(x * size + 0.5), cut at 3 sigma.

    GraphCape, CapeX and EdgeCape use sigma 1 on a 64 x 64 map, POMNet and CapeFormer sigma 2 (specification §3.2).

    Args:
        points: Crop frame.
        visible: Labelled keypoints; the others get an empty map.
        size: Cells a side.
        sigma: In cells.

    Returns:
        The maps, and which keypoints have one: labelled, and with some of their 3-sigma square on the map.
    """
    # The official code rounds with int(), which cuts towards zero: points just outside land on the border cell.
    centre = torch.trunc(points * size + 0.5)
    reach = 3 * sigma
    inside = ((centre - reach < size) & (centre + reach + 1 >= 0)).all(dim=-1)
    valid = visible & inside
    offset = torch.arange(size, device=points.device, dtype=points.dtype) - centre[..., None]  # [*B, K, 2, size]
    bell = torch.exp(-(offset**2) / (2 * sigma**2)) * (offset.abs() <= reach)
    x, y = bell.unbind(dim=-2)
    return y[..., :, None] * x[..., None, :] * valid[..., None, None], valid


def cell_centres(height: int, width: int, *, like: Tensor) -> Float[Tensor, "H W 2"]:
    """Coordinates x, y of the cells of a map."""
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) / height
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) / width
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def expected_point(weight: Float[Tensor, "*B H W"]) -> Float[Tensor, "*B 2"]:
    """Mean cell centre under weights that sum to 1 (the global soft-argmax, once softmax has been applied)."""
    weight = weight.to(torch.promote_types(weight.dtype, torch.float32))  # half a step of half precision is a pixel
    return (weight[..., None] * cell_centres(*weight.shape[-2:], like=weight)).sum(dim=(-3, -2))


def soft_argmax(logits: Float[Tensor, "*B H W"]) -> Float[Tensor, "*B 2"]:
    """Global soft-argmax of a similarity map."""
    return expected_point(logits.flatten(-2).softmax(dim=-1).view_as(logits))


def local_soft_argmax(logits: Float[Tensor, "*B H W"], *, window: int = 3) -> Float[Tensor, "*B 2"]:
    """Soft-argmax inside the window around the arg-max: sub-cell, and blind to far-away modes (specification §3.6)."""
    height, width = logits.shape[-2:]
    peak = F.one_hot(logits.flatten(-2).argmax(dim=-1), height * width).view(-1, 1, height, width)
    near = F.max_pool2d(peak.to(logits.dtype), window, stride=1, padding=window // 2).view_as(logits) > 0
    return soft_argmax(logits.masked_fill(~near, float("-inf")))


def simcc_points(logits: SimCC, *, split_ratio: float = 2.0) -> tuple[Float[Tensor, "B K 2"], Float[Tensor, "B K"]]:
    """Points and scores of SimCC logits, as RTMPose and CIGPose decode them (CIGPose's specification §2.6).

    Args:
        logits: Of the bins.
        split_ratio: Bins a pixel.

    Returns:
        x, y in pixels of the input, bin -1 where the score is not positive; and the scores, the smaller one of the two
        highest raw logits. A score looks like a probability by habit of the training targets; it is not calibrated.
    """
    (score_x, x), (score_y, y) = logits.x.max(dim=-1), logits.y.max(dim=-1)
    score = torch.minimum(score_x, score_y)
    bins = torch.stack([x, y], dim=-1).where((score > 0)[..., None], -1)
    return bins / split_ratio, score
