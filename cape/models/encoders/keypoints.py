"""Keypoint embeddings of a fixed skeleton: what a picture says about each of its keypoints."""

from jaxtyping import Float
from torch import Tensor, nn

from cape import compat
from cape.registry import MODELS


@MODELS.register_module()
class KeypointEmbedding(nn.Module):
    """RTMPose's way from a feature map to one vector a keypoint (CIGPose §3.1; specification §2.2).

    A 7 x 7 convolution gives each keypoint a map, a linear layer makes a vector of it, and a gated attention unit lets
    keypoints know of each other.

    Args:
        channels: C of the feature map.
        cells: Width and height of the feature map, the input's divided by 32.
        keypoints: K.
        width: D.
        query: Width of the attention's queries and keys.
        expansion: How many times wider than D its values are.
    """

    def __init__(
        self,
        *,
        channels: int = 1024,
        cells: tuple[int, int] = (6, 8),
        keypoints: int = 133,
        width: int = 256,
        query: int = 128,
        expansion: int = 2,
    ) -> None:
        super().__init__()
        compat.load_mmpose()
        from mmpose.models.utils.rtmcc_block import RTMCCBlock, ScaleNorm

        self.maps = nn.Conv2d(channels, keypoints, 7, padding=3)
        self.norm = ScaleNorm(cells[0] * cells[1])
        self.project = nn.Linear(cells[0] * cells[1], width, bias=False)
        options = {"expansion_factor": expansion, "s": query, "use_rel_bias": False, "pos_enc": False}
        self.attention = RTMCCBlock(keypoints, width, width, act_fn="SiLU", **options)

    def forward(self, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K D"]:
        """One vector a keypoint.

        Args:
            feature: Of the size that the constructor was told.
        """
        maps = self.maps(feature).flatten(2)  # [B, K, HW]
        tokens: Tensor = self.attention(self.project(self.norm(maps)))
        return tokens
