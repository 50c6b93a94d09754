"""Heads.

keypoint_decoder: `forward(match, adjacency [B, K, K], mask [B, K]) -> points [L, B, K, 2]` in the crop frame.
"""

from cape.models.heads.keypoint_decoder import KeypointDecoder

__all__ = ["KeypointDecoder"]
