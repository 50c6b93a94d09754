"""mmengine's Runner as cape needs it."""

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
import torch.distributed
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import nn

from cape.configuration import told
from cape.errors import UsageError
from cape.hooks import saver

MANY_LINES = 4
SCOPE = "cape"
"""Where a run looks for the types that its config names."""


def scoped() -> AbstractContextManager[None]:
    """While it lasts, types are looked for in cape first.

    mmengine's Runner sets its scope for the whole process, and for good: whoever builds a part of mmpose by its short
    name afterwards would not find it. A run has the scope while it is made and while it works, and nobody after it.
    """
    return DefaultScope.overwrite_default_scope(SCOPE)


@contextmanager
def _built(where: str) -> Iterator[None]:
    with told(where), scoped():
        yield


class EpisodeRunner(Runner):
    """mmengine's Runner, with four changes.

    It resumes through `Checkpoints`: mmengine's own way executes text out of the file. The long dumps of its beginning
    (environment, config, hooks) go to the log file alone, so that a terminal shows the training. It leaves the model
    the weights that the engine gave it, where parts of mmpose would start anew. And the process has its scope only
    while it trains; make it under `scoped`.
    """

    def train(self) -> nn.Module:
        """As mmengine, in our scope."""
        with scoped():
            return super().train()

    def _init_model_weights(self) -> None:
        """Nothing: see above."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """The logger of mmengine, its terminal without what has many lines."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(lambda record: record.getMessage().count("\n") < MANY_LINES)
        return logger

    # What mmengine builds only when training begins: its errors do not say which part of the config they are about.

    def build_train_loop(self, loop: Any) -> Any:
        """As mmengine, in our words."""
        with _built("train_cfg"):
            return super().build_train_loop(loop)

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """As mmengine, in our words."""
        with _built("optim_wrapper"):
            parts = optimised_parts(optim_wrapper)
            if parts is None:
                return super().build_optim_wrapper(optim_wrapper)
            children = {name: getattr(self.model, name) for name in parts}
            known = {name: parts[name] for name, child in children.items() if child is not None}
            return OptimWrapperDict(**{name: build_optim_wrapper(children[name], each) for name, each in known.items()})

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """As mmengine, in our words."""
        with _built("param_scheduler"):
            return super().build_param_scheduler(scheduler)

    def build_val_loop(self, loop: Any) -> Any:
        """As mmengine, in our words."""
        with _built("val_cfg"):
            return super().build_val_loop(loop)

    def build_evaluator(self, evaluator: Any) -> Evaluator:
        """As mmengine, in our words."""
        with _built("val_evaluator"):
            return super().build_evaluator(evaluator)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """As mmengine, which names a GPU even where there is none."""
        if self.distributed and not torch.cuda.is_available():
            return MMDistributedDataParallel(module=model, broadcast_buffers=False)
        return super().wrap_model(model_wrapper_cfg, model)

    def load_or_resume(self) -> None:
        """Continue where the run's folder ends, if asked to."""
        if not self._resume:
            return
        epoch = saver(self).resume(self)
        self.logger.info(f"resumed after epoch {epoch}" if epoch else "nothing to resume: starting at epoch 1")
        self._has_loaded = True


def optimised_parts(optim_wrapper: Any) -> dict[str, Any] | None:
    """Options of the optimisers of several children of a model, by the children's names; None where there is one.

    `optim_wrapper = dict(lifter=dict(type="OptimWrapper", optimizer=...), critic=dict(...))` is what mmengine wants a
    constructor of one's own for. A child that a model goes without is passed over.
    """
    keys = [] if not isinstance(optim_wrapper, dict) else list(optim_wrapper)
    apart = keys and not {"type", "optimizer", "constructor"} & set(keys)
    return dict(optim_wrapper) if apart and all(isinstance(optim_wrapper[key], dict) for key in keys) else None


def join() -> None:
    """Meet the other processes of `torchrun`.

    Before the Runner would, since the loaders' samplers ask which process this is; and not through mmengine, which
    wants a GPU.
    """
    if "LOCAL_RANK" not in os.environ:
        raise UsageError("--launcher pytorch", expected="torchrun", got="a process alone", fix="Start it by torchrun.")
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("nccl" if gpu else "gloo")


def leave() -> None:
    """Part from the other processes in order.

    A process that exits while another still talks to it can bring that one down after its work is done.
    """
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
