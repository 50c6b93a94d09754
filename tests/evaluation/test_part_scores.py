"""Rankings by part: their scores, a drawn case by hand, and Table 3's direction on the reference predictions."""

import numpy as np
import pytest
from people_files import COUNTS, write_people

from cape.commands.parts import read_predictions
from cape.data.skeletons import read_regions
from cape.errors import DataError, UsageError
from cape.evaluation.part_scores import ORDER, People, heuristic_scores, part_figures, part_table

REGIONS = read_regions("coco_wholebody")


def test_scores_of_the_whole_and_of_each_part():
    scores = np.random.default_rng(0).random((3, 133))
    whole = heuristic_scores(scores, rule="mean", by_part=False)
    assert whole.shape == (3, 6) and whole == pytest.approx(np.repeat(scores.mean(axis=1)[:, None], 6, axis=1))
    parts = heuristic_scores(scores, rule="threshold", threshold=0.7, by_part=True)
    for column, members in enumerate([range(133), *REGIONS.values()]):
        mine = scores[:, list(members)]
        expected = [row[row > 0.7].mean() if (row > 0.7).any() else 0 for row in mine]
        assert parts[:, column] == pytest.approx(expected)


def test_a_part_is_rescued_by_its_own_score(tmp_path):
    """A sure hand on an unsure body, and the other way round: the whole's score ranks hands wrongly."""
    files = write_people(tmp_path, images=2)
    records = files.content["annotations"]
    points = [np.concatenate([each[key] for key in COUNTS]).reshape(-1, 3)[:, :2] for each in records]
    hand = list(REGIONS["left_hand"])
    points, scores = np.stack(points), np.array([[0.3], [0.9]]) * np.ones(133)
    points[1, hand] += 200.0
    scores[:, hand] = [[0.8], [0.25]]
    people = People([each["image_id"] for each in records], points, scores, np.full((2, 2), 80.0))
    rankings = {
        "whole": heuristic_scores(scores, rule="mean", by_part=False),
        "part": heuristic_scores(scores, rule="mean", by_part=True),
    }
    figures = part_figures(people, rankings, annotations=tmp_path / "people.json")
    # one of two found: a precision of 1/2 throughout, or of 1 up to the recall of 1/2
    assert figures["whole"]["left_hand/AP"] == pytest.approx(0.5 * 51 / 101)
    assert figures["part"]["left_hand/AP"] == pytest.approx(51 / 101)
    assert figures["part"]["body/AP"] == figures["whole"]["body/AP"] == 1.0
    heads, rows = part_table(figures)
    assert heads[1:] == list(ORDER) and [row[0] for row in rows] == ["whole", "part", "AR"]
    assert (rows[0][4], rows[1][4], rows[2][4]) == ("25.2", "50.5", "50.0")


def test_the_direction_of_table_3_on_the_reference_predictions(shared_data):
    """Done-when 4: every part gains by a score of its own, the whole stays, no recall moves."""
    folder = shared_data / "wholebody_mini" / "annotations"
    people, own = read_predictions(folder / "coco_wholebody_mini_pred.json")
    rankings = {"whole, of the file": np.repeat(own[:, :1], 6, axis=1), "part, of the file": own}
    for rule, threshold in (("mean", 0.0), ("threshold", 0.2)):
        for by_part in (False, True):
            name = f"{'part' if by_part else 'whole'}, {rule}"
            rankings[name] = heuristic_scores(people.scores, rule=rule, threshold=threshold, by_part=by_part)
    found = part_figures(people, rankings, annotations=folder / "coco_wholebody_mini.json")
    for kind in ("of the file", "mean", "threshold"):
        whole, part = found[f"whole, {kind}"], found[f"part, {kind}"]
        for name in (*REGIONS, "hand"):
            assert part[f"{name}/AP"] > whole[f"{name}/AP"] + 0.003, (kind, name)
            assert part[f"{name}/AR"] == whole[f"{name}/AR"] >= part[f"{name}/AP"]
        assert part["AP"] == whole["AP"] and part["AR"] == whole["AR"]
    # the scores that the file ships are these heuristics: over 0.2 of the whole, the mean of each part
    assert own[:, 0] == pytest.approx(rankings["whole, threshold"][:, 0], abs=1e-6)
    assert own[:, 1:] == pytest.approx(rankings["part, mean"][:, 1:], abs=1e-6)


def test_bad_people_and_rankings(tmp_path, refused):
    write_people(tmp_path, images=2)
    path = tmp_path / "people.json"
    people = People([10, 11], np.zeros((2, 133, 2)), np.ones((2, 133)), np.ones((2, 2)))
    with refused(UsageError, "rankings"):
        part_figures(people, {}, annotations=path)
    with refused(DataError, "prediction 0", "6 finite numbers"):
        part_figures(people, {"bad": np.full((2, 6), np.nan)}, annotations=path)
    with refused(DataError, "sides"):
        part_figures(people._replace(sides=np.zeros((2, 2))), {"any": np.ones((2, 6))}, annotations=path)
    with refused(DataError, "confidence"):
        heuristic_scores(np.full((1, 133), np.nan), rule="mean", by_part=True)
