"""`cape seal`: real trainings of a tiny lifter, what is repeated, the tables, and the sweep."""

import json
from pathlib import Path

import pytest
from motion_files import write_motion

from cape.commands import main, seal_runs
from cape.commands.seal_runs import Group, bins_table, changes_of, changes_table, figures_table

BASES = Path(__file__).parents[2] / "configs" / "_base_"
CONFIG = f"""
_base_ = ["{BASES}/lift_mini.py"]
model = dict(lifter=dict(lifter=dict(width=16, stages=1)))
train_dataloader = dict(batch_size=48, dataset=dict(source=dict(path="motion.npz", subjects=["01"])))
val_dataloader = dict(batch_size=48, dataset=dict(source=dict(path="motion.npz", subjects=["02"])))
visualizer = dict(_delete_=True, type="Visualizer", vis_backends=[])
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with data and a config."""
    write_motion(tmp_path / "motion.npz")
    (tmp_path / "tiny.py").write_text(CONFIG)
    return tmp_path


def arguments(place: Path, *more: str) -> list[str]:
    folders = ["--data", str(place), "--work-dir", str(place / "runs"), "--out", str(place / "table.md")]
    return ["seal", str(place / "tiny.py"), *folders, "--epochs", "1", *more]


def test_trains_looks_and_tabulates(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two real runs; the second call repeats nothing, another budget is refused."""
    start = arguments(place, "--forms", "graph", "--schedules", "decayed", "--seeds", "3")
    assert main(start) == 0
    text = (place / "table.md").read_text()
    assert text.startswith("Command:\n\n    cape seal ") and "2 of 2 runs are complete" in text
    assert "## tiny, decayed learning rate" in text and "2 steps, 80 windows a run" in text
    assert "| graph - baseline |" in text and "graph against baseline is not shown to change MPJPE" in text
    found = {
        form: json.loads((place / "runs" / "tiny" / f"{form}_decayed" / "seed3" / "figures.json").read_text())
        for form in ("baseline", "graph")
    }
    assert found["baseline"]["frames"] == 80 and sum(found["baseline"]["bins"]["counts"]) <= 80
    assert found["graph"]["figures"]["MPJPE"] != found["baseline"]["figures"]["MPJPE"]
    assert found["graph"]["elsewhere"]["MPJPE"] != found["graph"]["figures"]["MPJPE"]
    log = json.loads((place / "runs" / "tiny" / "graph_decayed" / "seed3" / "command.json").read_text())
    assert "train_cfg.max_epochs=1" in log[1]
    checkpoints = place / "runs" / "tiny" / "graph_decayed" / "seed3" / "checkpoints"
    assert [each.name for each in checkpoints.iterdir()] == ["epoch_1.safetensors"]  # no best: the test chooses nothing

    capsys.readouterr()
    assert main(start) == 0 and "2 of 2 runs are complete" in capsys.readouterr().out
    assert main([*start, "--cfg-options", "model.alpha=0.1"]) == 1
    assert "Use another --work-dir" in capsys.readouterr().err
    assert main([*start, "--partial"]) == 0


@pytest.fixture
def fake_runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Records trainings; what is found in them is least for a lifter's rate of 2e-3, a critic's of 5e-4, α of 1e-2."""
    commands: list[list[str]] = []
    best = {"optim_wrapper.lifter.optimizer.lr": 2e-3, "optim_wrapper.critic.optimizer.lr": 5e-4, "model.alpha": 1e-2}

    def carry_out(folder: Path, command: list[str], *, title: str, threads: int) -> None:
        assert threads >= 1 and "seed" in title
        folder.mkdir(parents=True)
        commands.append(list(command))

    def examine(config: str, weights: Path, changes: dict) -> dict:
        assert weights.name == "epoch_1.safetensors"
        off = sum(abs(changes[key] - value) for key, value in best.items() if key in changes)
        return {"figures": {"MPJPE": 50.0 + off, "odd": float("nan")}}

    monkeypatch.setattr(seal_runs, "carry_out", carry_out)
    monkeypatch.setattr("cape.trials.examine", examine)
    return commands


def test_the_sweep_is_greedy_and_blind_to_the_test(place: Path, fake_runs: list) -> None:
    (place / "tiny.py").write_text(CONFIG.replace(', subjects=["01"]', ""))
    assert main(arguments(place, "--sweep", "mlp", "--seeds", "0", "--held-out", "01", "--jobs", "2")) == 0
    assert len(fake_runs) == 4 + 3 + 3
    text = (place / "table.md").read_text()
    for key, value in (("lifter", "0.002"), ("critic", "0.0005")):
        assert f"--cfg-options optim_wrapper.{key}.optimizer.lr={value}" in text
    assert "--cfg-options model.alpha=0.01" in text
    last = " ".join(fake_runs[-1])
    assert "optim_wrapper.lifter.optimizer.lr=0.002" in last and "MLPEnergy" in last
    assert "source.subjects=['02']" in last and "'subjects': ['01']" in last
    assert "model.critic=None" in fake_runs[0]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--forms", "grpah"], "grpah"),
        (["--schedules", "cosine"], "constant, decayed"),
        (["--sweep", "mlp", "--held-out", "09"], "--held-out"),
        (["--partial"], "--partial"),
        (["--seeds", "a"], "--seeds"),
    ],
)
def test_refused(place: Path, fake_runs: list, capsys: pytest.CaptureFixture[str], more: list[str], word: str) -> None:
    assert main(arguments(place, *more)) == 1
    assert word in capsys.readouterr().err and not fake_runs


def found(mpjpe: float, count: int) -> dict:
    figures = {"MPJPE": mpjpe, "P-MPJPE": 40.0, "LSE": 5.0, "BSLE": 6.0}
    bins = {"edges": [0, 10, 20], "counts": [count, 0], "means": {"LSE": [2.0, None], "BSLE": [3.0, None]}}
    return {"figures": figures, "bins": bins, "elsewhere": {**figures, "MPJPE": 2 * mpjpe}}


def test_tables() -> None:
    """Differences are of seeds that both have; an empty bin is no number."""
    group = Group("tiny.py", "decayed", {
        "baseline": {0: found(50.0, 4), 1: found(60.0, 6), 2: found(1000.0, 5)},
        "mlp": {0: found(48.0, 4), 1: found(58.0, 6)},
        "noisy_mlp": {0: found(40.0, 1)},
    })  # fmt: skip
    _, rows = figures_table(group)
    assert rows[1][:3] == ["mlp", "2", "53.00 (-10.53 to 116.53)"] and rows[1][6] == "106.00"
    changes = changes_of(group)
    assert set(changes) == {"mlp"}  # noisy_mlp is compared with noisy, which is not here
    heads, cells = changes_table(changes)
    assert heads[1] == "MPJPE" and cells[0][:2] == ["mlp - baseline", "-2.00 (-2.00 to -2.00)"]
    assert changes["mlp"]["elsewhere MPJPE"].mean == -4
    assert bins_table(group)[1][0] == ["baseline", "2.0 / 3.0 (5)", "-"]
