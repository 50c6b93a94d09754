"""Models: pages compose, parts compute.

A page (`fewshot`, `baselines`) is a whole method and holds no arithmetic beyond gluing. Parts are in folders with one
signature each (`encoders`, `fusion`, `graphs`, `heads`), or small shared files beside the pages (`layers`, `affine`,
`turning`); a part imports no page and no other folder.
"""

from cape.models.encoders import SupportEncoder, TextEncoder, VisualEncoder
from cape.models.fewshot import FewShotPose
from cape.models.fusion import CMAA, CosinePrior, Decision, Matching, TurnedFit
from cape.models.graphs import GraphFeedForward
from cape.models.heads import KeypointDecoder

__all__ = [
    "CMAA",
    "CosinePrior",
    "Decision",
    "FewShotPose",
    "GraphFeedForward",
    "KeypointDecoder",
    "Matching",
    "SupportEncoder",
    "TextEncoder",
    "TurnedFit",
    "VisualEncoder",
]
