"""Encoders.

visual:  `forward(images [B, 3, H, W]) -> [B, C, H, W]`, one channels-first feature map on one grid.
plain:   the same in a tuple, a backbone of mmpose's estimators.
support: `forward(feature [B, S, C, H, W], points [B, S, K, 2], visible [B, S, K]) -> tokens [B, K, C], mask [B, K]`.
keypoint embedding, for a fixed skeleton: `forward(feature [B, C, H, W]) -> tokens [B, K, D]`.
text:    `forward(names [K][B]) -> embeddings [B, K, D], mask [B, K]`, strings to frozen, cached embeddings.
"""

from cape.models.encoders.keypoints import KeypointEmbedding
from cape.models.encoders.plain import PlainTransformer
from cape.models.encoders.support import SupportEncoder
from cape.models.encoders.text import TextEncoder
from cape.models.encoders.visual import VisualEncoder

__all__ = ["KeypointEmbedding", "PlainTransformer", "SupportEncoder", "TextEncoder", "VisualEncoder"]
