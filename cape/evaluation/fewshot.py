"""The few-shot metric for mmengine's loops: collects poses, calls `evaluation.pck`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from cape.evaluation.pck import score_pairs, summary
from cape.registry import METRICS
from cape.structures import Episode

BOX_SIDE = 1 / 1.25
"""Longest side of the box in the crop frame: the official crop is 1.25 times as large."""
FIGURES = ("PCK@0.05", "PCK@0.10", "PCK@0.20", "mPCK(.05-.25)", "AUC", "NME")
"""What a validation reports; `cape test` has them all."""


@METRICS.register_module()
class FewShotPCK(BaseMetric):
    """PCK, AUC and NME of evaluation episodes by the official protocol (specification §2.2).

    Reports the refined points under the figures' own names, what the decoder started from under `proposal/`.

    Args:
        collect_device: Where the results of several processes meet, as mmengine means it.
    """

    default_prefix = ""

    def __init__(self, *, collect_device: str = "cpu") -> None:
        super().__init__(collect_device=collect_device)

    def process(self, data_batch: Episode, data_samples: Sequence[Any]) -> None:
        """Score one batch of poses.

        Args:
            data_batch: The episodes, or their `labels`.
            data_samples: A `Pose` for each.
        """
        count = data_batch.mask.shape[1]
        target = data_batch.query.points.double().cpu().numpy()
        valid = (data_batch.support.visible.all(dim=1) & data_batch.query.visible).cpu().numpy()
        side = np.full(len(target), BOX_SIDE)
        rows = {"pair": np.array([pose.pair for pose in data_samples])}
        for prefix, name in (("", "points"), ("proposal/", "proposals")):
            found = torch.stack([getattr(pose, name)[:count] for pose in data_samples]).double().cpu().numpy()
            scores = score_pairs(found, target, valid, side)
            rows |= {prefix + figure: values for figure, values in scores.items() if figure in FIGURES}
        self.results.append(rows)

    def compute_metrics(self, results: list[dict[str, np.ndarray]]) -> dict[str, float]:
        """Means over pairs; a pair that a sampler repeated to fill its last batch counts once."""
        rows = {figure: np.concatenate([each[figure] for each in results]) for figure in results[0]}
        _, first = np.unique(rows.pop("pair"), return_index=True)
        return summary({figure: values[first] for figure, values in rows.items()})
