"""`cape parts` as a user runs it: the table with its command above, and files that are none."""

import json

import numpy as np
import pytest
from people_files import COUNTS, write_people

from cape.commands import main
from cape.commands.parts import main as tools_parts


@pytest.fixture
def predicted(tmp_path):
    """A prediction for each of four people, further off where it is less sure."""
    files = write_people(tmp_path, images=4)
    rng, records = np.random.default_rng(0), []
    for person in files.content["annotations"]:
        record = {"image_id": person["image_id"], "category_id": 1, "score": 0.5, "scale": [0.5, 0.7]}
        for key, count in COUNTS.items():
            points = np.array(person[key], dtype=float).reshape(-1, 3)
            score = rng.uniform(0.1, 0.9)
            points[:, :2] += rng.normal(0, 2 * (1 - score), (count, 2))
            points[:, 2] = score
            record[key] = points.ravel().tolist()
        records.append(record)
    path = tmp_path / "pred.json"
    path.write_text(json.dumps(records))
    return path, records


def run(path, *more):
    return tools_parts([str(path), str(path.with_name("people.json")), "--out", str(path.with_name("out.md")), *more])


def test_writes_the_table_with_its_command(predicted, capsys):
    path, records = predicted
    assert run(path, "--thresholds", "0.3") == 0
    text = path.with_name("out.md").read_text()
    assert text.startswith("Command:\n\n    python tools/parts.py ") and "--thresholds 0.3" in text
    assert "4 people predicted on 4 pictures" in text and "Written to" in capsys.readouterr().out
    rows = [line.split(" | ")[0].strip("| ") for line in text.splitlines() if line.startswith("| ")]
    assert rows == ["AP ranked by", "---", "whole, mean", "whole, above 0.3", "part, mean", "part, above 0.3", "AR"]
    for record in records:
        record.update(dict.fromkeys(("body_score", "foot_score", "face_score", "lefthand_score", "righthand_score"), 1))
    path.write_text(json.dumps(records))
    assert run(path) == 0
    assert "| part, of the file |" in path.with_name("out.md").read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda records: records.clear(), "an empty one"),
        (lambda records: records.append(3), "prediction 4: expected an object with an image_id"),
        (lambda records: records[1].update(image_id=77), "id 77"),
        (
            lambda records: records[1].pop("foot_kpts"),
            "prediction 1: expected 18 finite numbers in foot_kpts, got None",
        ),
        (lambda records: records[2]["face_kpts"].pop(), "204 finite numbers in face_kpts, got 203"),
        (lambda records: records[2]["face_kpts"].__setitem__(5, float("nan")), "prediction 2: expected 204 finite"),
        (lambda records: records[0].update(scale=[0.0, 1.0]), "sides of the boxes"),
        (lambda records: records[0].update(scale=2), "2 finite numbers in scale, got 2"),
    ],
)
def test_files_that_are_no_predictions(predicted, change, words, capsys):
    path, records = predicted
    change(records)
    path.write_text(json.dumps(records))
    assert main(["parts", str(path), str(path.with_name("people.json")), "--out", str(path.with_name("out.md"))]) == 1
    assert words in " ".join(capsys.readouterr().err.split())
    assert not path.with_name("out.md").exists()


def test_missing_files_and_thresholds_that_are_none(predicted, capsys):
    path, _ = predicted
    assert run(path.with_name("none.json")) == 1
    assert "none.json" in capsys.readouterr().err
    assert run(path, "--thresholds", "a") == 1
    assert "--thresholds" in capsys.readouterr().err
