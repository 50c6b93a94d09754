"""`cape variance`: a row for each category and model, the text model indifferent to the support, refusals."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cape.commands import main
from cape.commands.variance import main as tools_variance


def arguments(runs: Path, data: Path, folder: Path, *more: str) -> list[str]:
    configs = [str(runs / f"{kind}.py") for kind in ("visual", "text")]
    outs = ["--out", str(folder / "x.md"), "--plot", str(folder / "x.png")]
    return [*configs, "--data", str(data), "--work-dir", str(runs), "--splits", "1", *outs, *more]


def test_table_and_plot(table_runs: Path, drawn_set: Path, tmp_path: Path) -> None:
    assert tools_variance(arguments(table_runs, drawn_set, tmp_path)) == 0
    text = (tmp_path / "x.md").read_text()
    assert text.startswith("Command:\n\n    python tools/variance.py")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    rows = [line for line in cells if line[0] in ("arrow", "fish")]
    assert [line[:2] for line in rows] == [[name, kind] for name in ("arrow", "fish") for kind in ("visual", "text")]
    for line in rows:
        mean, worst, best = (float(line[place].split(" ")[0]) for place in (3, 6, 7))
        assert worst <= mean <= best and ".png" in line[6]
    with Image.open(tmp_path / "x.png") as file:
        assert file.size[0] == 8 * 160


def test_the_text_model_is_indifferent_to_the_support(table_runs: Path, drawn_set: Path, tmp_path: Path) -> None:
    """Scores that are the query's own leave no fair spread, though the means differ; those of an episode do."""
    runs = shutil.copytree(table_runs, tmp_path / "runs")
    for kind in ("visual", "text"):
        path = runs / kind / "split1_seed0" / "scores.npz"
        with np.load(path) as content:
            kept = dict(content)
        query, episode = kept["1|query"], np.arange(len(kept["1|query"])) // 15
        kept[f"1|{kind}|PCK@0.20"] = ((query * 37) % 101 if kind == "text" else 20 + 40 * (episode % 2)).astype("f4")
        np.savez(path, **kept)
    assert main(["variance", *arguments(runs, drawn_set, tmp_path)]) == 0
    text = (tmp_path / "x.md").read_text()
    assert "almost none" in text
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    found = {(line[0], line[1]): (float(line[4]), float(line[5])) for line in cells if line[0] in ("arrow", "fish")}
    assert max(found[name, "text"][0] for name in ("arrow", "fish")) > 0.5
    for name in ("arrow", "fish"):
        assert found[name, "text"][1] < 0.1
        assert found[name, "visual"][0] == pytest.approx(40 / 2**0.5, abs=0.05) and found[name, "visual"][1] > 20


def test_named_rows(table_runs: Path, drawn_set: Path, tmp_path: Path) -> None:
    row = f"mean={table_runs / 'dlf.py'},model.decision.rule=mean"
    assert main(["variance", row, *arguments(table_runs, drawn_set, tmp_path)]) == 0
    text = (tmp_path / "x.md").read_text()
    assert "| arrow | mean |" in " ".join(text.split())


def test_another_data_set_is_refused(
    table_runs: Path, drawn_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    content = json.loads((drawn_set / "drawn_split1_test.json").read_text())
    content["annotations"] = content["annotations"][1:]
    (tmp_path / "drawn_split1_test.json").write_text(json.dumps(content))
    assert main(["variance", *arguments(table_runs, tmp_path, tmp_path)]) == 1
    assert "the data that the run was tested on" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "x.md").exists()


@pytest.mark.parametrize("splits", ["0", "1,6", "", "a"])
def test_bad_splits(
    splits: str, table_runs: Path, drawn_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["variance", *arguments(table_runs, drawn_set, tmp_path), "--splits", splits]) == 1
    assert "--splits: expected numbers" in " ".join(capsys.readouterr().err.split())
