"""Average weights: the mean by hand, what is validated and published, and a run that is broken off and resumed."""

import math
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from people_files import write_people

from cape.averaging import AverageWeights, averager
from cape.checkpoints import read_weights
from cape.compat import load_trusted_state
from cape.configuration import load_config
from cape.engine import make_runner

STEPS = 2  # an epoch, of three people by two


class Bomb(Hook):
    """Stops a run in the middle, as a kill would; and notes what validation sees."""

    priority = "LOWEST"
    at: int | None = None
    seen: list[torch.Tensor]

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        del batch_idx, data_batch, outputs
        if runner.iter + 1 == Bomb.at:
            raise KeyboardInterrupt

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        del batch_idx, data_batch
        Bomb.seen.append(runner.model.head.x.bias.detach().clone())


@pytest.fixture(autouse=True)
def _safe() -> None:
    Bomb.at, Bomb.seen = None, []


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A small whole-body model that averages."""
    write_people(tmp_path)
    config = load_config("cigpose_lite")
    config.data_root, config.model.size = str(tmp_path), (64, 96)
    config.model.backbone.update(deepen_factor=0.01, widen_factor=0.0625)
    config.model.embedding.update(channels=64, width=16, query=8)
    for subset in ("train", "val"):
        loader = config[f"{subset}_dataloader"]
        loader.batch_size = 2
        loader.dataset.update(size=(64, 96), sigma=(2.83, 3.46))
        loader.dataset.source.update(annotations="people.json", pictures="images")
    config.train_cfg.update(max_epochs=4, val_interval=2)
    config.param_scheduler = []
    config.custom_hooks = [
        {"type": "EpisodeEpoch"}, {"type": "AverageWeights", "momentum": 0.1, "gamma": 4},
        {"type": "Checkpoints", "best": "AP"},
    ]  # fmt: skip
    return config


def runner_of(config: Config, folder: Path, **options: Any) -> Runner:
    runner = make_runner(config, work_dir=folder, **options)
    runner.register_hook(Bomb())
    return runner


def test_the_mean_by_hand() -> None:
    """It begins as the weights are, and takes in a share that falls from near 1 to the momentum."""
    model = torch.nn.Linear(1, 1, bias=False)
    hook = AverageWeights(momentum=0.1, gamma=4)
    runner = Mock(spec=Runner, model=model, hooks=[hook])
    hook.before_run(runner)
    values, mean = [3.0, 5.0, 4.0], 3.0
    for step, value in enumerate(values):
        model.weight.data.fill_(value)
        hook.after_train_iter(runner, 0)
        share = 0.9 * math.exp(-(1 + step) / 4) + 0.1
        mean = value if step == 0 else (1 - share) * mean + share * value
        torch.testing.assert_close(hook.weights()["weight"], torch.tensor([[mean]]))
    hook.before_val_epoch(runner)
    assert model.weight.item() == pytest.approx(mean) and hook.weights()["weight"].item() == values[-1]
    hook.after_val_epoch(runner)
    assert model.weight.item() == values[-1] and hook.weights()["weight"].item() == pytest.approx(mean)


def test_the_mean_is_validated_and_published_and_a_broken_run_goes_on(config: Config, tmp_path: Path) -> None:
    whole = runner_of(config, tmp_path / "whole")
    whole.train()
    published = read_weights(tmp_path / "whole" / "checkpoints" / "epoch_4.safetensors")
    mean, learning = averager(whole).weights(), whole.model.state_dict()
    assert all(torch.equal(published[name], value) for name, value in mean.items())
    assert not torch.equal(mean["head.x.bias"], learning["head.x.bias"])
    assert torch.equal(Bomb.seen[-1], mean["head.x.bias"]), "validation looks at what is published"
    assert not torch.equal(mean["graph.norm.running_mean"], learning["graph.norm.running_mean"]), "buffers, too"

    Bomb.at = 3 * STEPS + 1
    with pytest.raises(KeyboardInterrupt):
        runner_of(config, tmp_path / "broken").train()
    Bomb.at = None
    resumed = runner_of(config, tmp_path / "broken", resume=True)
    resumed.train()
    again = read_weights(tmp_path / "broken" / "checkpoints" / "epoch_4.safetensors")
    assert all(torch.equal(again[name], value) for name, value in published.items())
    assert all(torch.equal(value, learning[name]) for name, value in resumed.model.state_dict().items())
    states = [load_trusted_state(tmp_path / name / "resume" / "epoch_4.pth")["average"] for name in ("whole", "broken")]
    assert states[0]["steps"] == states[1]["steps"] == 4 * STEPS
