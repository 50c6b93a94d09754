"""Encoders.

visual: `forward(images [B, 3, H, W]) -> [B, C, H, W]`, one channels-first feature map on one grid.
"""

from cape.models.encoders.visual import VisualEncoder

__all__ = ["VisualEncoder"]
