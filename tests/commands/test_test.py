"""`cape test` as a user runs it: figures, files, refusals."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_files import save_drawn
from safetensors.torch import load_file

from cape.checkpoints import save_weights
from cape.commands import main
from cape.commands.test import main as tools_test
from cape.configuration import load_config
from cape.runs import identity
from cape.shipped import weights_of

DIGESTS = {
    (1, "1"): "8667f5b8e8840345",
    (1, "5"): "ecb299219c9cfd58",
    (5, "1"): "43c9b5ef23061842",
    (5, "5"): "8556cba961268322",
}


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("shots", "figures"),
    [
        (1, (48.13, 52.26, 51.66, 45.44, 52.64)),
        pytest.param(5, (53.98, 60.37, 57.23, 51.28, 59.88), marks=pytest.mark.soak),
    ],
)
def test_copy_on_the_official_files(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, shots: int, figures: tuple[float, ...]
) -> None:
    out = tmp_path / "copy.json"
    arguments = ["--baseline", "copy", "--annotations", str(shared_data / "mp100_official"), "--split", "all"]
    assert tools_test([*arguments, "--shots", str(shots), "--json", str(out)]) == 0
    reports = {report["split"]: report for report in json.loads(out.read_text())["reports"]}
    found = [reports[split]["figures"]["PCK@0.20"] for split in "12345"]
    assert found == pytest.approx(figures, abs=0.005)
    for (kind, split), digest in DIGESTS.items():
        if kind == shots:
            assert reports[split]["digest"] == digest
    printed = capsys.readouterr().out
    assert all(f"{figure:.2f}" in printed for figure in figures)
    assert reports["1"]["digest"] in printed
    assert reports["5"]["dropped"] == {"empty box or no labelled keypoint": 2}


@pytest.mark.shared_data
def test_all_methods_on_real_pictures(shared_data: Path, tmp_path: Path) -> None:
    """Order of the methods on a handful of episodes; the full table is in results/."""
    out, table = tmp_path / "mini.json", tmp_path / "mini.md"
    arguments = ["--baseline", "all", "--annotations", str(shared_data / "mp100_mini"), "--episodes", "2"]
    assert main(["test", *arguments, "--json", str(out), "--table", str(table)]) == 0
    figures = {each["method"]: each["figures"]["PCK@0.20"] for each in json.loads(out.read_text())["reports"]}
    assert figures["center"] < figures["copy"] < figures["align"]
    assert figures["nearest"] < figures["align"]
    text = table.read_text()
    assert text.startswith("Command:\n\n    cape test --baseline all")
    assert "bicycle [id 25] (12)" in text


@pytest.mark.shared_data
def test_what_the_figures_may_be_compared_with(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The official annotations are; the mini data and a part of the categories are not, and say why."""
    out, table = tmp_path / "out.json", tmp_path / "table.md"
    command = ["test", "--baseline", "copy", "--json", str(out), "--table", str(table), "--annotations"]

    def said(*arguments: str) -> str:
        assert main([*command, *arguments]) == 0
        printed = capsys.readouterr().out
        (report,) = json.loads(out.read_text())["reports"]
        assert report["notes"] and all(note in printed and f"- {note}" in table.read_text() for note in report["notes"])
        return " ".join(report["notes"])

    official, mini = str(shared_data / "mp100_official"), str(shared_data / "mp100_mini")
    full = said(official, "--split", "4")
    assert "Comparable with the numbers of CapeFormer, GraphCape, CapeX and the fusion paper" in full
    assert "Not comparable with MetaPoint and FMMP" in full and "CapeLLM (each instance" in full
    few = said(official, "--split", "4", "--episodes", "2")
    assert few == "Comparable with no published number: the episodes are not the official ones (digest)."
    none = said(mini)
    assert none.startswith("Comparable with no published number") and "digest" in none and "test set" in none
    validated = said(official, "--subset", "val")
    assert "those of val" in validated


