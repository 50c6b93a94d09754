"""`cape train` as a user runs it, on drawn categories: it learns, beats copy, and is tested by its weights."""

import json
from pathlib import Path

import numpy as np
import pytest

from cape.commands import main
from cape.commands.train import main as tools_train
from cape.configuration import load_config
from cape.data.episodes import Episodes, pose_table
from cape.engine import load_model, make_model
from cape.inference import predict_all, predict_pairs, score_predictions
from cape.loaders import make_episodes
from cape.models.baselines import Copy

REPOSITORY = Path(__file__).parents[2]
DRAWN = f"""
_base_ = ["{REPOSITORY}/configs/_base_/lite.py"]
model = dict(matching=dict(trust=1.0))
features = dict(variants=2, folder=None)
train_dataloader = dict(dataset=dict(
    source=dict(_delete_=True, type="Drawn", instances=24, rotation=60.0,
                categories=["quadruped", "person", "bicycle", "fish", "butterfly", "bird"])))
val_dataloader = dict(dataset=dict(
    source=dict(_delete_=True, type="Drawn", seed=5, instances=16, rotation=60.0, categories=["chair", "scissors"]),
    pairs=dict(episodes=4, queries=15)))
train_cfg = dict(max_epochs=20, val_interval=5)
param_scheduler = [dict(type="OneCycleLR", eta_max=2e-3, total_steps=20, pct_start=0.1, by_epoch=True,
                        convert_to_iter_based=True)]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 20 epochs of 18 steps."""
    folder = tmp_path_factory.mktemp("drawn")
    config = folder / "drawn.py"
    config.write_text(DRAWN)
    assert tools_train([str(config), "--work-dir", str(folder / "run")]) == 0
    return folder


def pck(points: np.ndarray, episodes: Episodes) -> float:
    return float(score_predictions(points, episodes.table, episodes.pairs.table)["PCK@0.20"].mean())


def test_training_beats_copy_on_categories_it_never_saw_and_has_learnt(run: Path) -> None:
    config = load_config(run / "drawn.py")
    trained = load_model(config, run / "run" / "checkpoints" / "best.safetensors", device="cpu")
    unseen = make_episodes(config, "val", size=256)
    copied = predict_pairs(Copy(), pose_table(unseen.source.instances), unseen.pairs.table)
    refined, proposals = predict_all(trained, unseen)
    assert pck(refined, unseen) > pck(copied, unseen) + 2
    assert pck(proposals, unseen) > pck(copied, unseen)

    untrained = make_model(config)  # matches as its backbone does
    untrained.visual.load_state_dict(trained.visual.state_dict())
    config.val_dataloader.dataset.source.update(categories=["quadruped", "bird"], seed=6)
    others = make_episodes(config, "val", size=256)  # new individuals of categories that were learnt
    start, end = (pck(predict_all(model, others)[0], others) for model in (untrained, trained))
    assert end > start + 5, (start, end)


def test_the_run_s_folder(run: Path) -> None:
    folder = run / "run"
    assert {path.name for path in (folder / "checkpoints").iterdir()} >= {"best.safetensors", "epoch_20.safetensors"}
    assert list(folder.rglob("events.out.tfevents*")), "TensorBoard"
    assert not list(folder.rglob(".cape-*"))
    log = next(folder.rglob("*.log")).read_text()
    assert "Epoch(train) [20]" in log and "Epoch(val) [20]" in log


