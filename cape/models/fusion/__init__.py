"""Fusion. Four slots.

alignment: `forward(visual [B, K, D], text [B, K, D], visual_mask [B, K], text_mask [B, K]) -> tokens [B, K, D]`.
prior:     `alternatives(support View [B, S, ...], mirror [B, K]) -> View [B, R, S, ...], doubt [B, R]`,
           `forward(prompt Tokens, feature [B, C, H, W], anchors) -> Tokens, map [B, K, H, W]`; one way is left.
matching:  `forward(feature [B, D, H, W], tokens [B, K, D], mask [B, K], map) -> structures.Match`.
decision:  `forward(matches, present [B, V, K]) -> (structures.Match, weights [B, V, K])`.
"""

from cape.models.fusion.alignment import CMAA
from cape.models.fusion.decision import Decision
from cape.models.fusion.matching import Matching
from cape.models.fusion.prior import CosinePrior, TurnedFit

__all__ = ["CMAA", "CosinePrior", "Decision", "Matching", "TurnedFit"]
