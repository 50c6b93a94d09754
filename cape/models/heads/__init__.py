"""Heads.

keypoint_decoder: `forward(match, adjacency [B, K, K], mask [B, K], parts [B, P, K] | None) -> points [L, B, K, 2]`,
    crop frame.
simcc: `forward(tokens [B, K, D]) -> SimCC`, logits of the bins of x and y.
confidence: `forward(evidence) -> Confidence`, logits of each keypoint; built with `keypoints` (None: of any category),
    `channels`, `width` and `cues` of the evidence, of which each takes what it reads. `condensed(feature)` is what of a
    feature map it is enough to keep: the head says the same of it.
"""

from cape.models.heads.confidence import GapHead, SampledHead, SpatialHead, TokenHead
from cape.models.heads.keypoint_decoder import KeypointDecoder
from cape.models.heads.simcc import SimCCHead

__all__ = ["GapHead", "KeypointDecoder", "SampledHead", "SimCCHead", "SpatialHead", "TokenHead"]
