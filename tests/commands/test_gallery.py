"""`cape gallery` as a user runs it: which people it draws, and what it refuses."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cape.commands import main
from cape.commands.gallery import Column, _choose


def columns(first: list[float], second: list[float]) -> list[Column]:
    points = np.zeros((len(first), 17, 2))
    return [Column("a", points, np.array(first)), Column("b", points, np.array(second))]


def test_who_is_drawn() -> None:
    """Nobody without a labelled keypoint, the worst first, the largest differences first."""
    both = columns([0.9, 0.2, np.nan, 0.5, 0.6], [0.8, 0.9, np.nan, 0.1, 0.6])
    assert _choose(both, rows=9, choose="random", worst=2, draw=0) == ([3, 4], "2 people, the worst of b")
    assert _choose(both, rows=2, choose="disagree", worst=None, draw=0)[0] == [1, 3]
    chosen, how = _choose(both, rows=3, choose="random", worst=None, draw=4)
    assert set(chosen) < {0, 1, 3, 4} and chosen == sorted(chosen) and "seed 4" in how
    assert _choose(both, rows=9, choose="random", worst=None, draw=4)[0] == [0, 1, 3, 4]


@pytest.mark.parametrize("flags", [["--worst", "2"], ["--choose", "disagree", "--rows", "2", "--no-flip"]])
def test_two_models(people: SimpleNamespace, tmp_path: Path, capsys, flags: list[str]) -> None:
    out = tmp_path / "gallery.png"
    more = ["--data", str(people.folder), "--out", str(out), *flags]
    assert main(["gallery", *people.rtmpose, *people.cigpose, *more]) == 0
    printed = capsys.readouterr().out
    assert "Mean similarity: rtmpose 0." in printed and "cigpose 0." in printed and "2 people" in printed
    with Image.open(out) as picture:
        assert picture.size == (round(160 * (0.05 + 4 * 3.3)), round(160 * (0.6 + 2 * 3.9)))


def test_one_network_twice_and_other_people(people: SimpleNamespace, tmp_path: Path, capsys) -> None:
    out = ["--data", str(people.folder), "--out", str(tmp_path / "gallery.png"), "--people", "1", "--no-flip"]
    assert main(["gallery", *people.cigpose, *people.cigpose, *out]) == 0
    assert "cigpose A 0." in capsys.readouterr().out
    assert main(["gallery", *people.cigpose, "cape_lite", "none.safetensors", *out]) == 1
    assert "a config of a whole-body model" in capsys.readouterr().err
