"""`cape table`: runs in processes of their own, not repeated, and one table at the end."""

from pathlib import Path

import numpy as np
import pytest

from cape.commands import main, table
from cape.commands.table import main as tools_table
from cape.errors import UsageError
from cape.runs import table_run

BASE = Path(__file__).parents[2] / "configs" / "_base_" / "lite.py"


@pytest.fixture
def fake_runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Records the commands of runs; testing writes scores in which a config's name decides."""
    commands = []

    def carry_out(each: table.Run, command: list[str], *, threads: int) -> None:
        commands.append(command)
        assert threads >= 1
        if command[0] == "test":
            each.folder.mkdir(parents=True, exist_ok=True)
            names = [Path(each.row.config).stem] if each.row else ["copy", "nearest"]
            level = {"good": 80.0, "bad": 20.0, "copy": 50.0, "nearest": 60.0}
            split = str(each.split)
            kept = {f"{split}|category": np.repeat([1, 2], 15), f"{split}|named": np.repeat([True, False], 15)}
            kept[f"{split}|query"] = np.arange(30)
            for name in names:
                kept |= {f"{split}|{name}|{figure}": np.full(30, level[name] + each.seed) for figure in FIGURES}
            np.savez(each.scores, **kept)

    monkeypatch.setattr(table, "_carry_out", carry_out)
    return commands


FIGURES = ("PCK@0.20", "PCK@0.05")


def arguments(folder: Path, *more: str) -> list[str]:
    paths = ["--data", "somewhere", "--work-dir", str(folder / "work"), "--out", str(folder / "table.md")]
    return ["bad.py", "good.py", *paths, "--baseline", "copy", "--baseline", "nearest", *more]


def test_trains_tests_and_tabulates(fake_runs: list, tmp_path: Path) -> None:
    more = ["--splits", "1,4", "--seeds", "0,2", "--budget", "7", "--cfg-options", "model.width=8"]
    assert tools_table(arguments(tmp_path, *more)) == 0
    training = [command for command in fake_runs if command[0] == "train"]
    assert len(training) == 8 and len(fake_runs) == 18
    assert all("--resume" in command and "model.width=8" in command and "7.0" in command for command in training)
    text = (tmp_path / "table.md").read_text()
    assert text.startswith("Command:\n\n    python tools/table.py bad.py good.py")
    assert "| good | 81.00 | 81.00 | 81.00 | 80.00 to 82.00 | 81.00 |" in text
    assert "| good - nearest | +21.00 | +21.00 to +21.00 | 4 |" in text
    assert "real keypoint names" in text
    assert text.index("| copy |") < text.index("| bad |") < text.index("| good |")


def test_what_is_complete_is_not_repeated(fake_runs: list, tmp_path: Path) -> None:
    assert main(["table", *arguments(tmp_path, "--splits", "1")]) == 0
    fake_runs.clear()
    assert main(["table", *arguments(tmp_path, "--splits", "1,2")]) == 0
    assert len(fake_runs) == 5 and all("2" in command or "split=2" in command for command in fake_runs)
    (tmp_path / "work" / "good" / "split1_seed0" / "scores.npz").write_text("damaged")
    assert main(["table", *arguments(tmp_path, "--splits", "1,2")]) == 1


def test_runs_of_another_command_are_not_passed_off_as_this_one_s(
    fake_runs: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["table", *arguments(tmp_path, "--splits", "1", "--episodes", "20")]) == 0
    before = (tmp_path / "table.md").read_text()
    fake_runs.clear()
    for more in ([], ["--episodes", "20", "--cfg-options", "model.width=8"], ["--episodes", "20", "--budget", "1"]):
        assert main(["table", *arguments(tmp_path, "--splits", "1", *more)]) == 1
        assert "--work-dir" in capsys.readouterr().err
    assert fake_runs == [] and (tmp_path / "table.md").read_text() == before
    assert main(["table", *arguments(tmp_path, "--splits", "1", "--episodes", "20", "a/good.py")]) == 1
    assert "different names" in capsys.readouterr().err


