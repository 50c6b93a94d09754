"""The last step of learning a confidence: isotonic regression on what the head did not learn from."""

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from cape.evaluation.recalibration import fit_isotonic
from cape.loops import unwrapped
from cape.models.calibration import KNOTS, CalibratedPose
from cape.observations import Observations
from cape.registry import HOOKS


@HOOKS.register_module()
class Recalibrate(Hook):
    """Fits the curve of `CalibratedPose.knots` to the observations of each validation, after it was scored without.

    A head is too sure of categories that it did not see (specification §3.6): validate on such, and on answers that the
    network did not learn. The order of scores, hence AP and AUSE, stays as it is.
    """

    priority = "NORMAL"  # before `Checkpoints` saves

    def before_val_epoch(self, runner: Runner) -> None:
        """The head is scored by itself."""
        page: CalibratedPose = unwrapped(runner.model)
        page.recalibrate(torch.linspace(0, 1, KNOTS))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Fit the curve.

        Raises:
            DataError: Fewer labelled keypoints than can tell.
        """
        del metrics
        page: CalibratedPose = unwrapped(runner.model)
        seen: Observations = runner.val_dataloader.dataset  # type: ignore[assignment]
        scores, right = page.told(seen.all)
        curve = fit_isotonic(scores, right)
        page.recalibrate(torch.from_numpy(curve.apply(np.linspace(0, 1, KNOTS))))
