"""Lifters at work on data sets of motion: loading, predictions of all frames, and what descent of the energy does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config

from cape.data.lifting import LiftingData
from cape.engine import load_kind
from cape.errors import UsageError
from cape.evaluation.lifting import Poses, figures_of, joined, kept
from cape.features import Progress, silent
from cape.loaders import make_lifting
from cape.models.descent import descend
from cape.models.lifting import Lifting


class LiftingModel(NamedTuple):
    """A trained lifter."""

    name: str
    model: Lifting
    config: Config

    def data(self, subset: str = "val") -> LiftingData:
        """The windows of its config, "train" or "val".

        Raises:
            CapeError: Something about the data is wrong.
        """
        return make_lifting(self.config, subset)


def load_lifting_model(
    config: str, checkpoint: Path | None, changes: Mapping[str, Any], *, allow_pickle: bool = False,
    device: str = "auto",
) -> LiftingModel:  # fmt: skip
    """A trained lifter by its config and weights; arguments and errors are those of `engine.load_kind`."""
    return LiftingModel(
        *load_kind(config, checkpoint, changes, kind="lifting", allow_pickle=allow_pickle, device=device)
    )


def predict_lifts(model: Lifting, data: LiftingData, *, batch_size: int = 1024, progress: Progress = silent) -> Poses:
    """What a lifter says of all frames that count, in the order of the data.

    Args:
        model: In evaluation mode.
        data: Windows.
        batch_size: At once.
        progress: Shows the progress, by batches.
    """
    parts = []
    for rows in progress(torch.arange(len(data)).split(batch_size), "windows"):
        batch = data.batch(rows, mirror=torch.zeros(len(rows), dtype=torch.bool))
        parts.append(kept(batch, model.test_step(batch)))
    return joined(parts)


def descent_curve(
    model: Lifting, data: LiftingData, *, step: float, iterations: int, batch_size: int = 1024,
    progress: Progress = silent,
) -> list[dict[str, float]]:  # fmt: skip
    """Figures after each iteration of gradient-based inference, the lifter's own first (SEAL-pose, A.3).

    Args:
        model: In evaluation mode, with a critic that judges poses.
        data: Windows.
        step: See `descend`.
        iterations: See `descend`.
        batch_size: At once.
        progress: Shows the progress, by batches.

    Raises:
        UsageError: Nothing judges poses; or as `descend`.
        DataError: The descent has left for infinity.
    """
    if not model.judges or model.critic is None:
        fix = "Give a model that was trained with one that sees joints or bones."
        raise UsageError("descent", expected="a critic of poses", got="none", fix=fix)
    device = next(model.parameters()).device
    curves: list[list[Poses]] = [[] for _ in range(iterations + 1)]
    for rows in progress(torch.arange(len(data)).split(batch_size), "windows"):
        batch = data.batch(rows, mirror=torch.zeros(len(rows), dtype=torch.bool))
        points = batch.points.to(device)
        with torch.no_grad():
            start = model.lifter(points)[batch.mask.to(device)]
        places, energies = descend(model.critic, points[batch.mask.to(device)], start, step=step, iterations=iterations)
        truth = batch.joints[batch.mask].double().numpy()
        for curve, joints, energy in zip(
            curves, *(each.cpu().double().numpy() for each in (places, energies)), strict=True
        ):
            curve.append(Poses(joints, truth, np.asarray(energy)))
    return [figures_of(joined(parts), data.skeleton, root=data.root) for parts in curves]
