"""The engine with the lifting page: two optimisers in mmengine's Runner, killed and resumed, tested and descended."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.registry import DefaultScope
from motion_files import write_motion

from cape.checkpoints import read_weights
from cape.commands.test import main as evaluate
from cape.commands.train import main as learn
from cape.compat import load_trusted_state
from cape.configuration import kind_of, load_config
from cape.engine import make_model, make_runner
from cape.errors import UsageError
from cape.lifters import descent_curve, load_lifting_model
from cape.loaders import make_lifting, make_loader

BASES = Path(__file__).parents[1] / "configs" / "_base_"
CONFIG = f"""
_base_ = ["{BASES}/lift_mini.py"]
model = dict(
    lifter=dict(lifter=dict(width=32, stages=1)),
    critic=dict(energy=dict(width=16, heads=2, layers=1, dropout=0.1), negatives=("prediction", "noise"), momentum=0.1),
    alpha=1e-2, warm_up=6, noise=0.01,
)
train_dataloader = dict(batch_size=48, dataset=dict(source=dict(path="motion.npz", subjects=["01"])))
val_dataloader = dict(batch_size=48, dataset=dict(source=dict(path="motion.npz", subjects=["02"])))
train_cfg = dict(max_epochs=4, val_interval=2)
param_scheduler = dict(
    critic=[dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=5)],
)
visualizer = dict(_delete_=True, type="Visualizer", vis_backends=[dict(type="LocalVisBackend")])
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a config and a finished run."""
    folder = tmp_path_factory.mktemp("lifting")
    write_motion(folder / "motion.npz")
    (folder / "tiny.py").write_text(CONFIG)
    argv = [str(folder / "tiny.py"), "--data", str(folder), "--work-dir", str(folder / "run")]
    assert learn(argv) == 0
    return folder


def flat(value: object, path: str = "") -> dict[str, object]:
    """Leaves of nested containers; tensors as bytes."""
    if isinstance(value, dict | list | tuple):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        return {name: leaf for key, each in entries for name, leaf in flat(each, f"{path}.{key}").items()}
    if torch.is_tensor(value):
        return {path: value.numpy().tobytes()}
    return {path: value.tolist() if hasattr(value, "tolist") else value}


def test_a_resumed_run_ends_where_the_whole_one_does(place: Path, tmp_path: Path) -> None:
    """Broken off after its third epoch: weights of both, both optimisers, both schedules, generators and steps."""
    folder = Path(shutil.copytree(place / "run", tmp_path / "run"))
    (folder / "checkpoints" / "epoch_4.safetensors").unlink()
    (folder / "resume" / "epoch_4.pth").unlink()
    argv = [str(place / "tiny.py"), "--data", str(place), "--work-dir", str(folder), "--resume"]
    assert learn(argv) == 0
    one, other = (read_weights(run / "checkpoints" / "epoch_4.safetensors") for run in (place / "run", folder))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert int(one["steps"]) == 8
    states = [load_trusted_state(run / "resume" / "epoch_4.pth") for run in (place / "run", folder)]
    assert set(states[0]["optimizer"]) == {"lifter", "critic"} and len(states[0]["schedulers"]) == 2
    for state in states:
        for name in ("seconds", "weights", "best"):
            state.pop(name)
        del state["rngs"][0]["python"]  # beartype, which checks types in tests, draws from it
    first, second = (flat(state) for state in states)
    assert first == second, [key for key in first if first[key] != second.get(key)]


def test_the_best_epoch_is_that_of_the_least_error(place: Path) -> None:
    state = load_trusted_state(place / "run" / "resume" / "epoch_4.pth")
    log = next((place / "run").glob("*/vis_data/*.json")).read_text().splitlines()
    seen = [json.loads(line)["MPJPE"] for line in log if "MPJPE" in line]
    assert len(seen) == 2
    assert state["highest"] == pytest.approx(min(seen))


def test_the_baseline_is_one_flag_away(place: Path, tmp_path: Path) -> None:
    """And it sees the same data and draws the same numbers: with α = 0 a run's lifter ends as the baseline's."""
    ends = {}
    for name, options in (("none", {"model.critic": None}), ("zero", {"model.alpha": 0.0})):
        config = load_config(place / "tiny.py", {"data_root": str(place), **options})
        runner = make_runner(config, work_dir=tmp_path / name)
        runner.train()
        assert isinstance(runner.optim_wrapper, OptimWrapperDict)
        assert set(runner.optim_wrapper.keys()) == ({"lifter", "critic"} if name == "zero" else {"lifter"})
        ends[name] = read_weights(tmp_path / name / "checkpoints" / "epoch_4.safetensors")
    lifters = {key for key in ends["none"] if key.startswith("lifter.")}
    assert lifters == set(ends["none"])
    assert all(torch.equal(ends["none"][key], ends["zero"][key]) for key in lifters)
    trained = read_weights(place / "run" / "checkpoints" / "epoch_4.safetensors")
    assert not all(torch.equal(trained[key], ends["none"][key]) for key in lifters)


def test_the_evaluate(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, found = place / "run" / "checkpoints" / "epoch_4.safetensors", place / "figures.json"
    argv = [str(place / "tiny.py"), str(weights), "--data", str(place), "--json", str(found), "--flip"]
    assert evaluate([*argv, "--table", str(place / "table.md")]) == 0
    content = json.loads(found.read_text())
    assert content["frames"] == 80 and {"MPJPE", "LSE", "tau/MPJPE"} <= set(content["figures"])
    printed = capsys.readouterr().out
    assert "mirrored" in printed and "tau/P-MPJPE" in printed and "…" not in printed
    assert "MPJPE" in (place / "table.md").read_text()
    assert evaluate([*argv, "--shots", "5"]) != 0
    assert "--shots" in capsys.readouterr().err


def test_validation_and_test_agree(place: Path) -> None:
    """The metric inside the loop and the figures of the command, and descent, whose start they are."""
    log = next((place / "run").glob("*/vis_data/*.json")).read_text().splitlines()
    last = [json.loads(line) for line in log if "MPJPE" in line][-1]
    weights = place / "run" / "checkpoints" / "epoch_4.safetensors"
    loaded = load_lifting_model(str(place / "tiny.py"), weights, {"data_root": str(place)}, device="cpu")
    curve = descent_curve(loaded.model, loaded.data(), step=1e-3, iterations=3, batch_size=33)
    assert len(curve) == 4
    for name in ("MPJPE", "P-MPJPE", "LSE", "energy"):
        assert curve[0][name] == pytest.approx(last[name], rel=1e-4)
    energies = [each["energy"] for each in curve]
    assert energies == sorted(energies, reverse=True)


def test_batches_of_a_loader_are_windows_in_a_new_order_each_epoch(place: Path) -> None:
    config = load_config(place / "tiny.py", {"data_root": str(place)})
    data = make_lifting(config, "train")
    loader = make_loader(data, config.train_dataloader, seed=0)
    orders = []
    for epoch in (0, 1, 0):
        loader.sampler.set_epoch(epoch)
        orders.append(torch.cat([batch.row for batch in loader]))
    assert torch.equal(orders[0], orders[2]) and not torch.equal(orders[0], orders[1])
    assert orders[0].sort().values.tolist() == list(range(len(data)))
    assert data.digest() == make_lifting(config, "train").digest() != make_lifting(config, "val").digest()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model.skeleton": "human36m_16"}, "16 joints"),
        ({"optim_wrapper": {"lifter": {"type": "OptimWrapper", "optimizer": {"type": "Adam", "lr": 1e-3}}}}, "critic"),
        ({"optim_wrapper.lifter.optimizer.learning_rate": 1}, "optim_wrapper"),
    ],
    ids=["skeleton", "no optimiser of the critic", "misspelt"],
)
def test_what_does_not_fit_is_told(place: Path, tmp_path: Path, options: dict, words: str, refused) -> None:
    config = load_config(place / "tiny.py", {"data_root": str(place)})
    for key, value in options.items():
        if isinstance(value, dict):
            config[key] = value
            config.param_scheduler = []
        else:
            config.merge_from_dict({key: value})
    with refused(UsageError, words):
        make_runner(config, work_dir=tmp_path / "run").train()


def test_lifters_train_in_one_process(place: Path, tmp_path: Path, refused) -> None:
    config = load_config(place / "tiny.py", {"data_root": str(place)})
    with refused(UsageError, "--launcher"):
        make_runner(config, work_dir=tmp_path / "run", launcher="pytorch")
    assert kind_of(config) == "lifting"
    assert make_model(config).critic is not None


def test_a_run_leaves_no_scope_behind(place: Path, tmp_path: Path) -> None:
    """mmengine's Runner would leave its own for good: parts of mmpose by short names were not found after a run."""
    config = load_config(place / "tiny.py", {"data_root": str(place), "train_cfg.max_epochs": 1})
    before, seen = DefaultScope.get_current_instance(), []
    runner = make_runner(config, work_dir=tmp_path / "run")
    assert DefaultScope.get_current_instance() is before

    class Look(Hook):
        def before_train(self, runner: object) -> None:
            del runner
            seen.append(DefaultScope.get_current_instance().scope_name)

    runner.register_hook(Look())
    runner.train()
    assert seen == ["cape"]
    after = DefaultScope.get_current_instance()
    assert (after and after.scope_name) == (before and before.scope_name) != "cape"


def test_only_lifters_are_loaded_as_such(place: Path, refused) -> None:
    with refused(UsageError, "FewShotPose"):
        load_lifting_model("cape_lite", None, {})
    with refused(UsageError, "weights"):
        load_lifting_model(str(place / "tiny.py"), None, {"data_root": str(place)})
