"""`cape table` of whole-body models: its commands, what it repeats, and means over seeds."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from cape.commands import main, people_table

AP = {"whole": 0.5, "bare": 0.3}


@pytest.fixture
def fake_runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Records the commands of runs; testing writes figures in which the row's name decides."""
    commands = []

    def carry_out(folder: Path, command: Sequence[str], *, title: str, threads: int) -> None:
        assert threads >= 1 and "seed" in title
        commands.append(list(command))
        if command[0] == "test":
            folder.mkdir(parents=True, exist_ok=True)
            value = AP[folder.parent.name] + 0.1 * int(folder.name.removeprefix("seed"))
            known = {"AP": value, "AR": value, "body/AP": value / 2, "body/AR": None}
            (folder / "figures.json").write_text(json.dumps({"figures": known}))

    monkeypatch.setattr(people_table, "carry_out", carry_out)
    return commands


def rows(people: SimpleNamespace) -> list[str]:
    config = people.cigpose[0]
    return [f"bare={config},model.graph=None", f"whole={config}"]


def test_trains_tests_and_tabulates(people: SimpleNamespace, fake_runs: list, tmp_path: Path, capsys) -> None:
    out, work = tmp_path / "table.md", tmp_path / "runs"
    flags = ["--data", str(people.folder), "--out", str(out), "--work-dir", str(work), "--seeds", "0,1"]
    start = ["table", *rows(people), *flags]
    assert main([*start, "--budget", "1", "--cfg-options", "train_cfg.max_epochs=3"]) == 0
    assert [each[0] for each in fake_runs] == ["train", "test"] * 4
    train, test = fake_runs[:2]
    assert train[train.index("--budget") + 1] == "1.0" and train[train.index("--seed") + 1] == "0"
    shared = [
        "--data",
        str(people.folder),
        "--cfg-options",
        "train_cfg.max_epochs=3",
        "--cfg-options",
        "model.graph=None",
    ]
    assert train[2:8] == shared and test[3:9] == shared and "--budget" not in test
    assert test[2] == str(work / "bare" / "seed0" / "checkpoints" / "best.safetensors")
    text = out.read_text()
    assert text.startswith("Command:\n\n    cape table ") and "over seeds 0, 1" in text
    assert "| row | AP | AR | body/AP | body/AR |" in text
    assert "| bare | 35.0 ± 7.1 | 35.0 ± 7.1 | 17.5 ± 3.5 | - |" in text
    assert "| whole | 50.0 | 60.0 |" in text and "| row | seed 0 | seed 1 |" in text

    assert main([*start, "--budget", "1", "--cfg-options", "train_cfg.max_epochs=3"]) == 0
    assert len(fake_runs) == 8 and "4 of 4 runs are complete" in capsys.readouterr().out
    assert main([*start, "--budget", "2", "--cfg-options", "train_cfg.max_epochs=3"]) == 1
    assert "Use another --work-dir" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--splits", "1"], "--splits"),
        (["--baseline", "copy"], "--baseline"),
        (["--episodes", "3"], "--episodes"),
        (["cape_lite"], "Write two tables"),
        (["other=cigpose_lite,start_from=@whole"], "starts by itself"),
    ],
)
def test_refused(people: SimpleNamespace, fake_runs: list, capsys, more: list, word: str) -> None:
    flags = ["--data", str(people.folder), "--out", str(people.folder / "table.md")]
    assert main(["table", *rows(people), *more, *flags]) == 1
    assert word in capsys.readouterr().err and not fake_runs


def test_the_papers_tables_are_rows(people: SimpleNamespace, fake_runs: list, tmp_path: Path) -> None:
    """Tables 4, 8 and 9 share their last row, which is trained once."""
    AP.update({"cigpose_lite": 0.4, "none": 0.1, "bones": 0.2, "graph": 0.2, "intervention": 0.2})
    AP.update({f"lambda_{each}": 0.2 for each in ("0", "0.01", "0.5")})
    flags = ["--data", str(people.folder), "--out", str(tmp_path / "table.md"), "--work-dir", str(tmp_path)]
    assert main(["table", "--ablation", "parts", "--ablation", "lambda", *flags]) == 0
    assert len(fake_runs) == 2 * 8
    assert (tmp_path / "table.md").read_text().splitlines()[-1].startswith("| cigpose_lite |")
