"""Models: pages compose, parts compute.

A page (`fewshot`, `wholebody`, `baselines`) is a whole method and holds no arithmetic beyond gluing. Parts are in
folders with one signature each (`encoders`, `fusion`, `graphs`, `heads`, `lifters`), or small shared files beside
the pages (`layers`, `affine`, `turning`); a part imports no page and no other folder.
"""

from cape.models.critic import Critic
from cape.models.encoders import KeypointEmbedding, SupportEncoder, TextEncoder, VisualEncoder
from cape.models.energies import GraphEnergy, MLPEnergy
from cape.models.fewshot import FewShotPose
from cape.models.fusion import CMAA, CosinePrior, Decision, Matching, TurnedFit
from cape.models.graphs import CausalIntervention, GraphFeedForward, HierarchicalGraph
from cape.models.heads import KeypointDecoder, SimCCHead
from cape.models.lifters import ForeignLifter, MixSTE, NearestPose, Recentred, SemGCN, SimpleBaseline, VideoPose
from cape.models.lifting import Lifting
from cape.models.wholebody import WholeBodyPose

__all__ = [
    "CMAA",
    "CausalIntervention",
    "CosinePrior",
    "Critic",
    "Decision",
    "FewShotPose",
    "ForeignLifter",
    "GraphEnergy",
    "GraphFeedForward",
    "HierarchicalGraph",
    "KeypointDecoder",
    "KeypointEmbedding",
    "Lifting",
    "MLPEnergy",
    "Matching",
    "MixSTE",
    "NearestPose",
    "Recentred",
    "SemGCN",
    "SimCCHead",
    "SimpleBaseline",
    "SupportEncoder",
    "TextEncoder",
    "TurnedFit",
    "VideoPose",
    "VisualEncoder",
    "WholeBodyPose",
]
