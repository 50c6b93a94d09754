"""Models: pages compose, parts compute.

A page (`fewshot`, `wholebody`, `lifting`, `calibration`, `baselines`) is a whole method and holds no arithmetic beyond
gluing. Parts are in folders with one signature each (`encoders`, `energies`, `fusion`, `graphs`, `heads`, `lifters`,
`readers`), or small shared files beside the pages (`layers`, `affine`, `turning`, `critic`, `descent`); a part imports
no page and no other folder.
"""

from cape.models.calibration import CalibratedPose
from cape.models.critic import Critic
from cape.models.encoders import KeypointEmbedding, PlainTransformer, SupportEncoder, TextEncoder, VisualEncoder
from cape.models.energies import GraphEnergy, MLPEnergy
from cape.models.fewshot import FewShotPose
from cape.models.fusion import CMAA, CosinePrior, Decision, Matching, TurnedFit
from cape.models.graphs import CausalIntervention, GraphFeedForward, HierarchicalGraph
from cape.models.heads import GapHead, KeypointDecoder, SampledHead, SimCCHead, SpatialHead, TokenHead
from cape.models.lifters import ForeignLifter, MixSTE, NearestPose, Recentred, SemGCN, SimpleBaseline, VideoPose
from cape.models.lifting import Lifting
from cape.models.readers import FewShotReader, HeatmapReader, IntegralReader, RegressionReader, WholeBodyReader
from cape.models.wholebody import WholeBodyPose

__all__ = [
    "CMAA",
    "CalibratedPose",
    "CausalIntervention",
    "CosinePrior",
    "Critic",
    "Decision",
    "FewShotPose",
    "FewShotReader",
    "ForeignLifter",
    "GapHead",
    "GraphEnergy",
    "GraphFeedForward",
    "HeatmapReader",
    "HierarchicalGraph",
    "IntegralReader",
    "KeypointDecoder",
    "KeypointEmbedding",
    "Lifting",
    "MLPEnergy",
    "Matching",
    "MixSTE",
    "NearestPose",
    "PlainTransformer",
    "Recentred",
    "RegressionReader",
    "SampledHead",
    "SemGCN",
    "SimCCHead",
    "SimpleBaseline",
    "SpatialHead",
    "SupportEncoder",
    "TextEncoder",
    "TokenHead",
    "TurnedFit",
    "VideoPose",
    "VisualEncoder",
    "WholeBodyPose",
    "WholeBodyReader",
]
