"""MixSTE: attention over joints and over frames in turns."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cape.models.lifters.windows import check_points, cut
from cape.registry import MODELS


@MODELS.register_module()
class MixSTE(nn.Module):
    """Zhang et al., "MixSTE: Seq2seq mixed spatio-temporal encoder", CVPR 2022 (specification §5).

    33,783,811 parameters as published: 243 frames, 17 joints, width 512, depth 8.

    All spatial blocks share one layer norm after them, and all temporal blocks another. Positions of frames are added
    once, before the first temporal block. A sequence is cut into windows of `frames`, the last filled up by repeating
    its last frame.

    Args:
        joints: J.
        frames: Length of a window, and the receptive field.
        width: D.
        depth: Pairs of a spatial and a temporal block.
        heads: Of each attention.
        ratio: Width of the inner layer of a feed-forward, in widths.
        drop_path: Rate at which the last block is skipped in training; it grows from 0 at the first.
    """

    def __init__(
        self,
        *,
        joints: int = 17,
        frames: int = 243,
        width: int = 512,
        depth: int = 8,
        heads: int = 8,
        ratio: float = 2.0,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        self.joints, self.frames = joints, frames
        self.embed = nn.Linear(2, width)
        self.joint_code = nn.Parameter(torch.zeros(1, joints, width))
        self.frame_code = nn.Parameter(torch.zeros(1, frames, width))
        rates = [drop_path * level / max(depth - 1, 1) for level in range(depth)]
        self.spatial = nn.ModuleList(_Block(width, heads, ratio, rate) for rate in rates)
        self.temporal = nn.ModuleList(_Block(width, heads, ratio, rate) for rate in rates)
        self.spatial_norm = nn.LayerNorm(width, eps=1e-6)
        self.temporal_norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 3))

    def forward(self, points: Float[Tensor, "B T J 2"]) -> Float[Tensor, "B T J 3"]:
        """Metres relative to the root, of every frame.

        Raises:
            UsageError: As `check_points`.
        """
        check_points("MixSTE", points, self.joints)
        tokens = self.embed(cut(points, self.frames)) + self.joint_code  # [windows, frames, J, D]
        windows = len(tokens)
        tokens = tokens.flatten(0, 1)
        for level, (spatial, temporal) in enumerate(zip(self.spatial, self.temporal, strict=True)):
            # Over the joints of each frame
            tokens = self.spatial_norm(spatial(tokens))
            tokens = tokens.unflatten(0, (windows, -1)).transpose(1, 2).flatten(0, 1)  # [windows * J, frames, D]
            # Over the frames of each joint
            tokens = tokens + self.frame_code if level == 0 else tokens
            tokens = self.temporal_norm(temporal(tokens))
            tokens = tokens.unflatten(0, (windows, -1)).transpose(1, 2).flatten(0, 1)  # [windows * frames, J, D]
        joints = self.head(tokens).reshape(len(points), -1, self.joints, 3)
        return joints[:, : points.shape[1]]


class _Block(nn.Module):
    """A pre-norm transformer layer, skipped as a whole for random members of the batch (stochastic depth)."""

    def __init__(self, width: int, heads: int, ratio: float, drop_path: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, drop_path
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.mixed = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        inner = int(width * ratio)
        self.feed_forward = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))

    def forward(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        tokens = tokens + self._kept(self._attend(self.norm1(tokens)))
        return tokens + self._kept(self.feed_forward(self.norm2(tokens)))

    def _attend(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        mixed = self.mixed(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [3, B, heads, N, _]
        query, key, value = mixed.unbind(0)
        return self.out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))

    def _kept(self, update: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        if not self.training or self.rate == 0:
            return update
        kept = torch.rand(len(update), 1, 1, device=update.device) >= self.rate
        return update * kept / (1 - self.rate)
