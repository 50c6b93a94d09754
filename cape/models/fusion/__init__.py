"""Fusion. Three slots.

alignment: `forward(visual [B, K, D], text [B, K, D], visual_mask [B, K], text_mask [B, K]) -> tokens [B, K, D]`.
matching:  `forward(feature [B, D, H, W], tokens [B, K, D], mask [B, K]) -> structures.Match`.
decision:  `forward(matches, present [B, V, K]) -> (structures.Match, weights [B, V, K])`.
"""

from cape.models.fusion.alignment import CMAA
from cape.models.fusion.decision import Decision
from cape.models.fusion.matching import Matching

__all__ = ["CMAA", "Decision", "Matching"]
