"""`cape compare`: the columns are the models', the figures those of `cape test`, the rows of different categories."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cape import figures
from cape.commands import compare, main
from cape.commands.compare import main as tools_compare
from cape.contenders import Trained
from cape.data.episodes import Pairs
from cape.data.mp100 import MP100
from cape.runs import TableRun, table_run


def arguments(runs: Path, data: Path, out: Path, *more: str) -> list[str]:
    configs = [str(runs / f"{kind}.py") for kind in ("visual", "text", "dlf")]
    return [*configs, "--data", str(data), "--work-dir", str(runs), "--out", str(out), *more]


@pytest.mark.parametrize("choose", ["random", "disagree"])
def test_the_sheet_shows_what_was_scored(
    choose: str, table_runs: Path, drawn_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    whole = figures.picture_grid
    monkeypatch.setattr(figures, "picture_grid", lambda rows: drawn.extend(rows) or whole(rows))
    out = tmp_path / "sheet.png"
    assert tools_compare(arguments(table_runs, drawn_set, out, "--rows", "2", "--choose", choose)) == 0
    titles = [[panel.title for panel in row] for row in drawn]
    middle = ["visual", "text", "dlf", "ground truth"]
    assert titles == [["support: arrow", *middle], ["support: fish", *middle]]
    found = {
        kind: table_run(table_runs, str(table_runs / f"{kind}.py"), split=1, seed=0).scores
        for kind in ("visual", "text", "dlf")
    }
    category = found["dlf"]["category"]
    for row, number in zip(drawn, dict.fromkeys(category.tolist()), strict=True):
        figures_of_pairs = np.stack([found[kind][f"{kind}|PCK@0.20"][category == number] for kind in found], axis=1)
        shown = [float(panel.caption.split(": ")[1]) for panel in row[1:4]]
        assert (np.abs(figures_of_pairs - shown) < 0.051).all(axis=1).any()
        assert not np.array_equal(row[1].picture, row[2].picture)
    with Image.open(out) as file:
        assert file.size == (round(160 * (0.05 + 5 * 2.1)), round(160 * (0.05 + 2 * 2.7)))


def test_named_rows(table_runs: Path, drawn_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    whole = figures.picture_grid
    monkeypatch.setattr(figures, "picture_grid", lambda rows: drawn.extend(rows) or whole(rows))
    row = f"mean={table_runs / 'dlf.py'},model.decision.rule=mean"
    more = ["--rows", "2", "--choose", "disagree"]
    assert main(["compare", row, *arguments(table_runs, drawn_set, tmp_path / "sheet.png", *more)]) == 0
    assert [panel.title for panel in drawn[0]][1:-1] == ["mean", "visual", "text", "dlf"]
    kept = table_run(table_runs, row, split=1, seed=0)
    captions = [float(row[1].caption.split(": ")[1]) for row in drawn]
    assert all((np.abs(kept.scores["mean|PCK@0.20"] - each) < 0.051).any() for each in captions)


def test_each_model_reads_its_own_texts(
    table_runs: Path, drawn_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = {}
    predict = Trained.predict

    def spy(self: Trained, source: MP100, *rest: Any) -> Any:
        read[self.name] = source.text_style
        return predict(self, source, *rest)

    monkeypatch.setattr(Trained, "predict", spy)
    runs = shutil.copytree(table_runs, tmp_path / "runs")
    options = ["--cfg-options", "text_style=name"]
    (runs / "text" / "split1_seed0" / "command.json").write_text(json.dumps([[], [], options]))
    assert main(["compare", *arguments(runs, drawn_set, tmp_path / "x.png", "--rows", "1")]) == 0
    assert read == {"visual": "framed", "text": "name", "dlf": "framed"}


def test_models_of_other_shots_are_refused(
    table_runs: Path, drawn_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = TableRun.pairs
    swapped = {"text": Pairs(np.zeros((60, 2), dtype=int), {})}
    monkeypatch.setattr(
        TableRun, "pairs", lambda self, *rest, **more: swapped.get(self.name) or pairs(self, *rest, **more)
    )
    assert main(["compare", *arguments(table_runs, drawn_set, tmp_path / "x.png")]) == 1
    assert "text: expected the pairs of visual" in " ".join(capsys.readouterr().err.split())


def test_rows_are_spread_over_categories_before_any_comes_twice() -> None:
    category = np.repeat([4, 4, 2, 9], 5)
    weights = np.arange(20.0)
    assert compare._choose(weights, category, 2).tolist() == [14, 19]
    assert compare._choose(weights, category, 3).tolist() == [9, 14, 19]
    assert compare._choose(weights, category, 4).tolist() == [9, 14, 18, 19]
    assert len(compare._choose(weights, category, 99)) == 20


@pytest.mark.parametrize(
    ("more", "words"), [(["--seed", "3"], "Run `cape table`"), (["--split", "2"], "a complete run")]
)
def test_runs_that_are_not_there(
    more: list[str], words: str, table_runs: Path, drawn_set: Path, capsys: pytest.CaptureFixture
) -> None:
    out = table_runs / "x.png"
    assert main(["compare", *arguments(table_runs, drawn_set, out, *more)]) == 1
    assert words in " ".join(capsys.readouterr().err.split())
    assert not out.exists()
