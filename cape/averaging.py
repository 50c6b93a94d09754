"""Average weights: what is evaluated and published is the exponential mean of what learns."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseAveragedModel
from mmengine.runner import Runner
from torch import Tensor

from cape import compat
from cape.loops import unwrapped
from cape.registry import HOOKS


@HOOKS.register_module()
class AverageWeights(Hook):
    """Keeps mmpose's `ExpMomentumEMA` of weights and buffers, as RTMPose's and CIGPose's recipes do (§5).

    Validation looks at the mean, and `Checkpoints` writes it: weights files are the mean's, and the resume state has
    what learns besides.

    Args:
        momentum: Share of the newest weights, in the long run.
        gamma: Steps until then: it begins near 1 and falls with this constant.
    """

    priority = "NORMAL"

    def __init__(self, *, momentum: float = 2e-4, gamma: int = 2000) -> None:
        self.options = {"momentum": momentum, "gamma": gamma, "update_buffers": True}
        self.mean: BaseAveragedModel

    def before_run(self, runner: Runner) -> None:
        """Begin with the weights as they are."""
        compat.load_mmpose()
        from mmpose.engine.hooks.ema_hook import ExpMomentumEMA

        self.mean = ExpMomentumEMA(unwrapped(runner.model), **self.options)
        self.mean.module.requires_grad_(False)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Take the newest weights in."""
        del batch_idx, data_batch, outputs
        self.mean.update_parameters(unwrapped(runner.model))

    def before_val_epoch(self, runner: Runner) -> None:
        """Let the model be its mean."""
        self._swap(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Let it learn on as it was."""
        del metrics
        self._swap(runner)

    def _swap(self, runner: Runner) -> None:
        learning, mean = unwrapped(runner.model).state_dict(), self.mean.module.state_dict()
        for name, value in learning.items():
            kept = value.clone()
            value.copy_(mean[name])
            mean[name].copy_(kept)

    def weights(self) -> dict[str, Tensor]:
        """What is published."""
        return self.mean.module.state_dict()

    def state(self, runner: Runner) -> dict[str, Any]:
        """What a resumed run needs besides."""
        return {"learning": unwrapped(runner.model).state_dict(), "steps": int(self.mean.steps)}

    def restore(self, runner: Runner, state: dict[str, Any]) -> None:
        """Continue: the model has just been given the published weights.

        Raises:
            RuntimeError: Weights of another model.
        """
        model = unwrapped(runner.model)
        self.mean.module.load_state_dict(model.state_dict())
        self.mean.steps = torch.tensor(state["steps"])
        model.load_state_dict(state["learning"])


def averager(runner: Runner) -> AverageWeights | None:
    """The run's `AverageWeights`, if it has one."""
    return next((hook for hook in runner.hooks if isinstance(hook, AverageWeights)), None)
