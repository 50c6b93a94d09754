"""The metric of calibrated confidence for mmengine's loops: collects verdicts, calls `evaluation.confidence`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from cape.evaluation.confidence import figures, keypoint_figures
from cape.evaluation.targets import mean_of_labelled
from cape.registry import METRICS

KEYPOINTS = ("ECE", "AUSE", "Pearson", "Brier")
POSES = ("ECE", "AUSE", "Pearson", "AP", "AR")
SKILL = "skill"


@METRICS.register_module()
class Calibration(BaseMetric):
    """Whether confidences are what they claim, of keypoints, and under `pose/` of poses.

    `skill` is 1 less the Brier score as a share of what a constant confidence would have: a proper score, larger is
    better. `presence/Brier` is that of whether keypoints are shown.

    Args:
        collect_device: Where the results of several processes meet, as mmengine means it.
    """

    default_prefix = ""

    def __init__(self, *, collect_device: str = "cpu") -> None:
        super().__init__(collect_device=collect_device)

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Keep the verdicts of one batch, each a `Judged`."""
        del data_batch
        for each in data_samples:
            fields = {name: field.numpy() for name, field in each._asdict().items()}
            self.results.append({n: f.astype(np.float64) if f.dtype.kind == "f" else f for n, f in fields.items()})

    def compute_metrics(self, results: list[dict[str, np.ndarray]]) -> dict[str, float]:
        """The figures; a pose that a sampler repeated to fill its last batch counts once.

        Raises:
            DataError: No labelled keypoint, or confidences that are no numbers.
        """
        _, first = np.unique([int(each["row"]) for each in results], return_index=True)
        rows = {name: np.stack([results[place][name] for place in first]) for name in results[0]}
        scores, accuracy, labelled = rows["scores"], rows["accuracy"], rows["labelled"]
        of_keypoints = keypoint_figures(scores, accuracy, labelled)
        found = {name: of_keypoints[name] for name in KEYPOINTS}
        found[SKILL] = 1 - found["Brier"] / max(float(accuracy[labelled].var()), 1e-9)
        shown, known = labelled.any(axis=1), rows["known"] & rows["mask"]
        pose = figures(rows["confidence"][shown], mean_of_labelled(accuracy[shown], labelled[shown]))
        found |= {f"pose/{name}": pose[name] for name in POSES}
        found["presence/Brier"] = float(np.square(rows["presence"] - labelled)[known].mean())
        return found
