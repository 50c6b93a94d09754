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
from cape.data.episodes import Pairs, pose_table
from cape.data.mp100 import MP100
from cape.runs import TableRun, table_run

KINDS = ("visual", "text", "dlf")


def arguments(runs: Path, data: Path, out: Path, *more: str) -> list[str]:
    configs = [str(runs / f"{kind}.py") for kind in KINDS]
    return [*configs, "--data", str(data), "--work-dir", str(runs), "--out", str(out), *more]


def scored(runs: Path, data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of the table, their scores by model (a column each), and how many keypoints each counts."""
    source = MP100(root=data, split=1, subset="test", pattern="*split{split}_{subset}.json*", text_pack=None)
    found = [table_run(runs, str(runs / f"{kind}.py"), split=1, seed=0) for kind in KINDS]
    pairs, table = found[0].pairs(source, shots=1).table, pose_table(source.instances)
    counted = np.array([(table.visible[first] & table.visible[query]).sum() for first, query in pairs])
    return pairs, np.stack([run.scores[f"{run.name}|PCK@0.20"] for run in found], axis=1), counted


@pytest.mark.parametrize("choose", ["random", "disagree"])
def test_the_sheet_shows_what_was_scored(
    choose: str, table_runs: Path, drawn_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, chosen = [], []
    whole, one = figures.picture_grid, compare._row
    monkeypatch.setattr(figures, "picture_grid", lambda rows: drawn.extend(rows) or whole(rows))
    monkeypatch.setattr(compare, "_row", lambda *of: chosen.append(of[2].tolist()) or one(*of))
    out = tmp_path / "sheet.png"
    assert tools_compare(arguments(table_runs, drawn_set, out, "--rows", "2", "--choose", choose)) == 0
    titles = [[panel.title for panel in row] for row in drawn]
    middle = [*KINDS, "ground truth"]
    assert titles == [["support: arrow", *middle], ["support: fish", *middle]]
    pairs, scores, counted = scored(table_runs, drawn_set)
    category = table_run(table_runs, str(table_runs / "dlf.py"), split=1, seed=0).scores["category"]
    differing = (scores.max(axis=1) - scores.min(axis=1)) * counted
    luck = np.random.default_rng(0).random(len(pairs))
    for row, pair, number in zip(drawn, chosen, dict.fromkeys(category.tolist()), strict=True):
        mine = np.flatnonzero(category == number)
        expected = mine[(luck if choose == "random" else differing)[mine].argmax()]
        assert pair == pairs[expected].tolist()
        assert [panel.caption for panel in row[1:4]] == [f"PCK@0.20: {score:.1f}" for score in scores[expected]]
        assert row[4].caption == f"{counted[expected]} keypoints"
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
