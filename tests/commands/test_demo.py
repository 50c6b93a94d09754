"""`cape demo`: works offline out of the box, beats copy, and writes a picture worth looking at."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cape.commands.demo import main


def figure(printed: str, method: str) -> float:
    """PCK@0.20 of a method in the last table."""
    rows = [line.split() for line in printed.splitlines() if line.split()[:1] == [method]]
    return float(rows[-1][1])


def test_demo_beats_copy_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "demo.png"
    assert main(["--out", str(out), "--queries", "3"]) == 0
    printed = capsys.readouterr().out
    assert figure(printed, "cape-lite") > figure(printed, "copy") + 10
    with Image.open(out) as file:
        picture = np.asarray(file)
    assert picture.shape == (2 * (256 + 24 + 6) + 6, 4 * (256 + 6) + 6, 3)
    saturated = (picture.max(axis=-1).astype(int) - picture.min(axis=-1)) > 200
    assert saturated.sum() > 2000, "keypoints are drawn in full colours"


@pytest.mark.shared_data
def test_demo_on_real_data(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "mini.png"
    arguments = ["--annotations", str(shared_data / "mp100_mini"), "--episodes", "1", "--out", str(out)]
    assert main(arguments) == 0
    assert "bicycle [id 25] (12)" in capsys.readouterr().out
    with Image.open(out) as file:
        assert file.size[1] == 2 * (256 + 24 + 6) + 6


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--method", "copy"], 2, "align"),
        (["--annotations", "absent"], 1, "expected"),
        (["--split", "3"], 1, "--annotations"),
        (["--seed", "-1"], 2, "0"),
    ],
)
def test_refusals_leave_nothing_behind(
    arguments: list[str], status: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "x.png"
    assert main([*arguments, "--out", str(out)]) == status
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_an_unwritable_target_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("cape.features.load_encoder", None)  # to reach it would be a TypeError
    assert main(["--out", str(tmp_path / "file" / "x.png")]) == 1
    assert "a file that can be written" in capsys.readouterr().err
