"""What a network tells of itself that gives coordinates at once: by a likelihood (RLE), or as a heatmap's mean."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cape.codecs import cell_centres, expected_point
from cape.models.readers.heatmap import entropy_of
from cape.models.readers.topdown import Seen, convolution_of, crop_size, head_of, listen, reading_of
from cape.registry import MODELS
from cape.structures import Reading

INTEGRAL = ("IntegralRegressionHead", "DSNTHead")


@MODELS.register_module()
class RegressionReader(nn.Module):
    """Reads mmpose's networks with an `RLEHead` (specification §3.2, §5): the feature is the pooled vector, 1 x 1.

    Cues: the network's own score (1 - sigma, the mean of x and y and, with the flip test, of both views); sigma of x
    and of y, in sides of the input; the logarithm of the crop's side in pixels of the picture.
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
        head = head_of(network, "RLEHead")
        answer, heard = listen(network, head.fc, inputs, data_samples)
        seen = []
        for vector, out in heard:
            sigma = out.unflatten(-1, (head.num_joints, 4))[..., 2:].sigmoid()
            size = crop_size(answer, like=sigma[..., 0])[..., None]
            seen.append(Seen(vector[..., None, None], torch.cat([sigma, size], dim=-1)))
        return reading_of(network, answer, seen)

    @staticmethod
    def width_of(network: Any) -> int:
        """It has no tokens."""
        del network
        return 0

    @staticmethod
    def channels_of(network: Any) -> int:
        """Of the pooled vector."""
        return head_of(network, "RLEHead").fc.in_features

    @staticmethod
    def keypoints_of(network: Any) -> int:
        """K of its skeleton."""
        return head_of(network, "RLEHead").num_joints


@MODELS.register_module()
class IntegralReader(nn.Module):
    """Reads mmpose's networks with an `IntegralRegressionHead` or `DSNTHead`, whose answer is a heatmap's mean.

    The feature is the map before the heatmaps, as for `HeatmapReader`. Cues: the network's own score, which is 1
    whatever it sees; the highest share of a cell, which takes the score's place in comparisons (Table 2, "heatmap");
    the heatmap's spread in sides of the crop; its entropy as a share of the highest; how far its mean lies from its
    peak, in sides of the crop; the logarithm of the crop's side in pixels of the picture.
    """

    cues = 6

    def __init__(self) -> None:
        super().__init__()

    def forward(self, network: Any, inputs: Tensor, data_samples: Sequence[Any]) -> Reading:
        """One batch of crops, as mmpose packs it.

        Raises:
            UsageError: A network of another family.
            DataError: Samples without the truth.
        """
        head = head_of(network, *INTEGRAL)
        answer, heard = listen(network, _last_of(head), inputs, data_samples)
        seen = []
        for feature, logits in heard:
            told = integral_cues(head.beta * logits)
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
        layer: Any = _last_of(head_of(network, *INTEGRAL))
        return layer.in_channels

    @staticmethod
    def keypoints_of(network: Any) -> int:
        """K of its skeleton."""
        return head_of(network, *INTEGRAL).num_joints


def integral_cues(logits: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K 4"]:
    """Peak, spread, entropy of heatmaps, and how far their means lie from their peaks; see `IntegralReader`."""
    share = logits.flatten(-2).softmax(dim=-1)
    grid = cell_centres(*logits.shape[-2:], like=logits).flatten(0, 1)
    mean = expected_point(share.view_as(logits))
    spread = ((share @ grid.square() - mean.square()).clamp_min(0).mean(dim=-1)).sqrt()
    peak, place = share.max(dim=-1)
    return torch.stack([peak, spread, entropy_of(share), (mean - grid[place]).norm(dim=-1)], dim=-1)


def _last_of(head: Any) -> nn.Module:
    inner = getattr(head, "simplebaseline_head", None)
    return convolution_of(getattr(head if inner is None else inner, "final_layer", None))
