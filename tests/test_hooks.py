"""What a kill does not show: figures that are missing, odd names in the folder, when a validation follows."""

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from cape import loops
from cape.checkpoints import read_weights
from cape.errors import UsageError
from cape.hooks import Checkpoints, ConsistencyRamp, TimeBudget, saver, validates
from cape.loops import EpisodeLoop
from cape.runs import saved_epochs, state_path, weights_path


class FakeRunner(Runner):
    """The attributes that a test gives it, in place of Runner's read-only properties."""

    epoch: Any = 0
    iter: Any = 0
    max_iters: Any = 0
    hooks: Any = ()
    work_dir: Any = None
    train_loop: Any = None
    val_loop: Any = None
    cfg: Any = Config({"seed": 0})

    def __init__(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)


@pytest.fixture
def fake_runner(tmp_path: Path) -> FakeRunner:
    """As much of a runner as saving looks at."""
    model = nn.Linear(2, 1)
    loop = SimpleNamespace(
        val_interval=1, val_begin=1, max_epochs=9, _max_epochs=9, dynamic_milestones=[0], dynamic_intervals=[1]
    )
    warnings: list[str] = []
    return FakeRunner(
        work_dir=str(tmp_path), model=model, param_schedulers=None, train_loop=loop, val_loop=object(),
        optim_wrapper=torch.optim.Adam(model.parameters()), warnings=warnings,
        logger=SimpleNamespace(warning=warnings.append, info=warnings.append),
    )  # fmt: skip


def validate(hook: Checkpoints, runner: FakeRunner, epoch: int, **metrics: float) -> None:
    runner.epoch = epoch
    with torch.no_grad():
        runner.model.weight.fill_(epoch)
    hook.after_val_epoch(runner, {"PCK@0.20" if name == "pck" else name: value for name, value in metrics.items()})


def weights(runner: FakeRunner, name: str) -> float:
    return float(read_weights(weights_path(runner.work_dir, name))["weight"][0, 0])


def test_the_best_are_those_with_the_most_and_the_first_of_equals(fake_runner: FakeRunner) -> None:
    hook = Checkpoints()
    best = []
    for epoch, value in enumerate((10.0, 30.0, 30.0, 20.0, 31.0), start=1):
        validate(hook, fake_runner, epoch, pck=value)
        best.append(weights(fake_runner, "best"))
    assert best == [1, 2, 2, 2, 5]
    assert hook.highest == 31.0


def test_nan_is_never_the_best(fake_runner: FakeRunner) -> None:
    hook = Checkpoints()
    validate(hook, fake_runner, 1, pck=math.nan)
    assert hook.highest is None
    assert not weights_path(fake_runner.work_dir, "best").exists()
    validate(hook, fake_runner, 2, pck=1.0)
    validate(hook, fake_runner, 3, pck=math.nan)
    assert weights(fake_runner, "best") == 2
    assert saved_epochs(fake_runner.work_dir) == [3, 2], "each is saved all the same"


def test_a_missing_figure_is_told_with_those_there_are(fake_runner: FakeRunner) -> None:
    hook = Checkpoints(best="PCK@0.2")
    validate(hook, fake_runner, 1, pck=1.0, AUC=0.5)
    assert fake_runner.warnings == ["no PCK@0.2 to choose the best weights by, but PCK@0.20, AUC"]
    assert saved_epochs(fake_runner.work_dir) == [1]


@pytest.mark.parametrize(("keep", "left"), [(1, [6, 5]), (2, [6, 5]), (3, [6, 5, 4])])
def test_never_fewer_than_two_stay(keep: int, left: list[int], fake_runner: FakeRunner) -> None:
    hook = Checkpoints(keep=keep)
    for epoch in range(1, 7):
        validate(hook, fake_runner, epoch, pck=1.0)
    assert saved_epochs(fake_runner.work_dir) == left
    names = sorted(path.name for path in weights_path(fake_runner.work_dir, "best").parent.iterdir())
    assert names == ["best.safetensors", *(f"epoch_{epoch}.safetensors" for epoch in sorted(left))]


def test_a_newer_epoch_takes_no_place(fake_runner: FakeRunner) -> None:
    """It could not be resumed, or the run would have gone on from there."""
    hook = Checkpoints()
    validate(hook, fake_runner, 1, pck=1.0)
    state_path(fake_runner.work_dir, 99).write_bytes(b"foreign")
    weights_path(fake_runner.work_dir, "epoch_99").write_bytes(b"foreign")
    for epoch in (2, 3):
        validate(hook, fake_runner, epoch, pck=1.0)
    assert saved_epochs(fake_runner.work_dir) == [99, 3, 2]
    assert weights_path(fake_runner.work_dir, "epoch_99").exists()


