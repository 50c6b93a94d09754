"""The metric of lifters for mmengine's loops: collects poses, calls `evaluation.pose3d` and `evaluation.structure`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from mmengine.evaluator import BaseMetric

from cape.errors import DataError, UsageError
from cape.evaluation.pose3d import pose_scores, whole_body_errors
from cape.evaluation.structure import ordering, structure_scores
from cape.registry import METRICS
from cape.skeleton import Skeleton
from cape.structures import Lift, Lifted

WHOLE_BODY = 133


class Poses(NamedTuple):
    """Predictions of N frames that count, and the truth."""

    found: Float[np.ndarray, "N J 3"]
    """Metres from the root, as is all here."""
    truth: Float[np.ndarray, "N J 3"]
    energy: Float[np.ndarray, "N"]
    """NaN where nothing judges."""


@METRICS.register_module()
class LiftingErrors(BaseMetric):
    """MPJPE and its relatives in millimetres, PCK and AUC up to 150 mm and structural errors in percent.

    Means over frames that count: `MPJPE`, `P-MPJPE`, `N-MPJPE`, `PCK@150`, `AUC`, `LSE`, `LLE`, `BSLE`, the structure
    in the paper's definition. Of H3WB's 133 keypoints `whole`, `body`, `face`, `hands`, `face_aligned` and
    `hands_aligned` as well. With a critic `energy`, and Kendall's τ of it against errors of the frames, `tau/MPJPE` and
    so on: what the energy says about which frames are wrong.

    Args:
        collect_device: Where the results of several processes meet, as mmengine means it.
    """

    default_prefix = ""

    def __init__(self, *, collect_device: str = "cpu") -> None:
        super().__init__(collect_device=collect_device)

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Keep the predictions of one batch.

        Args:
            data_batch: The windows, a `Lift`.
            data_samples: What was found in each, a `Lifted`.
        """
        self.results.append(kept(data_batch, data_samples))

    def compute_metrics(self, results: Sequence[tuple]) -> dict[str, float]:
        """The figures.

        Raises:
            DataError: There are no predictions, or one is not finite.
            UsageError: The data set does not say what its joints are.
        """
        meta = self.dataset_meta or {}
        if "skeleton" not in meta:
            raise UsageError("LiftingErrors", expected="a skeleton", got="none", fix="Evaluate LiftingData.")
        return figures_of(joined([Poses(*each) for each in results]), meta["skeleton"], root=meta["root"])


def kept(batch: Lift, found: Sequence[Lifted]) -> Poses:
    """The frames of a batch that count."""
    mask = batch.mask.cpu()
    columns = (torch.stack([each.joints for each in found]), batch.joints.cpu(), torch.stack([e.energy for e in found]))
    return Poses(*(each[mask].double().numpy() for each in columns))


def joined(parts: Sequence[Poses]) -> Poses:
    """All frames.

    Raises:
        DataError: There are none.
    """
    if not sum(len(each.found) for each in parts):
        raise DataError("evaluation", expected="frames that count", got="none", fix="Check the data set.")
    return Poses(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def scores_of(poses: Poses, skeleton: Skeleton, *, root: tuple[int, ...] = (0,)) -> dict[str, Float[np.ndarray, "N"]]:
    """Every figure of every frame.

    Args:
        poses: Predictions and truth.
        skeleton: Its joints.
        root: Both are made relative to the mean of these.

    Raises:
        DataError: A prediction that is not finite: training has diverged.
    """
    if not np.isfinite(poses.found).all():
        frame = int(np.flatnonzero(~np.isfinite(poses.found).all(axis=(1, 2)))[0])
        fix = "Train again with a smaller learning rate or alpha."
        raise DataError("predictions", expected="finite numbers", got=f"others in frame {frame}", fix=fix)
    scores = pose_scores(poses.found, poses.truth, root=root)
    if skeleton.edges and skeleton.swap:
        scores |= structure_scores(poses.found, poses.truth, skeleton)
    if len(skeleton) == WHOLE_BODY:
        errors = whole_body_errors(poses.found, poses.truth)._asdict()
        scores |= {name: 1000 * values for name, values in errors.items()}
    return scores


def figures_of(poses: Poses, skeleton: Skeleton, *, root: tuple[int, ...] = (0,)) -> dict[str, float]:
    """The figures of `LiftingErrors` for predictions that are at hand. See `scores_of`."""
    scores = scores_of(poses, skeleton, root=root)
    figures = {name: float(np.nanmean(values)) for name, values in scores.items()}
    if np.isfinite(poses.energy).all() and len(poses.energy) > 1:
        against = {name: scores[name] for name in ("MPJPE", "P-MPJPE", "LSE", "LLE", "BSLE") if name in scores}
        figures["energy"] = float(poses.energy.mean())
        figures |= {f"tau/{name}": each.tau for name, each in ordering(poses.energy, against).items()}
    return figures


def table_of(figures: dict[str, float], *, name: str) -> tuple[list[str], list[list[str]]]:
    """Heads and one row of a table."""
    return ["", *figures], [
        [name, *(f"{value:.3f}" if "tau" in key else f"{value:.2f}" for key, value in figures.items())]
    ]
