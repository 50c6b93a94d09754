"""What a heatmap network's answer tells of itself: the map before the heatmaps, and how sharp the heatmaps are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cape.evaluation.spreads import moments, without_target
from cape.models.readers.topdown import Seen, convolution_of, crop_size, head_of, listen, reading_of
from cape.registry import MODELS
from cape.structures import Reading

WIDTHS = 3
"""How far around a peak its spread is measured, in widths of the training's targets."""


@MODELS.register_module()
class HeatmapReader(nn.Module):
    """Reads mmpose's networks with a `HeatmapHead`: SimpleBaseline, HRNet, ViTPose and others (specification §3.2, §5).

    The feature is what the head's last layer reads: the map after the deconvolutions, or HRNet's finest one. Cues: the
    network's own score (the highest value of the heatmap, of both views' mean with the flip test); the heatmap's spread
    in cells, the target's taken off; its entropy as a share of the highest; the logarithm of the crop's side in pixels
    of the picture.
    """

    cues = 4

    def __init__(self) -> None:
        super().__init__()

    def forward(self, network: Any, inputs: Tensor, data_samples: Sequence[Any]) -> Reading:
        """One batch of crops, as mmpose packs it.

        Raises:
            UsageError: A network of another family.
            DataError: Samples without the truth.
        """
        head = head_of(network, "HeatmapHead")
        answer, heard = listen(network, convolution_of(head.final_layer), inputs, data_samples)
        seen = []
        for feature, heatmaps in heard:
            # with offsets, every third map is that of a keypoint
            told = cues_of(heatmaps[:, :: _maps(head)], target=_width(head.decoder))
            seen.append(Seen(feature, torch.cat([told, crop_size(answer, like=told[..., 0])[..., None]], dim=-1)))
        return reading_of(network, answer, seen)

    @staticmethod
    def width_of(network: Any) -> int:
        """It has no tokens."""
        del network
        return 0

    @staticmethod
    def channels_of(network: Any) -> int:
        """C of the map before the heatmaps."""
        layer: Any = convolution_of(head_of(network, "HeatmapHead").final_layer)
        return layer.in_channels

    @staticmethod
    def keypoints_of(network: Any) -> int:
        """K of its skeleton."""
        head = head_of(network, "HeatmapHead")
        return head.out_channels // _maps(head)


def cues_of(heatmaps: Float[Tensor, "B K H W"], *, target: float) -> Float[Tensor, "B K 2"]:
    """Spread and entropy of heatmaps, see `HeatmapReader`; of an empty one the highest that there are.

    Args:
        heatmaps: As the network gives them; negative values are left out.
        target: Standard deviation of the training's targets, in cells.

    Raises:
        DataError: A value is not finite.
    """
    window = max(1, round(WIDTHS * target))
    spread = np.minimum(moments(heatmaps.cpu().numpy(), window=window).spread, window)
    spread = torch.as_tensor(without_target(spread, target), dtype=heatmaps.dtype, device=heatmaps.device)
    positive = heatmaps.flatten(-2).clamp_min(0)
    total = positive.sum(dim=-1, keepdim=True)
    share = torch.where(total > 0, positive / total.clamp_min(1e-12), 1 / positive.shape[-1])
    return torch.stack([spread, entropy_of(share)], dim=-1)


def entropy_of(share: Float[Tensor, "B K HW"]) -> Float[Tensor, "B K"]:
    """Entropy of shares that sum to 1, as a share of the highest: 0 for one cell, 1 for all alike."""
    return torch.special.entr(share).sum(dim=-1) / np.log(share.shape[-1])


def _maps(head: Any) -> int:
    """Maps of each keypoint: UDP's second kind has two of offsets."""
    return 3 if getattr(head.decoder, "heatmap_type", "") == "combined" else 1


def _width(decoder: Any) -> float:
    return float(getattr(decoder, "sigma", 2.0))
