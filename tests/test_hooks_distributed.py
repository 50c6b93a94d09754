"""Two processes under torchrun do what one does with twice the batch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cape.checkpoints import read_weights
from cape.compat import load_trusted_state

SERVER = Path(__file__).with_name("training_server.py")
# No dropout, so that the loss does not depend on which process draws it. Adam's first steps have the length of the
# learning rate whatever the gradient, so gradients of rounding errors alone would part the runs: SGD.
FLAGS = (
    "model.matching.dropout=0.0",
    "model.decoder.dropout=0.0",
    "optim_wrapper.optimizer.type=SGD",
    "optim_wrapper.optimizer.lr=0.01",
    "train_cfg.max_epochs=4",
)
ITERATIONS = 4 * 3


def run(folder: Path, *flags: str, processes: int = 1, batch: int, **environment: str) -> tuple[int, str]:
    """Train by the command line; exit code and output. Each process leaves what it saw beside the run's folder."""
    folder.parent.mkdir(exist_ok=True)
    if not (config := folder.parent / "tiny.py").exists():
        subprocess.run([sys.executable, SERVER, "config", config, folder.parents[1] / "bank"], check=True)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    launcher = [*torchrun, f"--nproc-per-node={processes}"] if processes > 1 else []
    options = [flag for each in (*FLAGS, f"train_dataloader.batch_size={batch}") for flag in ("--cfg-options", each)]
    last = ["--launcher", "pytorch"] if processes > 1 else []
    command = [sys.executable, *launcher, SERVER, "trace", folder.parent, config, "--work-dir", folder]
    child = subprocess.run(
        [*map(str, command), *options, *last, *flags],
        env={**os.environ, "PYTHONPATH": str(SERVER.parents[1]), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True, text=True, timeout=120, check=False, cwd=folder.parent,
    )  # fmt: skip
    return child.returncode, child.stdout + child.stderr


def seen(folder: Path, process: int = 0) -> Any:
    return json.loads((folder.parent / f"trace_{process}.json").read_text())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distributed")


@pytest.fixture(scope="module")
def one(place: Path) -> Path:
    code, output = run(place / "one" / "run", batch=4)
    assert code == 0, output[-3000:]
    return place / "one" / "run"


@pytest.fixture(scope="module")
def two(place: Path) -> Path:
    code, output = run(place / "two" / "run", processes=2, batch=2)
    assert code == 0, output[-3000:]
    return place / "two" / "run"


def test_same_order_and_same_loss_as_one_process(one: Path, two: Path) -> None:
    alone, first, second = seen(one), seen(two, 0), seen(two, 1)
    assert len(alone["episodes"]) == ITERATIONS
    for whole, *parts in zip(alone["episodes"], first["episodes"], second["episodes"], strict=True):
        assert [episode for pair in zip(*parts, strict=True) for episode in pair] == whole
    for whole, *parts in zip(alone["losses"], first["losses"], second["losses"], strict=True):
        assert sum(parts) / 2 == pytest.approx(whole, abs=1e-6)
    assert max(alone["losses"]) - min(alone["losses"]) > 1e-3, "the weights have to move"


def test_same_figures_as_one_process_on_each(one: Path, two: Path) -> None:
    alone, first, second = (each["figures"] for each in (seen(one), seen(two, 0), seen(two, 1)))
    assert len(alone) == 2
    assert first == second
    for whole, shared in zip(alone, first, strict=True):
        assert shared == pytest.approx(whole, abs=1e-4)


def test_one_set_of_files_and_the_same_weights(one: Path, two: Path) -> None:
    kept = sorted(f"{path.parent.name}/{path.name}" for path in two.rglob("*.[ps]*t*") if path.parent != two)
    assert kept == sorted(
        ["checkpoints/best.safetensors", *(f"checkpoints/epoch_{n}.safetensors" for n in (3, 4))]
        + [f"resume/epoch_{n}.pth" for n in (3, 4)]
    )
    assert sorted(path.name for path in two.parent.iterdir()) == ["run", "tiny.py", "trace_0.json", "trace_1.json"]
    whole, shared = (read_weights(each / "checkpoints/epoch_4.safetensors") for each in (one, two))
    assert max(float((whole[key] - shared[key]).abs().max()) for key in whole) < 1e-5
    assert len(load_trusted_state(two / "resume/epoch_4.pth")["rngs"]) == 2


@pytest.mark.soak
def test_a_process_is_killed_and_the_run_resumed(place: Path, two: Path) -> None:
    """With dropout, so that each process needs its own random state back."""
    dropout = ("--cfg-options", "model.decoder.dropout=0.3")
    undisturbed, folder = place / "undisturbed" / "run", place / "killed" / "run"
    code, output = run(undisturbed, *dropout, processes=2, batch=2)
    assert code == 0, output[-3000:]
    code, output = run(folder, *dropout, processes=2, batch=2, KILL_PROCESS_1_AT_ITERATION="8")
    assert code != 0
    assert "SIGKILL" in output or "Signal 9" in output
    code, output = run(folder, *dropout, "--resume", processes=1, batch=2)
    assert code == 1
    assert output.count("UsageError: ") == 1
    assert "expected 2 processes, as it began, got 1" in output
    code, output = run(folder, *dropout, "--resume", processes=2, batch=2)
    assert code == 0, output[-3000:]
    assert "resumed after epoch 2" in output
    for process in (0, 1):
        whole, resumed = seen(undisturbed, process), seen(folder, process)
        assert resumed["losses"] == whole["losses"][-6:]
        assert resumed["episodes"] == whole["episodes"][-6:]
        assert resumed["figures"] == whole["figures"][-1:]
    whole, resumed = (read_weights(each / "checkpoints/epoch_4.safetensors") for each in (undisturbed, folder))
    assert all(whole[key].equal(resumed[key]) for key in whole)
    states = [load_trusted_state(each / "resume/epoch_4.pth")["rngs"] for each in (undisturbed, folder)]
    assert all(states[0][rank]["torch"].equal(states[1][rank]["torch"]) for rank in (0, 1))


def test_processes_that_see_different_folders_are_told(place: Path, two: Path, tmp_path: Path) -> None:
    """Each with a folder of its own, as on machines without a common disk: the second finds nothing to resume."""
    code, output = run(two, "--resume", processes=2, batch=2, WORK_DIR_OF_PROCESS_1=str(tmp_path / "elsewhere"))
    assert code == 1
    assert "expected one epoch in all processes, got [4, 0]" in output
