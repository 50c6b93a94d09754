"""Models: pages compose, parts compute.

A page (`fewshot`, `wholebody`, `calibration`, `baselines`) is a whole method and holds no arithmetic beyond gluing.
Parts are in folders with one signature each (`encoders`, `fusion`, `graphs`, `heads`, `readers`), or small shared files
beside the pages (`layers`, `affine`, `turning`); a part imports no page and no other folder.
"""

from cape.models.calibration import CalibratedPose
from cape.models.encoders import KeypointEmbedding, PlainTransformer, SupportEncoder, TextEncoder, VisualEncoder
from cape.models.fewshot import FewShotPose
from cape.models.fusion import CMAA, CosinePrior, Decision, Matching, TurnedFit
from cape.models.graphs import CausalIntervention, GraphFeedForward, HierarchicalGraph
from cape.models.heads import GapHead, KeypointDecoder, SampledHead, SimCCHead, SpatialHead, TokenHead
from cape.models.readers import FewShotReader, HeatmapReader, IntegralReader, RegressionReader, WholeBodyReader
from cape.models.wholebody import WholeBodyPose

__all__ = [
    "CMAA",
    "CalibratedPose",
    "CausalIntervention",
    "CosinePrior",
    "Decision",
    "FewShotPose",
    "FewShotReader",
    "GapHead",
    "GraphFeedForward",
    "HeatmapReader",
    "HierarchicalGraph",
    "IntegralReader",
    "KeypointDecoder",
    "KeypointEmbedding",
    "Matching",
    "PlainTransformer",
    "RegressionReader",
    "SampledHead",
    "SimCCHead",
    "SpatialHead",
    "SupportEncoder",
    "TextEncoder",
    "TokenHead",
    "TurnedFit",
    "VisualEncoder",
    "WholeBodyPose",
    "WholeBodyReader",
]
