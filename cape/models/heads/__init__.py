"""Heads.

keypoint_decoder: `forward(match, adjacency [B, K, K], mask [B, K], parts [B, P, K] | None) -> points [L, B, K, 2]`,
    crop frame.
simcc: `forward(tokens [B, K, D]) -> SimCC`, logits of the bins of x and y.
"""

from cape.models.heads.keypoint_decoder import KeypointDecoder
from cape.models.heads.simcc import SimCCHead

__all__ = ["KeypointDecoder", "SimCCHead"]
