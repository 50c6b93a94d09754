"""Training killed at any moment and resumed ends where the uninterrupted run ends, bit for bit."""

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open

from cape.checkpoints import read_weights, save_weights
from cape.compat import load_trusted_state

REPOSITORY = Path(__file__).parents[1]
SERVER = Path(__file__).with_name("training_server.py")
EPOCHS, ITERATIONS = 6, 3
KILLED = -9


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., SimpleNamespace]]:
    """`train(folder, *flags, kill=(event, number), after=seconds)`: one attempt of `cape train`, with its output."""
    place = tmp_path_factory.mktemp("training")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, SERVER, "config", place / "tiny.py", place / "bank"], check=True)
    server = subprocess.Popen(
        [sys.executable, SERVER, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert server.stdin is not None
    assert server.stdout is not None

    def run(folder: Path, *flags: str, kill: tuple[str, int] | None = None, after: float = 0.0) -> SimpleNamespace:
        argv = [str(place / "tiny.py"), "--work-dir", str(folder), *flags]
        job = {"argv": argv, "kill": kill, "after": after, "log": str(place / "log")}
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        code = json.loads(server.stdout.readline() or '"the server is gone"')
        return SimpleNamespace(code=code, output=(place / "log").read_text())

    yield run
    server.stdin.close()
    server.wait(timeout=20)
    server.stdout.close()


@pytest.fixture(scope="module")
def whole(train: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uninterrupted run."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert train(folder).code == 0
    return folder


@pytest.fixture(scope="module")
def broken_off(train: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run killed in its fifth epoch."""
    folder = tmp_path_factory.mktemp("runs") / "broken_off"
    assert train(folder, kill=("iteration", 4 * ITERATIONS + 2)).code == KILLED
    epochs = [f"epoch_{number}{suffix}" for number in (3, 4) for suffix in (".pth", ".safetensors")]
    assert sorted(files(folder)) == ["best.safetensors", *epochs]
    return folder


@pytest.fixture
def run_folder(broken_off: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(broken_off, tmp_path / "run"))


def files(folder: Path) -> dict[str, str]:
    """Names and digests of weights and states."""
    paths = [path for part in ("checkpoints", "resume") for path in (folder / part).rglob("*") if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def content(path: Path) -> dict[str, Any]:
    """Tensors bit for bit, and the header, whose order in the file is random."""
    with safe_open(path, framework="pt") as file:
        return flat({"header": file.metadata(), **{name: file.get_tensor(name) for name in file.keys()}})  # noqa: SIM118


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested containers; tensors and arrays as bytes."""
    if isinstance(value, dict):
        value = {str(key): each for key, each in value.items()}
    elif isinstance(value, list | tuple):
        value = {str(place): each for place, each in enumerate(value)}
    else:
        return {path: value.numpy().tobytes() if torch.is_tensor(value) else getattr(value, "tolist", lambda: value)()}
    return {name: leaf for key, each in value.items() for name, leaf in flat(each, f"{path}.{key}").items()}


def same_end(folder: Path, whole: Path) -> None:
    """Both have ended with the same weights, best weights, optimizer, schedules, random states and counters."""
    assert sorted(files(folder)) == sorted(files(whole))
    for name in (f"epoch_{EPOCHS - 1}", f"epoch_{EPOCHS}", "best"):
        found, expected = (content(run / "checkpoints" / f"{name}.safetensors") for run in (folder, whole))
        assert found == expected, (name, [key for key in expected if found.get(key) != expected[key]])
    states = []
    for run in (folder, whole):
        state = load_trusted_state(run / "resume" / f"epoch_{EPOCHS}.pth")
        assert state.pop("weights") == files(run)[f"epoch_{EPOCHS}.safetensors"]
        assert state.pop("best") == files(run)["best.safetensors"]
        assert state.pop("seconds") > 0
        states.append(flat(state))
    assert states[0] == states[1], [key for key in states[1] if states[0].get(key) != states[1][key]]


def test_the_uninterrupted_run_is_one_that_resuming_can_spoil(whole: Path) -> None:
    state = load_trusted_state(whole / "resume" / f"epoch_{EPOCHS}.pth")
    with safe_open(whole / "checkpoints" / "best.safetensors", framework="pt") as best:
        about = best.metadata()
    assert 0 < int(about["epoch"]) < EPOCHS, "the best epoch has to be remembered over a resumption"
    assert float(about["PCK@0.20"]) == state["highest"]
    assert state["iter"] == EPOCHS * ITERATIONS
    assert state["weights"] == files(whole)[f"epoch_{EPOCHS}.safetensors"]
    assert state["best"] == files(whole)["best.safetensors"]
    assert len(files(whole)) == 5, "two epochs and the best"


CHAIN = [  # the event, and which one of this attempt
    ("half run.json", 1),
    ("iteration", 2),
    ("half epoch_1.safetensors", 1),
    ("after epoch_1.safetensors", 1),
    ("half epoch_1.pth", 1),
    ("after epoch_1.pth", 1),
    ("after run.json", 1),
    ("iterated", ITERATIONS),
    ("validation", 1),
    ("half best.safetensors", 1),
    ("after best.safetensors", 1),
    ("before epoch_2.safetensors", 1),
    ("after epoch_2.safetensors", 1),
    ("remove epoch_1.pth", 1),
    ("iteration", ITERATIONS),
    ("before epoch_4.pth", 1),
    ("remove epoch_2.safetensors", 1),
    ("iterated", ITERATIONS + 1),
    ("validation", 1),
    ("half epoch_6.pth", 1),
    ("after epoch_6.pth", 1),
]


@pytest.mark.parametrize("every", [2, pytest.param(1, marks=pytest.mark.soak)])
def test_killed_at_any_moment_and_resumed(train: Any, whole: Path, tmp_path: Path, every: int) -> None:
    folder, most = tmp_path / "run", 0
    for kill in CHAIN[::every]:
        attempt = train(folder, "--resume", kill=kill)
        assert attempt.code == KILLED, (kill, attempt.output[-2000:])
        found = files(folder)
        states = [name.removesuffix(".pth") for name in found if name.endswith(".pth") and not name.startswith(".")]
        for name in states:
            state = load_trusted_state(folder / "resume" / f"{name}.pth")
            assert state["weights"] == found[f"{name}.safetensors"], (kill, name)
        assert len(states) >= most, (kill, "fewer checkpoints than before")
        most = max(most, min(2, len(states)))
        assert sum(name.startswith(".cape-") for name in found) <= 1, "leftovers pile up"
    assert most == 2
    last = train(folder, "--resume")
    assert last.code == 0, last.output[-2000:]
    same_end(folder, whole)
    assert train(folder, "--resume").code == 0  # what is finished stays as it is
    same_end(folder, whole)


def test_killed_by_the_clock_and_resumed(train: Any, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for number in range(6):
        train(folder, "--resume", after=0.35 + 0.11 * number)
    assert train(folder, "--resume").code == 0
    same_end(folder, whole)


def test_killed_with_workers_that_stay_alive(train: Any, whole: Path, tmp_path: Path) -> None:
    options = ("train_dataloader.num_workers=2", "train_dataloader.persistent_workers=True")
    flags = [flag for option in options for flag in ("--cfg-options", option)]
    for kill in (("iteration", ITERATIONS + 2), ("iteration", 2 * ITERATIONS + 1)):
        assert train(tmp_path / "run", *flags, "--resume", kill=kill).code == KILLED
    attempt = train(tmp_path / "run", *flags, "--resume")
    assert attempt.code == 0, attempt.output[-2000:]
    same_end(tmp_path / "run", whole)


class Evil:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("executed",)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def rename_to_99(folder: Path) -> None:
    for name in ("checkpoints/epoch_{}.safetensors", "resume/epoch_{}.pth"):
        shutil.copy(folder / name.format(3), folder / name.format(99))


def unfit(folder: Path) -> None:
    path = folder / "resume/epoch_4.pth"
    state = load_trusted_state(path)
    torch.save({**state, "optimizer": {"param_groups": []}}, path)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights cut off": (lambda run: halve(run / "checkpoints/epoch_4.safetensors"), "SHA-256"),
    "weights flipped": (lambda run: flip(run / "checkpoints/epoch_4.safetensors"), "SHA-256"),
    "weights of another epoch": (
        lambda run: shutil.copy(run / "checkpoints/epoch_3.safetensors", run / "checkpoints/epoch_4.safetensors"),
        "SHA-256",
    ),
    "weights gone": (lambda run: (run / "checkpoints/epoch_4.safetensors").unlink(), "no such file"),
    "state cut off": (lambda run: halve(run / "resume/epoch_4.pth"), "a whole resume state"),
    "state flipped": (lambda run: flip(run / "resume/epoch_4.pth"), "checksum"),
    "state empty": (lambda run: (run / "resume/epoch_4.pth").write_bytes(b""), "a whole resume state"),
    "state that does not fit": (unfit, "a state of this configuration"),
    "state of others": (lambda run: torch.save({"epoch": 4}, run / "resume/epoch_4.pth"), "the state of epoch 4"),
    "state gone": (lambda run: (run / "resume/epoch_4.pth").unlink(), "resumed after epoch 3"),
    "newest under a false number": (rename_to_99, "the state of epoch 99"),
    "foreign pickle": (
        lambda run: (run / "resume/epoch_99.pth").write_bytes(pickle.dumps({"epoch": Evil()})), "a whole resume state",
    ),
    "foreign torch file": (lambda run: torch.save({"epoch": Evil()}, run / "resume/epoch_99.pth"), "mkdir"),
    "foreign names": (
        lambda run: [(run / "resume" / name).mkdir() for name in ("epoch_98.pth", "epoch_².pth", "epoch_04.pth")],
        "resumed after epoch 4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_or_foreign_files_are_passed_over(name: str, train: Any, whole: Path, run_folder: Path) -> None:
    damage, words = DAMAGE[name]
    damage(run_folder)
    attempt = train(run_folder, "--resume")
    assert attempt.code == 0, attempt.output[-2000:]
    assert words in attempt.output
    assert "executed" not in os.listdir() + os.listdir(run_folder)  # noqa: PTH208
    for foreign in ("checkpoints/epoch_99.safetensors", "resume/epoch_99.pth"):  # left alone, and in nobody's place
        (run_folder / foreign).unlink(missing_ok=True)
    same_end(run_folder, whole)


def test_all_damaged_is_one_clear_error(train: Any, run_folder: Path) -> None:
    halve(run_folder / "resume/epoch_4.pth")
    flip(run_folder / "checkpoints/epoch_3.safetensors")
    before = files(run_folder)
    attempt = train(run_folder, "--resume")
    assert attempt.code == 1
    assert attempt.output.count("\nDataError: ") == 1
    assert "Traceback" not in attempt.output
    assert "epoch_4.pth" in attempt.output.rpartition("\nDataError: ")[2]
    assert files(run_folder) == before


@pytest.mark.parametrize("damage", [Path.unlink, halve, flip])
def test_lost_best_weights_are_begun_anew(damage: Callable, train: Any, whole: Path, run_folder: Path) -> None:
    damage(run_folder / "checkpoints/best.safetensors")
    attempt = train(run_folder, "--resume")
    assert "best.safetensors is gone or damaged" in attempt.output
    assert attempt.code == 0
    with safe_open(run_folder / "checkpoints/best.safetensors", framework="pt") as best:
        assert int(best.metadata()["epoch"]) == EPOCHS
    found, expected = (content(run / f"checkpoints/epoch_{EPOCHS}.safetensors") for run in (run_folder, whole))
    assert all(found[key] == expected[key] for key in expected if not key.startswith(".header"))


def test_best_weights_ahead_of_the_states_are_not_lost(train: Any, run_folder: Path) -> None:
    """A kill came between the two, and the epoch's second time finds none as good: a GPU is not exact."""
    path = run_folder / "checkpoints/best.safetensors"
    save_weights(path, read_weights(path), about={"epoch": str(EPOCHS)})
    ahead = files(run_folder)[path.name]
    attempt = train(run_folder, "--resume")
    assert attempt.code == 0, attempt.output[-2000:]
    assert "gone or damaged" not in attempt.output
    assert files(run_folder)[path.name] == ahead


def test_another_config_is_refused_and_overwrites_nothing(train: Any, run_folder: Path) -> None:
    before, record = files(run_folder), (run_folder / "run.json").read_text()
    for flags, words in (
        (["--resume", "--seed", "1"], "seed = 1"),
        (["--resume", "--cfg-options", "optim_wrapper.optimizer.lr=0.1"], "optim_wrapper.optimizer.lr = 0.1"),
        ([], "--resume"),
    ):
        attempt = train(run_folder, *flags)
        assert attempt.code == 1
        assert attempt.output.count("UsageError: ") == 1
        assert words in attempt.output
        assert "Traceback" not in attempt.output
        assert files(run_folder) == before
        assert (run_folder / "run.json").read_text() == record


RECORDS_LOST: dict[str, Callable[[Path], object]] = {
    "run.json": lambda run: (run / "run.json").unlink(),
    "half of run.json": lambda run: halve(run / "run.json"),
    "resume": lambda run: shutil.rmtree(run / "resume"),
}


@pytest.mark.parametrize("name", RECORDS_LOST)
def test_a_run_that_lost_its_records_is_not_overwritten(name: str, train: Any, run_folder: Path) -> None:
    RECORDS_LOST[name](run_folder)
    before = files(run_folder)
    for flags in ([], ["--resume"]):
        attempt = train(run_folder, *flags)
        assert attempt.code == 1
        assert attempt.output.count("UsageError: ") == 1
        assert "Traceback" not in attempt.output
        assert files(run_folder) == before


def test_what_loads_the_data_may_change(train: Any, whole: Path, run_folder: Path) -> None:
    options = ("num_workers=1", "persistent_workers=True", "pin_memory=False")
    flags = [flag for option in options for flag in ("--cfg-options", f"train_dataloader.{option}")]
    attempt = train(run_folder, "--resume", *flags)
    assert attempt.code == 0, attempt.output[-2000:]
    same_end(run_folder, whole)


def test_time_budget(train: Any, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for flags in ([], ["--resume"]):  # a job that is always started with --resume adds no epochs
        attempt = train(folder, "--budget", "0.00001", *flags)
        assert attempt.code == 0
        assert "time budget of 1e-05 minutes used up in epoch 1" in attempt.output
        assert sorted(files(folder)) == ["best.safetensors", "epoch_1.pth", "epoch_1.safetensors"]
        state = load_trusted_state(folder / "resume/epoch_1.pth")
        assert state["validated"]
        assert state["best"] == files(folder)["best.safetensors"]
    assert train(folder, "--resume", "--budget", "60").code == 0  # and more time is taken
    found, expected = (content(run / f"checkpoints/epoch_{EPOCHS}.safetensors") for run in (folder, whole))
    assert all(found[key] == expected[key] for key in expected if not key.startswith(".header"))