def test_rows_with_changed_options_and_rows_that_start_from_others(fake_runs: list, tmp_path: Path) -> None:
    rows = ["more=good.py,start_from=@other,model.width=9", "other=bad.py,a.b=(1, 2),c=x", "good.py"]
    paths = ["--data", "somewhere", "--work-dir", str(tmp_path / "work"), "--out", str(tmp_path / "table.md")]
    assert main(["table", *rows, *paths, "--splits", "2", "--cfg-options", "model.width=8"]) == 0
    training = {Path(each[each.index("--work-dir") + 1]).parent.name: each for each in fake_runs if each[0] == "train"}
    assert list(training)[-1] == "more", "it waits for the weights that it starts from"
    started = training["more"][training["more"].index("--start-from") + 1]
    assert started == str(tmp_path / "work" / "other" / "split2_seed0" / "checkpoints" / "best.safetensors")
    options = [
        word for word, flag in zip(training["more"][1:], training["more"], strict=False) if flag == "--cfg-options"
    ]
    assert options == ["model.width=8", "model.width=9"], "a row's own options win"
    assert "a.b=(1, 2)" in training["other"] and "c=x" in training["other"]
    tested = next(each for each in fake_runs if each[0] == "test" and each[1] == "bad.py")
    assert "a.b=(1, 2)" in tested and not any("start_from" in word for each in fake_runs for word in each)
    text = (tmp_path / "table.md").read_text()
    assert "| other | 20.00 |" in text and "| more | 80.00 |" in text and "| good - other | +60.00" in text


def test_an_ablation_is_a_list_of_rows(fake_runs: list, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paths = ["--data", "x", "--work-dir", str(tmp_path / "work"), "--out", str(tmp_path / "table.md")]
    assert main(["table", *paths, "--ablation", "colour"]) == 1
    assert "fusion, alignment" in capsys.readouterr().err
    assert main(["table", *paths]) == 1
    assert "--ablation" in capsys.readouterr().err and fake_runs == []


def test_a_name_does_not_stand_for_two_rows(fake_runs: list, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paths = ["--data", "x", "--work-dir", str(tmp_path / "work"), "--out", str(tmp_path / "table.md"), "--splits", "1"]
    assert main(["table", "same=bad.py", "good.py", *paths]) == 0
    fake_runs.clear()
    assert main(["table", "same=bad.py", "good.py", *paths]) == 0
    assert fake_runs == []
    for row in ("same=good.py", "same=bad.py,start_from=@good"):
        assert main(["table", row, "good.py", *paths]) == 1
        assert "--work-dir" in capsys.readouterr().err and fake_runs == []
    with pytest.raises(UsageError, match=r"a run of good\.py, got bad\.py"):
        table_run(tmp_path / "work", "same=good.py", split=1, seed=0)
    assert table_run(tmp_path / "work", "same=bad.py", split=1, seed=0).name == "same"


def test_the_record_of_a_plain_row_is_its_flags(fake_runs: list, tmp_path: Path) -> None:
    assert main(["table", *arguments(tmp_path, "--splits", "1", "--budget", "15")]) == 0
    record = (tmp_path / "work" / "good" / "split1_seed0" / "command.json").read_text()
    assert record == '[["--data", "somewhere", "--budget", "15.0"], ["--data", "somewhere"], []]'


def test_ablations_share_rows(fake_runs: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {"one": ["bad.py", "good.py"], "two": ["x=bad.py,a=1", "good.py"], "three": ["good.py", "y=bad.py,a=2"]}
    monkeypatch.setattr("cape.ablations.rows_of", lambda name, size: shared[name])
    paths = ["--data", "x", "--work-dir", str(tmp_path / "work"), "--out", str(tmp_path / "table.md"), "--splits", "1"]
    assert main(["table", *paths, "--ablation", "one", "--ablation", "two"]) == 0
    assert sum(each[0] == "train" for each in fake_runs) == 3
    assert "| good - x | +60.00" in (tmp_path / "table.md").read_text()
    assert main(["table", *paths, "--ablation", "one", "--ablation", "three"]) == 0
    assert "| y - good | -60.00" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(
    ("more", "words"), [(["--splits", "6"], "1 to 5"), (["--seeds", "a,b"], "commas"), (["--splits", ""], "commas")]
)
def test_bad_flags(fake_runs: list, tmp_path: Path, capsys: pytest.CaptureFixture, more: list[str], words: str) -> None:
    assert main(["table", *arguments(tmp_path, *more)]) == 1
    assert words in capsys.readouterr().err and fake_runs == []


def test_a_run_that_fails_is_named_with_its_log(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paths = ["--data", str(tmp_path), "--work-dir", str(tmp_path / "work"), "--out", str(tmp_path / "table.md")]
    assert main(["table", "no_such_config", *paths, "--splits", "2"]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "no_such_config, split 2, seed 0" in error and "log.txt" in error
    assert "expected a file" in (tmp_path / "work" / "no_such_config" / "split2_seed0" / "log.txt").read_text()
    assert not (tmp_path / "table.md").exists()
