"""`cape train` of a confidence head: the network stays as it is, the curve is fitted last, a run resumes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cape.checkpoints import save_weights
from cape.commands.confidence import main as confidence
from cape.configuration import load_config
from cape.engine import make_model, make_runner
from cape.errors import DataError, UsageError
from cape.evaluation.confidence import keypoint_figures
from cape.evaluation.recalibration import MINIMUM
from cape.loading import build_from
from cape.models.calibration import KNOTS, CalibratedPose
from cape.models.fewshot import FewShotPose
from cape.runs import identity
from tests.test_engine import CONFIG

CALIBRATED = """
_base_ = ["./network.py"]
model = dict(
    _delete_=True, type="CalibratedPose", network={{_base_.model}}, reader=dict(type="FewShotReader"),
    head=dict(type="TokenHead", width=0, hidden=8), threshold=0.5)
observations = dict(damages=[dict(kind="unclicked", rate=0.2)])
train_dataloader = dict(batch_size=16, dataset=dict(
    _delete_=True, type="Episodes", source=dict(type="Drawn", instances=6, categories=["chair", "arrow", "fish"],
    size=96), pairs=dict(episodes=3, queries=5)))
val_cfg = dict(_delete_=True, type="ValLoop")
val_evaluator = dict(_delete_=True, type="Calibration")
train_cfg = dict(max_epochs=3, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=1e-2))
custom_hooks = [dict(type="EpisodeEpoch"), dict(type="Recalibrate"), dict(type="Checkpoints", best="skill")]
"""


class Files:
    """A network with random weights, and the configs of it and of its confidence."""

    def __init__(self, folder: Path) -> None:
        (folder / "network.py").write_text(CONFIG)
        self.config = folder / "calibrated.py"
        self.config.write_text(CALIBRATED)
        settings = load_config(folder / "network.py")
        self.network = make_model(settings)
        self.weights = folder / "network.safetensors"
        save_weights(self.weights, self.network.state_dict(), about={"run": json.dumps(identity(settings))})

    def train(self, folder: Path, *, resume: bool = False, **changes: object) -> CalibratedPose:
        config = load_config(self.config, {"start_from": str(self.weights), **changes})
        runner = make_runner(config, work_dir=folder, resume=resume)
        runner.train()
        return runner.model  # type: ignore[return-value]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def trained(files: Files, tmp_path_factory: pytest.TempPathFactory) -> tuple[CalibratedPose, Path]:
    folder = tmp_path_factory.mktemp("run") / "run"
    return files.train(folder), folder


def test_the_network_is_not_changed(files: Files, trained: tuple[CalibratedPose, Path]) -> None:
    page, _ = trained
    was = files.network.state_dict()
    assert {name: value.dtype for name, value in page.network.state_dict().items()} == {
        name: value.dtype for name, value in was.items()
    }
    for name, value in page.network.state_dict().items():
        assert torch.equal(value, was[name]), name
    assert not page.network.training and not any(each.requires_grad for each in page.network.parameters())


def test_the_curve_makes_scores_of_the_validation_honest(trained: tuple[CalibratedPose, Path]) -> None:
    page, folder = trained
    best = build_from(
        folder / "checkpoints" / "best.safetensors", CalibratedPose, "a calibrated model", device=torch.device("cpu")
    ).eval()
    assert not torch.equal(best.knots, torch.linspace(0, 1, KNOTS)) and (best.knots.diff() >= 0).all()
    scalars = [json.loads(line) for line in next(folder.glob("*/vis_data/scalars.json")).read_text().splitlines()]
    told = [line for line in scalars if "skill" in line]
    assert len(told) == 3 and all(0 <= line["ECE"] <= 1 for line in told)
    assert page.knots.shape == best.knots.shape


def test_a_run_goes_on_where_it_was(files: Files, tmp_path: Path, trained: tuple[CalibratedPose, Path]) -> None:
    whole, _ = trained
    files.train(tmp_path / "run", budget_minutes=1e-6)
    again = files.train(tmp_path / "run", resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_weights_have_to_be_the_network_s(files: Files, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--start-from"):
        make_runner(load_config(files.config), work_dir=tmp_path / "a")
    other = {"start_from": str(files.weights), "model.network.heatmap_weight": 3.0}
    with pytest.raises(DataError, match="heatmap_weight"):
        make_runner(load_config(files.config, other), work_dir=tmp_path / "b")
    wider = {"start_from": str(files.weights), "model.network.width": 64}
    with pytest.raises(DataError):
        make_runner(load_config(files.config, wider), work_dir=tmp_path / "c")


def test_too_few_keypoints_give_no_curve(files: Files, tmp_path: Path) -> None:
    few = {"val_dataloader.dataset.pairs.episodes": 1, "val_dataloader.dataset.pairs.queries": 1}
    with pytest.raises(DataError, match=f"at least {MINIMUM['isotonic']}"):
        files.train(tmp_path / "run", **few)


def test_a_network_is_no_calibrated_model(files: Files, trained: tuple[CalibratedPose, Path]) -> None:
    _, folder = trained
    with pytest.raises(DataError, match="one of FewShotPose"):
        build_from(files.weights, CalibratedPose, "a calibrated model", device=torch.device("cpu"))
    with pytest.raises(DataError, match="one of CalibratedPose"):
        build_from(
            folder / "checkpoints" / "best.safetensors", FewShotPose, "a few-shot model", device=torch.device("cpu")
        )


def test_the_command_compares_confidences(
    trained: tuple[CalibratedPose, Path], tmp_path: Path, shared_data: Path
) -> None:
    _, folder = trained
    out = tmp_path / "confidence.md"
    weights = folder / "checkpoints" / "best.safetensors"
    arguments = ["--data", str(shared_data / "mp100_mini"), "--splits", "5", "--episodes", "1", "--out", str(out)]
    arguments += ["--patches", "0,0.5"]
    assert confidence([f"mine={weights}", *arguments]) == 0
    text = out.read_text()
    assert "| mine + isotonic |" in text and "| similarity peak |" in text and "| split 5 |" in text
    for kind in ("reliability", "risk", "occlusion"):
        assert out.with_suffix(f".{kind}.png").read_bytes().startswith(b"\x89PNG")
    assert confidence([str(weights), *arguments]) == 1, "a row without a name"
    row = next(line for line in text.splitlines() if line.startswith("| mine |"))
    assert len(row.split("|")) == 8
    assert "| 0 |" in text and "| 0.5 |" in text


def test_figures_of_the_log_are_those_of_the_functions(files: Files, trained: tuple[CalibratedPose, Path]) -> None:
    """The metric pools labelled keypoints of all poses."""
    from cape.evaluation.verdicts import Calibration
    from cape.loaders import make_data
    from cape.observations import Observations, observe_episodes

    page, _ = trained
    config = load_config(files.config, {"start_from": str(files.weights)})
    page.eval()
    page.recalibrate(torch.linspace(0, 1, KNOTS))
    seen = Observations(observe_episodes(page, make_data(config, page)["val"]))
    metric = Calibration()
    rows = [page(*(each for each in _batch(seen, some)), mode="predict") for some in (range(20), range(10, len(seen)))]
    for each in rows:
        metric.process(None, each)
    found = metric.compute_metrics(metric.results)
    scores, right = page.told(seen.all)
    expected = keypoint_figures(scores[None], right[None], np.ones((1, len(right)), dtype=bool))
    for name in ("ECE", "AUSE", "Pearson", "Brier"):
        assert np.isclose(found[name], expected[name], atol=1e-5), name
    assert np.isclose(found["skill"], 1 - expected["Brier"] / right.var(), atol=1e-4)


def _batch(seen: object, rows: range) -> tuple:
    from mmengine.dataset import default_collate

    return default_collate([seen[row] for row in rows])  # type: ignore[index]
