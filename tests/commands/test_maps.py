"""`cape maps` as a user runs it: a row a branch, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cape.commands import main
from cape.commands.maps import main as tools_maps


@pytest.mark.parametrize("kind", ["text", "flf", "dlf"])
def test_draws_a_row_for_each_branch(
    kind: str, drawn_set: Path, network: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config, weights = network(kind)
    out = tmp_path / "maps.png"
    chosen = ["--category", "fish", "--keypoint", "1", "--support", "2", "--query", "5"]
    arguments = [str(config), str(weights), "--data", str(drawn_set), "--split", "1", *chosen, "--out", str(out)]
    assert tools_maps(arguments) == 0
    assert "instances 2 and 5" in capsys.readouterr().out
    with Image.open(out) as file:
        width, height = file.size
    assert width == 160 * (0.3 + 5 * 2.1), "support, similarity, two layers, prediction"
    assert height == pytest.approx(160 * (0.6 + (2 if kind == "dlf" else 1) * 2.7), abs=1)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("whale 0", "arrow [id"),
        ("fish horn", "an index below"),
        ("fish 99", "an index below"),
        ("fish 0 --query 16", "below 16"),
        ("fish 0 --support 1 --query 1", "not the support"),
    ],
)
def test_refusals_leave_nothing_behind(
    chosen: str, words: str, drawn_set: Path, network: Callable, capsys: pytest.CaptureFixture
) -> None:
    config, weights = network("visual")
    out = weights.with_suffix(".png")
    given = [str(config), str(weights), "--data", str(drawn_set), "--split", "1", "--out", str(out)]
    category, keypoint, *flags = chosen.split()
    assert main(["maps", *given, "--category", category, "--keypoint", keypoint, *flags]) == 1
    assert words in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_a_support_must_show_the_keypoint(
    drawn_set: Path, network: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from cape.data.mp100 import MP100

    source = MP100(root=drawn_set, split=1, subset="test", text_pack=None)
    hidden = [
        (category, place, keypoint)
        for category, pool in source.by_category().items()
        for place, index in enumerate(pool)
        for keypoint, visibility in enumerate(source.instances[index].visibility)
        if visibility == 0
    ]
    category, place, keypoint = hidden[0]
    config, weights = network("visual")
    given = [str(config), str(weights), "--data", str(drawn_set), "--split", "1", "--out", str(tmp_path / "x.png")]
    chosen = ["--category", str(category), "--keypoint", str(keypoint)]
    assert main(["maps", *given, *chosen, "--support", str(place)]) == 1
    assert "an instance with" in " ".join(capsys.readouterr().err.split())
    assert main(["maps", *given, *chosen, "--query", str(place)]) == 0, "a query without it has no truth to show"
