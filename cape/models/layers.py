"""Small blocks that several parts share."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.codecs import cell_centres


class MLP(nn.Sequential):
    """Linear layers with GELU between them.

    Args:
        widths: Input, hidden and output widths.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.GELU()]
        super().__init__(*layers[:-1])


def xavier(module: nn.Module) -> None:
    """Xavier-uniform start of every matrix, as the official networks do (specification §3.7)."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)


def start_projections(*layers: nn.Linear | nn.Conv2d | None) -> None:
    """Start projections as the official networks do: Xavier-uniform weights, no biases."""
    for layer in layers:
        if layer is not None and layer.bias is not None:
            xavier(layer)
            nn.init.zeros_(layer.bias)


def start_normal(module: nn.Module, *, std: float = 0.01) -> None:
    """Start convolutions and linear layers as the official whole-body heads do: normal weights, no biases."""
    for each in module.modules():
        if isinstance(each, nn.Conv2d | nn.Linear):
            nn.init.normal_(each.weight, std=std)
            if each.bias is not None:
                nn.init.zeros_(each.bias)


def sine_encoding(points: Float[Tensor, "*B 2"], width: int, *, temperature: float = 1e4) -> Float[Tensor, "*B D"]:
    """Sine-cosine code of crop coordinates, DETR's: y in the first half, x in the second, scaled to 2π.

    Args:
        points: Crop frame.
        width: D, a multiple of 4.
        temperature: Ratio of the longest to the shortest wave.
    """
    half = width // 2
    power = torch.arange(half, dtype=points.dtype, device=points.device) // 2 * 2 / half
    angle = points[..., None] * (2 * math.pi) / temperature**power  # [*B, 2, D/2]
    wave = torch.stack([angle[..., 0::2].sin(), angle[..., 1::2].cos()], dim=-1).flatten(-2)
    return torch.cat([wave[..., 1, :], wave[..., 0, :]], dim=-1)


def grid_encoding(height: int, width: int, depth: int, *, aligned: bool, like: Tensor) -> Float[Tensor, "HW D"]:
    """Sine code of the cells of a feature map, row by row.

    Args:
        height: Rows.
        width: Columns.
        depth: D.
        aligned: True codes cell i of n at its centre, (i + 0.5) / n, where points are coded too. False is GraphCape's
            (i + 1) / n: half a cell (8 px of 256) away from the code of a point at the same place.
        like: Gives dtype and device.
    """
    points = cell_centres(height, width, like=like).flatten(0, 1)
    if not aligned:
        points = points + 0.5 / torch.tensor([width, height], dtype=like.dtype, device=like.device)
    return sine_encoding(points, depth)


def logit(points: Float[Tensor, "*B"], *, margin: float = 1e-3) -> Float[Tensor, "*B"]:
    """Inverse sigmoid, with both probabilities kept above `margin` (GraphCape's 1e-3)."""
    points = points.clamp(0, 1)
    return torch.log(points.clamp_min(margin) / (1 - points).clamp_min(margin))


def attention_padding(mask: Bool[Tensor, "B K"]) -> Bool[Tensor, "B K"]:
    """Key-padding mask (True is ignored), one key left open where all would be closed: softmax stays finite."""
    none = ~mask.any(dim=1, keepdim=True)
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return ~(mask | (none & first))


def drop_modalities(
    shown: Bool[Tensor, "B K"], named: Bool[Tensor, "B K"], *, rates: tuple[float, float]
) -> tuple[Bool[Tensor, "B K"], Bool[Tensor, "B K"]]:
    """Take the support features, or else the texts, away from random samples; never what has no substitute.

    Args:
        shown: Keypoints with a support feature.
        named: Keypoints with a text.
        rates: Probability that a sample does without support features, and without texts.
    """
    draw = torch.rand(2, len(shown), 1, device=shown.device)
    without_shown = (draw[0] < rates[0]) & named.any(dim=1, keepdim=True)
    without_named = (draw[1] < rates[1]) & shown.any(dim=1, keepdim=True) & ~without_shown
    return shown & ~without_shown, named & ~without_named
