"""Confidence heads (CCNet, specification §3.3): how likely a frozen network's keypoints are right, and shown at all.

GapHead       a linear layer on the pooled map             "one fully connected layer", RLE
SpatialHead   a small fixed-size trunk on the map          heatmap networks: what the paper's counts imply
TokenHead     a layer on each keypoint's own vector        SimCC and query networks; shared over categories
SampledHead   the map at the keypoint, and the cues        where pooling would forget where the keypoint is
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cape.errors import UsageError
from cape.registry import MODELS
from cape.structures import Confidence, Evidence

START = 0.8
"""What an untrained head says of every keypoint, about what good networks reach."""


@MODELS.register_module()
class GapHead(nn.Module):
    """H1: a linear layer on the mean of the feature map, two numbers a keypoint.

    Args:
        keypoints: K, a fixed skeleton's.
        channels: C of the feature map.
        width: Not used.
        cues: Not used.
    """

    def __init__(self, *, keypoints: int | None = 17, channels: int = 2048, width: int = 0, cues: int = 0) -> None:
        super().__init__()
        del width, cues
        self.out = nn.Linear(_some(channels, "GapHead", "feature maps"), 2 * _fixed(keypoints, "GapHead"))
        _start(self.out)

    def forward(self, evidence: Evidence) -> Confidence:
        """Confidence of each keypoint."""
        return _both(self.out(evidence.feature.mean(dim=(-2, -1))).unflatten(-1, (-1, 2)))

    @staticmethod
    def condensed(feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C 1 1"]:
        """What of a map it is enough to keep: its mean."""
        return feature.mean(dim=(-2, -1), keepdim=True)


@MODELS.register_module()
class SpatialHead(nn.Module):
    """H2: a trunk of one size, whatever the network: 1 x 1 to 64 channels, 32 x 24 cells, two convolutions, a mean.

    The paper says "one fully connected layer"; its table has 0.07 to 0.08 M parameters and 0.06 GFLOPs for heatmap
    networks of 32, 48 and 256 channels alike, which this is within (specification §3.3).

    Args:
        keypoints: K, a fixed skeleton's.
        channels: C of the feature map.
        width: Not used.
        cues: Not used.
        inner: Channels of the trunk.
        cells: Rows and columns that the map is pooled to.
    """

    def __init__(
        self, *, keypoints: int | None = 17, channels: int = 256, width: int = 0, cues: int = 0, inner: int = 64,
        cells: tuple[int, int] = (32, 24),
    ) -> None:  # fmt: skip
        super().__init__()
        del width, cues
        self.cells = (cells[0], cells[1])
        self.narrow = nn.Conv2d(_some(channels, "SpatialHead", "feature maps"), inner, 1)
        self.trunk = nn.Sequential(
            nn.Conv2d(inner, inner, 3, padding=1), nn.ReLU(), nn.Conv2d(inner, inner, 3, padding=1), nn.ReLU()
        )
        self.out = nn.Linear(inner, 2 * _fixed(keypoints, "SpatialHead"))
        _start(self.out)

    def forward(self, evidence: Evidence) -> Confidence:
        """Confidence of each keypoint."""
        pooled = self.narrow(self.condensed(evidence.feature))
        return _both(self.out(self.trunk(pooled).mean(dim=(-2, -1))).unflatten(-1, (-1, 2)))

    def condensed(self, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """What of a map it is enough to keep: means over its cells, which a 1 x 1 convolution may follow or precede."""
        return F.adaptive_avg_pool2d(feature, self.cells)


@MODELS.register_module()
class TokenHead(nn.Module):
    """H3: each keypoint's own vector, normalised, and what the answer tells; one layer for all keypoints.

    Args:
        keypoints: K of a fixed skeleton, each with a bias of its own; None: categories are unknown, nothing is.
        channels: Not used.
        width: D of the tokens; 0 without, or to judge by cues alone.
        cues: E of the cues; 0 without.
        hidden: Width of a layer between; 0 for none (the paper's).
        context: The keypoint also sees the mean of the pose's cues, which tell of the pose as a whole.
    """

    def __init__(
        self, *, keypoints: int | None = None, channels: int = 0, width: int = 256, cues: int = 0, hidden: int = 0,
        context: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        del channels
        self.norm = nn.LayerNorm(width) if width else None
        self.judge = _Judge(_some(width + cues, "TokenHead", "tokens or cues"), cues, hidden, context)
        self.bias = nn.Parameter(torch.zeros(keypoints, 2)) if keypoints else None

    def forward(self, evidence: Evidence) -> Confidence:
        """Confidence of each keypoint."""
        tokens = evidence.tokens[..., :0] if self.norm is None else self.norm(evidence.tokens)
        told = self.judge(tokens, evidence.cues, evidence.mask)
        return _both(told if self.bias is None else told + self.bias)

    @staticmethod
    def condensed(feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 0 H W"]:
        """Of a map, nothing."""
        return feature[:, :0]


@MODELS.register_module()
class SampledHead(nn.Module):
    """H4: the feature map where the keypoint was found, its mean, and the cues; one layer for all keypoints.

    Args:
        keypoints: K of a fixed skeleton, each with a bias of its own; None: none has.
        channels: C of the feature map.
        width: Not used.
        cues: E of the cues.
        hidden: Width of a layer between; 0 for none.
        context: As for `TokenHead`.
    """

    def __init__(
        self, *, keypoints: int | None = None, channels: int = 256, width: int = 0, cues: int = 0, hidden: int = 64,
        context: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        del width
        self.norm = nn.LayerNorm(2 * _some(channels, "SampledHead", "feature maps"))
        self.judge = _Judge(2 * channels + cues, cues, hidden, context)
        self.bias = nn.Parameter(torch.zeros(keypoints, 2)) if keypoints else None

    def forward(self, evidence: Evidence) -> Confidence:
        """Confidence of each keypoint."""
        feature = evidence.feature
        places = (2 * evidence.points - 1)[:, :, None]  # crop frame to grid_sample's: cell centres at (i + .5) / n
        there = F.grid_sample(feature, places, align_corners=False, padding_mode="border")[..., 0].transpose(1, 2)
        mean = feature.mean(dim=(-2, -1))[:, None].expand_as(there)
        told = self.judge(self.norm(torch.cat([there, mean], dim=-1)), evidence.cues, evidence.mask)
        return _both(told if self.bias is None else told + self.bias)

    @staticmethod
    def condensed(feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """All of a map: keypoints may be anywhere."""
        return feature


class _Judge(nn.Module):
    """From what is known of a keypoint to its two logits; cues are brought to unit scale by a batch norm of their own.

    Args:
        inputs: Width of vector and cues together.
        cues: E.
        hidden: Width of a layer between; 0 for none.
        context: Whether the mean cues of the pose are known, too.
    """

    def __init__(self, inputs: int, cues: int, hidden: int, context: bool) -> None:
        super().__init__()
        self.context = context and cues > 0
        self.scale = nn.BatchNorm1d(cues) if cues else None
        inputs += cues * self.context
        self.between = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU()) if hidden else nn.Identity()
        self.out = nn.Linear(hidden or inputs, 2)
        _start(self.out)

    def forward(
        self, vector: Float[Tensor, "B K D"], cues: Float[Tensor, "B K E"], mask: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K 2"]:
        if self.scale is not None:  # else the head was built not to look at them
            cues = self._scaled(self.scale, cues, mask)
            vector = torch.cat([vector, cues], dim=-1)
        if self.context:
            mean = (cues * mask[..., None]).sum(dim=1, keepdim=True) / mask.sum(dim=1).clamp_min(1)[:, None, None]
            vector = torch.cat([vector, mean.expand_as(cues)], dim=-1)
        return self.out(self.between(vector))

    @staticmethod
    def _scaled(
        scale: nn.BatchNorm1d, cues: Float[Tensor, "B K E"], mask: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K E"]:
        """Statistics are those of keypoints that exist, and of a batch that has several."""
        if not scale.training or mask.sum() < 2:
            return F.batch_norm(
                cues.transpose(1, 2), scale.running_mean, scale.running_var, scale.weight, scale.bias, eps=scale.eps
            ).transpose(1, 2)
        scaled = torch.zeros_like(cues)
        scaled[mask] = scale(cues[mask])
        return scaled


def _both(logits: Float[Tensor, "B K 2"]) -> Confidence:
    return Confidence(*logits.unbind(dim=-1))


def _start(out: nn.Linear) -> None:
    """Small weights, and a bias that says of every keypoint what is usual (specification §3.3)."""
    nn.init.normal_(out.weight, std=0.01)
    nn.init.constant_(out.bias, math.log(START / (1 - START)))


def _fixed(keypoints: int | None, name: str) -> int:
    if keypoints is None:
        raise UsageError(name, expected="a fixed skeleton", got="any category", fix="Take TokenHead or SampledHead.")
    return keypoints


def _some(count: int, name: str, what: str) -> int:
    if count < 1:
        raise UsageError(name, expected=f"a network with {what}", got="none", fix="Choose another head.")
    return count
