"""Validation inside mmengine's Runner."""

from typing import Any

import numpy as np
from mmengine.dist import broadcast, get_rank, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner

from cape.inference import predict_episodes
from cape.registry import LOOPS


def unwrapped(model: Any) -> Any:
    """The model inside a distributed wrapper."""
    return model.module if is_model_wrapper(model) else model


@LOOPS.register_module()
class EpisodeLoop(BaseLoop):
    """Validation with each picture encoded once and each prompt compiled once; processes share the pairs.

    Args:
        runner: The runner.
        dataloader: Its data set are episodes with pairs.
        evaluator: Collects poses.
    """

    def __init__(self, *, runner: Runner, dataloader: Any, evaluator: Any) -> None:
        super().__init__(runner, dataloader)
        self.evaluator = runner.build_evaluator(evaluator)
        for metric in self.evaluator.metrics:
            # mmengine's word for: over the network. Its other way leaves pickles in the current folder.
            metric.collect_device = "gpu"

    def run(self) -> dict[str, float]:
        """One validation; the figures of the evaluator."""
        self.runner.call_hook("before_val")
        self.runner.call_hook("before_val_epoch")
        episodes: Any = self.dataloader.dataset
        rows = np.array_split(np.arange(len(episodes)), get_world_size())[get_rank()]
        model, loader = unwrapped(self.runner.model), self.dataloader
        for buffer in model.buffers():
            broadcast(buffer)  # a batch norm's statistics are each process's own, and process 0 saves
        if len(rows):  # more processes than pairs leave some without any
            for labels, poses in predict_episodes(
                model, episodes, rows=rows, pictures=loader.batch_size or 16, workers=loader.num_workers
            ):
                self.evaluator.process(data_samples=poses, data_batch=labels)  # type: ignore[arg-type]
        metrics = self.evaluator.evaluate(len(episodes))
        self.runner.call_hook("after_val_epoch", metrics=metrics)
        self.runner.call_hook("after_val")
        return metrics