@pytest.mark.shared_data
def test_chosen_categories_say_whether_they_are_unseen(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The human-body row: a test category of split 3 in MP-100, a training category of split 1 in the mini data."""
    out = tmp_path / "out.json"
    command = ["test", "--baseline", "copy", "--json", str(out), "--annotations"]
    official = [str(shared_data / "mp100_official"), "--split", "3", "--categories"]
    for asked in ("person", "72"):
        assert main([*command, *official, asked]) == 0
        (report,) = json.loads(out.read_text())["reports"]
        assert [(row["id"], row["pairs"]) for row in report["categories"]] == [(72, 3000)]
        assert "person [id 72] is in the test set of split 3: an unseen category." in report["notes"]
    mini = [str(shared_data / "mp100_mini"), "--split", "1", "--categories", "human_body", "--categories", "10"]
    assert main([*command, *mini, "--episodes", "1"]) == 0
    (report,) = json.loads(out.read_text())["reports"]
    assert {row["id"] for row in report["categories"]} == {1, 10}
    assert any("human_body [id 1] is in the training set" in note for note in report["notes"])
    assert main([*command, *official, "unicorn"]) == 1
    assert "unicorn" in capsys.readouterr().err


@pytest.mark.shared_data
def test_held_out_groups_have_their_number_of_episodes(shared_data: Path, tmp_path: Path) -> None:
    """Of split 4 the official test and validation files have both faces and two of three vehicles."""
    out = tmp_path / "out.json"
    command = ["test", "--baseline", "copy", "--json", str(out), "--annotations", str(shared_data / "mp100_official")]
    for group, lenient, ids, pairs in (
        ("human_face", [], {18, 40}, 2 * 3000),
        ("vehicle", ["--lenient"], {38, 51}, 2 * 1500),
    ):
        assert main([*command, "--split", "4", "--held-out", group, *lenient]) == 0
        (report,) = json.loads(out.read_text())["reports"]
        assert {row["id"] for row in report["categories"]} == ids and report["pairs"] == pairs
        assert f"{group} was held out" in report["notes"][0]


def test_without_boxes(small_set: Path, tmp_path: Path) -> None:
    """The same pairs and keypoints, other pictures and another frame for every method."""
    reports = {}
    for box in ("truth", "none"):
        out = tmp_path / f"{box}.json"
        arguments = ["--baseline", "all", "--annotations", str(small_set), "--episodes", "1", "--box", box]
        assert main(["test", *arguments, "--json", str(out)]) == 0
        reports[box] = json.loads(out.read_text())["reports"]
    for given, none in zip(reports["truth"], reports["none"], strict=True):
        assert (given["digest"], given["empty"]) == (none["digest"], none["empty"])
        assert given["figures"]["PCK@0.20"] != none["figures"]["PCK@0.20"]
        assert any("no boxes were given" in note for note in none["notes"])
        assert any("whole picture" in note for note in none["notes"])
        assert not any("boxes" in note or "whole picture" in note for note in given["notes"])


@pytest.mark.shared_data
def test_missing_pictures_are_counted_per_source(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["test", "--baseline", "nearest", "--annotations", str(shared_data / "mp100_official")]
    assert main(arguments) == 1
    assert "images/" in capsys.readouterr().err
    (tmp_path / "images").mkdir()
    assert main([*arguments, "--images", str(tmp_path / "images")]) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "AP-10K" in message and "AnimalWeb" in message and "DeepFashion2" in message


@pytest.mark.shared_data
def test_a_file_of_another_split_is_refused(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    shutil.copy(shared_data / "mp100_official" / "mp100_split1_test.json.gz", tmp_path / "mp100_split2_test.json.gz")
    assert main(["test", "--baseline", "copy", "--annotations", str(tmp_path), "--split", "2"]) == 1
    assert "classes of split 2 test" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--baseline", "magic"], "copy, center, nearest, near, align"),
        (["--baseline", "copy", "--split", "6"], "1 to 5, or all"),
        (["--baseline", "copy"], "none"),
        (["--baseline", "nearest", "--backbone", "no_such_net"], "a timm model name"),
        (["--baseline", "nearest", "--device", "cuda:77"], "a device of this machine"),
        (["--baseline", "nearest", "--device", "nonsense"], "a device of this machine"),
        (["--baseline", "nearest", "--backbone", "resnet18.bogus"], "a timm model name"),
        (["--baseline", "nearest", "--backbone", "resnet10t", "--download"], "hf download timm/"),
        (["--baseline", "copy", "--images", "x"], "a method that looks at pictures"),
        (["--baseline", "copy", "--rate", "0.5"], "--corrupt with it"),
        (["--baseline", "copy", "--rate", "0"], "--corrupt with it"),
        (["--baseline", "copy", "--text-pack", "typos"], "expected a trained model"),
        (["--baseline", "copy", "--cfg-options", "shots=5"], "expected a trained model"),
        (["--baseline", "copy", "--allow-pickle"], "expected a trained model"),
        (["--baseline", "copy", "--table", "/proc/x.md"], "a file that can be written"),
    ],
)
def test_bad_flags_give_one_clear_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out.json"
    assert main(["test", "--annotations", str(tmp_path), *arguments, "--json", str(out)]) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert message in printed and "expected" in printed and "got" in printed and "Traceback" not in printed
    assert not out.exists()


@pytest.mark.parametrize("arguments", [["test"], ["test", "--shots", "0"], ["nonsense"], ["test", "--nonsense"]])
def test_usage_errors_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main(arguments) == 2
    capsys.readouterr()


@pytest.mark.parametrize("command", ["test", "demo"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example:" in text and "--annotations" in text


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    """Sixteen pictures of two drawn categories as a COCO file, one of them called something awkward."""
    return save_drawn(tmp_path, "own_split1_test.json", renamed={"fish": "[/b]|pi\npe"})


def test_own_data_with_awkward_names_at_80_columns(
    small_set: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    table = small_set / "table.md"
    arguments = ["--baseline", "all", "--annotations", str(small_set), "--episodes", "1", "--workers", "1"]
    assert main(["test", *arguments, "--table", str(table)]) == 0
    printed = capsys.readouterr().out
    assert "…" not in printed and max(map(len, printed.splitlines()[:40])) <= 80
    assert "mPCK(.05-.25)" in printed
    assert "[/b]\\|pi pe" in table.read_text()


@pytest.mark.shared_data
def test_five_splits_fit_80_columns(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = str(shared_data / "mp100_official")
    assert main(["test", "--baseline", "copy", "--annotations", folder, "--split", "all", "--episodes", "2"]) == 0
    tables = capsys.readouterr().out.split("Episode digests")[0]
    assert "…" not in tables and "60000" not in tables and "600" in tables
    assert max(map(len, tables.splitlines())) <= 80


def test_a_corrupt_picture_is_one_line_from_a_worker(small_set: Path, capsys: pytest.CaptureFixture) -> None:
    picture = small_set / "images" / "5.png"
    picture.write_bytes(picture.read_bytes()[:-200])
    arguments = ["--baseline", "nearest", "--annotations", str(small_set), "--workers", "1"]
    assert main(["test", *arguments]) == 1
    printed = capsys.readouterr().err
    assert "5.png" in printed and "expected a readable picture" in " ".join(printed.split())
    assert "Traceback" not in printed and len(printed.splitlines()) <= 4


@pytest.mark.parametrize(
    ("left_out", "asked"), [(1, ["--split", "1"]), (1, []), (None, ["--split", "1"]), (1, ["--split", "2"]), (2, [])]
)
def test_a_config_without_a_split_is_tested_on_that_of_the_weights(
    drawn_set: Path, network: Callable, capsys: pytest.CaptureFixture, left_out: int | None, asked: list[str]
) -> None:
    """Another split's test categories may have been trained on; weights that left nothing out are the user's affair."""
    config, weights = network("visual")
    config.write_text(config.read_text().replace("split = 1", "split = None"))
    about = {"run": json.dumps(identity(load_config(config, {"split": left_out})))}
    save_weights(weights, load_file(weights), about=about)
    refused = main(["test", str(config), str(weights), "--data", str(drawn_set), "--episodes", "1", *asked])
    assert refused == (left_out == 2 or "2" in asked)
    assert not refused or "split" in capsys.readouterr().err


def test_weights_that_say_what_they_are_need_no_config(
    small_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """What ships, and a file of the same: the same figures, above pasting the support's pose."""
    out, found = tmp_path / "out.json", []
    copied = tmp_path / "mine.safetensors"
    shutil.copy(weights_of("cape-lite"), copied)
    for name in ("cape-lite", str(copied)):
        arguments = ["test", name, "--data", str(small_set), "--episodes", "1", "--baseline", "copy"]
        assert main([*arguments, "--json", str(out)]) == 0
        reports = json.loads(out.read_text())["reports"]
        found.append({report["method"]: report["figures"]["PCK@0.20"] for report in reports})
    assert list(found[0]) == ["copy", "cape-lite (proposals)", "cape-lite"]
    assert list(found[0].values()) == list(found[1].values())
    assert found[0]["cape-lite"] > found[0]["copy"] + 10
    capsys.readouterr()
    assert main(["test", "cape-lite", "--data", str(small_set), "--cfg-options", "model.width=3"]) == 1
    assert "--cfg-options" in capsys.readouterr().err
    assert main(["test", "cape-lite", str(copied), "--data", str(small_set)]) == 1
    assert "CHECKPOINT: expected none beside cape-lite" in capsys.readouterr().err
