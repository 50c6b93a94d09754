"""`cape predict` cut short: what a kill leaves, and what goes on from there."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from asked import boxes_of, read

from cape import formats
from cape.commands.prompt import main as compile_prompt
from cape.formats import Labels
from cape.predictor import Predictor


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """`killed(n, error)`: the predictor raises at its call n, counted from 0."""
    plain = Predictor.__call__

    def arm(number: int, error: BaseException) -> None:
        calls = iter(range(1000))

        def call(self, *arguments, **options):
            if next(calls) == number:
                raise error
            return plain(self, *arguments, **options)

        monkeypatch.setattr(Predictor, "__call__", call)

    yield arm
    monkeypatch.setattr(Predictor, "__call__", plain)


@pytest.mark.parametrize("error", [RuntimeError("power cut"), KeyboardInterrupt()], ids=["crash", "interrupt"])
def test_a_kill_loses_nothing(ask, tmp_path: Path, killed, capsys, error: BaseException) -> None:
    whole = tmp_path / "whole.json"
    assert ask.run("--out", whole, "--batch-size", "2") == 0
    killed(1, error)
    if isinstance(error, KeyboardInterrupt):
        assert ask.run("--batch-size", "2") != 0
        assert "Nothing is lost: 2 pictures" in capsys.readouterr().out
    else:
        with pytest.raises(RuntimeError):
            ask.run("--batch-size", "2")
    assert not ask.out.exists()
    content = ask.partial.read_bytes()
    assert [json.loads(line).get("picture") for line in content.splitlines()] == [None, "f0.png", "f1.png"]

    assert ask.run("--batch-size", "2") == 1
    assert "--resume" in capsys.readouterr().err and ask.partial.read_bytes() == content
    seen: list[int] = []
    plain = Predictor.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "__call__", lambda self, prompt, pictures, *rest, **options: (
            seen.append(len(pictures)) or plain(self, prompt, pictures, *rest, **options)))  # fmt: skip
        assert ask.run("--batch-size", "2", "--resume") == 0
    assert seen == [2, 1], "what was done is not done again"
    assert "2 pictures are done already" in capsys.readouterr().out
    assert not ask.partial.exists() and equal(read(ask.out), read(whole))


def equal(one: Labels, other: Labels) -> bool:
    same = [each.file for each in one.pictures] == [each.file for each in other.pictures]
    pairs = zip(one.poses(), other.poses(), strict=True)
    return same and all(
        a.id == b.id and np.allclose(a.points, b.points, atol=1e-3) and np.allclose(a.scores, b.scores, atol=1e-5)
        for a, b in pairs
    )


@pytest.mark.parametrize("cut", [1, 40, 10_000])
def test_a_line_cut_short(ask, tmp_path: Path, killed, cut: int) -> None:
    """By a kill in the middle of writing; 10,000 bytes cut the head as well."""
    whole = tmp_path / "whole.json"
    assert ask.run("--out", whole) == 0
    killed(2, RuntimeError())
    with pytest.raises(RuntimeError):
        ask.run("--batch-size", "1")
    content = ask.partial.read_bytes()
    ask.partial.write_bytes(content[: max(20, len(content) - cut)])
    assert ask.run("--resume") == 0
    assert equal(read(ask.out), read(whole))


def test_overlays_that_are_missing_are_drawn(ask, tmp_path: Path, killed) -> None:
    killed(3, RuntimeError())
    with pytest.raises(RuntimeError):
        ask.run("--batch-size", "1")
    assert ask.run("--resume", "--draw", tmp_path / "drawn") == 0
    assert len(list((tmp_path / "drawn").iterdir())) == 5
    assert len(read(ask.out).pictures) == 5


@pytest.fixture
def cut_short(ask, killed) -> SimpleNamespace:
    """`ask`, after a run that was killed with two pictures done."""
    killed(1, RuntimeError())
    with pytest.raises(RuntimeError):
        ask.run("--batch-size", "2")
    return ask


def test_a_partial_of_another_run_is_refused(cut_short, fishes, checkpoint, tmp_path: Path, capsys) -> None:
    ask = cut_short
    content = ask.partial.read_bytes()
    prompt = tmp_path / "eye.prompt"
    clicks = tmp_path / "eye.json"
    clicks.write_text("[[40, 40]]")
    arguments = ["--image", fishes.folder / "f0.png", "--points", clicks, "--out", prompt, *ask.common]
    assert compile_prompt([str(each) for each in arguments]) == 0
    boxes = formats.write(boxes_of(("f0.png", [[8.0, 8.0, 60.0, 60.0]])), tmp_path / "boxes.json", "coco")
    for change, word in (
        (["--prompt", prompt], "another prompt"),
        (["--model", checkpoint("both")], "another model"),
        (["--source", fishes.folder / "*.png"], "another source"),
        (["--boxes", f"coco:{boxes}"], "another boxes"),
        (["--no-zoom"], "another zoom"),
        (["--instances", "2"], "another instances"),
    ):
        capsys.readouterr()
        assert ask.run("--resume", *change) == 1
        assert word in capsys.readouterr().err
        assert ask.partial.read_bytes() == content and not ask.out.exists()


def test_a_damaged_partial_is_refused(cut_short, capsys) -> None:
    ask = cut_short
    lines = ask.partial.read_bytes().splitlines(keepends=True)
    for damage in (b"null\n", b"{}\n", b"[]\n", b"\xff\n", lines[1].replace(b'"points": [[', b'"points": [[1], ['),
                   re.sub(rb'"scores": \[[^,]*', b'"scores": [NaN', lines[1])):  # fmt: skip
        ask.partial.write_bytes(lines[0] + damage + lines[2])
        assert ask.run("--resume") == 1
        assert "poses.json.partial" in capsys.readouterr().err
    assert ask.run("--overwrite") == 0
    assert len(read(ask.out).pictures) == 5 and not ask.partial.exists()