def test_without_resume_a_finished_run_is_left_alone(run: Path, capsys: pytest.CaptureFixture) -> None:
    before = (run / "run" / "checkpoints" / "best.safetensors").read_bytes()
    assert tools_train([str(run / "drawn.py"), "--work-dir", str(run / "run")]) == 1
    assert "--resume" in capsys.readouterr().err
    assert tools_train([str(run / "drawn.py"), "--work-dir", str(run / "run"), "--resume", "--seed", "3"]) == 1
    assert "seed" in capsys.readouterr().err
    assert (run / "run" / "checkpoints" / "best.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no_such_config"], "cape_lite"),
        (["cape_lite"], "data/mp100"),
        (["cape_lite", "--cfg-options", "model.widht=3"], "widht"),
        (["cape_lite", "--cfg-options", "widht=3"], "widht"),
        (["cape_lite", "--cfg-options", "width"], "KEY=VALUE"),
        (["cape_visual"], "--download"),
    ],
)
def test_bad_arguments_give_one_clear_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["train", *arguments, "--work-dir", str(tmp_path / "run")]) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert words in printed and "expected" in printed and "Traceback" not in printed
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.shared_data
def test_a_trained_model_is_tested_by_config_and_weights(
    run: Path, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out, scores = tmp_path / "out.json", tmp_path / "scores.npz"
    weights = str(run / "run" / "checkpoints" / "best.safetensors")
    command = ["test", str(run / "drawn.py"), weights, "--data", str(shared_data / "mp100_mini"), "--episodes", "1"]
    assert main([*command, "--baseline", "copy", "--json", str(out), "--scores", str(scores)]) == 0
    printed = capsys.readouterr().out
    assert "drawn (proposals)" in printed and "copy" in printed
    with np.load(scores) as kept:
        assert {"1|copy|PCK@0.20", "1|drawn|PCK@0.20", "1|drawn (proposals)|AUC", "1|named"} <= set(kept.files)
        assert kept["1|drawn|PCK@0.20"].shape == kept["1|category"].shape == (30,)
    assert main(["test", str(run / "drawn.py"), "--data", "."]) == 1
    assert "CHECKPOINT" in capsys.readouterr().err
    narrow = ["--cfg-options", "model.width=32", "--data", str(shared_data / "mp100_mini")]
    assert main(["test", "cape_lite", weights, *narrow]) == 1
    assert "shape" in capsys.readouterr().err


TINY = f"""
_base_ = ["{REPOSITORY}/configs/_base_/mp100.py", "{REPOSITORY}/configs/_base_/runtime.py"]
model = dict(
    type="FewShotPose", width=32, text=None,
    visual=dict(type="VisualEncoder", name="resnet10t", strides=(16,), frozen=True),
    support=dict(type="SupportEncoder"),
    matching=dict(type="Matching", layers=1, heads=4, hidden=32, gate=16),
    decoder=dict(type="KeypointDecoder", layers=1, heads=4, graph=dict(type="GraphFeedForward", hidden=32)),
)
backbone_weights = "random"
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(size=64))
val_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(size=64, pairs=dict(episodes=2, queries=1)))
train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3))
"""


@pytest.mark.shared_data
def test_five_shots_without_a_super_category(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Trained on all but human faces, tested on those alone; in the split's own files they are training classes."""
    (tmp_path / "tiny.py").write_text(TINY)
    data = ["--data", str(shared_data / "mp100_mini"), "--split", "2"]
    train = [*data, "--shots", "5", "--held-out", "human_face", "--data-fraction", "0.02"]
    assert main(["train", str(tmp_path / "tiny.py"), *train, "--work-dir", str(tmp_path / "run")]) == 0
    log = next((tmp_path / "run").rglob("*.log")).read_text()
    accounts = [line for line in log.splitlines() if " episodes of " in line]
    assert len(accounts) == 2 and not any("face" in line for line in accounts)
    assert "honeybee_body" in accounts[0], "of the test file: nothing but the group is held out"

    weights = str(tmp_path / "run" / "checkpoints" / "best.safetensors")
    test = ["test", str(tmp_path / "tiny.py"), weights, *data[:2], "--cfg-options", "split=2", "--episodes", "1"]
    capsys.readouterr()
    assert main([*test, "--shots", "5"]) == 1
    assert "held_out" in capsys.readouterr().err
    assert main([*test, "--shots", "5", "--held-out", "human_face", "--json", str(tmp_path / "out.json")]) == 0
    assert "human_face was held out" in capsys.readouterr().out
    (proposals, report) = json.loads((tmp_path / "out.json").read_text())["reports"]
    assert (proposals["method"], report["method"]) == ("tiny (proposals)", "tiny")
    assert report["shots"] == 5 and report["pairs"] == 15
    assert [row["name"] for row in report["categories"]] == ["human_face"]
    assert {row["instances"] for row in report["skipped"]} == {2, 4}