def test_foreign_names_are_no_epochs(tmp_path: Path) -> None:
    folder = tmp_path / "resume"
    folder.mkdir()
    for name in ("3", "12", "04", "0", "²", "٣", "-1", "1e3", "", "3 ", "9" * 99):
        (folder / f"epoch_{name}.pth").touch()
    for name in ("epoch_5.pth.bak", "my_epoch_7.pth", "epoch_6"):
        (folder / name).touch()
    (folder / "epoch_8.pth").mkdir()
    assert saved_epochs(tmp_path) == [12, 3]
    assert saved_epochs(tmp_path / "nothing here") == []


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({"val_interval": 3}, [3, 6, 8]),
        ({"val_interval": 3, "val_begin": 5}, [6, 8]),
        ({"val_interval": 4, "dynamic_intervals": [(5, 1)]}, [4, 5, 6, 7, 8]),
        ({"val_interval": 1, "dynamic_intervals": [(3, 4)]}, [1, 4, 8]),
        ({"val_interval": 100}, [8]),
    ],
)
def test_validates_foretells_the_loop(options: dict[str, Any], epochs: list[int]) -> None:
    foretold, happened = [], []
    runner = FakeRunner(model=nn.Identity(), call_hook=lambda name: None)
    data = torch.utils.data.DataLoader(range(1))  # type: ignore[arg-type]
    loop = EpochBasedTrainLoop(runner, data, max_epochs=8, **options)
    runner.train_loop = loop
    runner.val_loop = SimpleNamespace(run=lambda: happened.append(loop.epoch))

    def run_epoch() -> None:
        if validates(runner, loop.epoch + 1):
            foretold.append(loop.epoch + 1)
        loop._epoch += 1

    loop.run_epoch = run_epoch
    loop.run()
    assert foretold == happened == epochs


def test_the_budget_ends_with_a_validation_even_before_the_first(fake_runner: FakeRunner) -> None:
    clock = Checkpoints()
    fake_runner.hooks, fake_runner.train_loop.val_begin, fake_runner.epoch = [clock], 8, 3
    clock.seconds = 59.0
    TimeBudget(minutes=1.0).after_train_epoch(fake_runner)
    assert fake_runner.train_loop._max_epochs == 9
    clock.seconds = 61.0  # of sessions before
    TimeBudget(minutes=1.0).after_train_epoch(fake_runner)
    assert fake_runner.train_loop._max_epochs == 4
    fake_runner.train_loop.max_epochs = 4
    assert validates(fake_runner, 4)


def test_a_resumed_run_over_its_budget_still_validates(fake_runner: FakeRunner) -> None:
    clock = Checkpoints()
    fake_runner.hooks, fake_runner.epoch, clock.seconds = [clock], 3, 61.0
    TimeBudget(minutes=1.0).before_train(fake_runner)
    assert fake_runner.train_loop._max_epochs == 9, "one epoch more, for its validation"
    clock.validated = True
    TimeBudget(minutes=1.0).before_train(fake_runner)
    assert fake_runner.train_loop._max_epochs == 3


def test_a_config_without_checkpoints_is_told(fake_runner: FakeRunner, refused: Any) -> None:
    with refused(UsageError, "custom_hooks", "Checkpoints"):
        saver(fake_runner)


class Pairs(BaseMetric):
    """Remembers the pairs that it was given."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        del data_batch
        self.results.extend(data_samples)

    def compute_metrics(self, results: list) -> dict[str, float]:
        return {"pairs": float(len(results))}


@pytest.mark.parametrize("processes", [1, 3, 7])
def test_processes_share_the_pairs(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven processes for five pairs: the last two have none."""
    given: list[list[int]] = []

    def predict(model: Any, episodes: Any, *, rows: np.ndarray, **_: int) -> Iterator[tuple[None, list[int]]]:
        del model, episodes
        assert len(rows), "the real one has nothing to stack then"
        given.append(rows.tolist())
        yield None, rows.tolist()

    monkeypatch.setattr(loops, "predict_episodes", predict)
    monkeypatch.setattr(loops, "get_world_size", lambda: processes)
    figures = []
    for rank in range(processes):
        monkeypatch.setattr(loops, "get_rank", lambda rank=rank: rank)
        metric = Pairs()
        evaluator = SimpleNamespace(
            metrics=[metric], process=lambda metric=metric, **each: metric.process(**each), evaluate=metric.evaluate
        )
        runner = FakeRunner(model=nn.Identity(), build_evaluator=lambda each: each, call_hook=lambda *_, **__: None)
        loop = EpisodeLoop(runner=runner, dataloader=torch.utils.data.DataLoader(range(5)), evaluator=evaluator)  # type: ignore[arg-type]
        assert metric.collect_device == "gpu", "the other way writes pickles"
        figures.append(loop.run())
    assert [row for rows in given for row in rows] == list(range(5))
    assert sum(each["pairs"] for each in figures) == 5


@pytest.mark.parametrize(
    ("share", "ramps"), [(0.1, [0.1, 0.2, 1.0, 1.0]), (0.0, [1.0] * 4), (1.0, [0.01, 0.02, 0.1, 1.0])]
)
def test_the_consistency_loss_grows_over_the_first_iterations(
    fake_runner: FakeRunner, share: float, ramps: list[float]
) -> None:
    """Whatever ran before: a resumed run has the same weight at the same iteration."""
    fake_runner.max_iters = 100
    hook, found = ConsistencyRamp(share=share), []
    for fake_runner.iter in (0, 1, 9, 99):
        hook.before_train_iter(fake_runner, batch_idx=0)
        found.append(fake_runner.model.ramp)
    assert found == pytest.approx(ramps)
