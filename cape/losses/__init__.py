"""Losses: pure functions on tensors, one a file; each returns a scalar, and `branch` those of a model by name.

The normalisation of the published few-shot code runs through all of them: sum over a sample's valid keypoints, divide
by their number (1 where there is none), mean over the batch.
"""

from cape.losses.branch import branch_losses, matching_losses, refinement_losses
from cape.losses.cells import cell_loss
from cape.losses.confidence import confidence_loss, presence_loss
from cape.losses.consistency import consistency_loss
from cape.losses.counterfactual import counterfactual_loss, counterfactual_points_loss
from cape.losses.decision import decision_loss
from cape.losses.fusion import fusion_losses
from cape.losses.heatmap import heatmap_loss
from cape.losses.lifting import bone_losses, motion_losses, place_loss
from cape.losses.offset import offset_loss
from cape.losses.simcc import simcc_loss
from cape.losses.structural import margin_loss, ordered_loss, ranking_loss, score_loss, slope_penalty, window_loss

__all__ = [
    "bone_losses",
    "branch_losses",
    "cell_loss",
    "confidence_loss",
    "consistency_loss",
    "counterfactual_loss",
    "counterfactual_points_loss",
    "decision_loss",
    "fusion_losses",
    "heatmap_loss",
    "margin_loss",
    "matching_losses",
    "motion_losses",
    "offset_loss",
    "ordered_loss",
    "place_loss",
    "presence_loss",
    "ranking_loss",
    "refinement_losses",
    "score_loss",
    "simcc_loss",
    "slope_penalty",
    "window_loss",
]
