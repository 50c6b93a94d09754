"""`cape test` of whole-body models: the figures of the metric, boxes, the flip test, and what is refused."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cape.commands import main
from cape.commands.test import main as tools_test
from cape.evaluation.wholebody import figures_of
from cape.persons import PersonModel, column, load_people_model, predict_people, truth_of


def load(people: SimpleNamespace, name: str, changes: dict | None = None) -> PersonModel:
    config, weights = getattr(people, name)
    return load_people_model(config, Path(weights), {**(changes or {}), "data_root": str(people.folder)}, device="cpu")


def figures(path: Path) -> dict:
    return json.loads(path.read_text())["figures"]


def test_figures_files_and_the_whole_table(people: SimpleNamespace, tmp_path: Path, capsys) -> None:
    out, table = tmp_path / "figures.json", tmp_path / "table.md"
    more = ["--data", str(people.folder), "--json", str(out), "--table", str(table), "--batch-size", "3"]
    assert main(["test", *people.cigpose, *more]) == 0
    loaded = load(people, "cigpose")
    samples = predict_people(loaded.model, loaded.crops())
    known = figures_of(samples, kind="coco_wholebody", annotations=people.folder / "people.json")
    mine = figures(out)
    assert set(mine) == set(known) and len(mine) > 60
    assert all(mine[name] == pytest.approx(value, abs=1e-9) for name, value in known.items() if mine[name] is not None)
    printed, text = capsys.readouterr().out, table.read_text()
    for part in ("whole", "body", "foot", "face", "left hand", "right hand", "hand"):
        assert part in printed and f"| {part} |" in text
    assert text.startswith("Command:\n\n    cape test ") and "4 people in 4 pictures, annotated boxes" in text
    assert "replaced in each person: 1, by the score 'supervised'" in printed


def test_the_truth_scores_all(people: SimpleNamespace) -> None:
    loaded = load(people, "cigpose")
    crops = loaded.crops()
    samples, truth = predict_people(loaded.model, crops), truth_of(crops)
    assert truth.points.shape == (4, 133, 2) and truth.labelled.all() and (truth.visibility == 2).all()
    for sample, points in zip(samples, truth.points, strict=True):
        sample["pred_instances"]["keypoints"] = points[None]
        sample["pred_instances"]["keypoint_scores"][:] = 0.9
    assert loaded.figures(samples, crops)["AP"] == pytest.approx(1.0)
    assert len(loaded.crops(people=3)) == 3 and len(loaded.crops(people=9)) == 4


def test_detected_boxes_and_the_mirror(people: SimpleNamespace, tmp_path: Path, capsys) -> None:
    start = ["test", *people.rtmpose, "--data", str(people.folder), "--json", str(tmp_path / "a.json")]
    assert main([*start, "--detections", str(people.folder / "boxes.json"), "--no-flip"]) == 0
    printed = capsys.readouterr().out
    assert "detected boxes" in printed and "without the mirrored picture; there is no intervention" in printed
    assert main([*start, "--detections", "none", "--flip"]) == 0
    assert "averaged with the mirrored picture" in capsys.readouterr().out
    both, one = (
        column(predict_people(loaded.model, loaded.crops()), "keypoint_scores")
        for loaded in (load(people, "rtmpose", {"model.flip_test": flip}) for flip in (True, False))
    )
    assert not np.allclose(both, one)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--split", "1"], ["--split", "whole-body model"]),
        (["--text-pack", "none"], ["--text-pack"]),
        (["--baseline", "copy"], ["--baseline"]),
        (["--shots", "1"], ["--shots"]),
        (["--detections", "nowhere.json"], ["nowhere.json", "no such file"]),
        (["--cfg-options", "model.graph=None"], ["graph"]),
    ],
)
def test_refused(people: SimpleNamespace, capsys, flags: list[str], words: list[str]) -> None:
    assert tools_test([*people.cigpose, "--data", str(people.folder), *flags]) == 1
    told = capsys.readouterr().err
    assert all(word in told for word in words), told


def test_flags_of_people_and_folders(people: SimpleNamespace, tmp_path: Path, capsys) -> None:
    assert main(["test", "--baseline", "copy", "--data", str(tmp_path), "--no-flip"]) == 1
    assert "a few-shot model or a baseline" in capsys.readouterr().err
    assert main(["test", *people.cigpose, "--data", str(tmp_path / "none")]) == 1
    assert "--data" in capsys.readouterr().err
    assert main(["test", people.cigpose[0], "--data", str(people.folder)]) == 1
    assert "CHECKPOINT" in capsys.readouterr().err
