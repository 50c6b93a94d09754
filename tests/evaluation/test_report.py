"""Reports: figures that add up, tables that name what they rest on, whatever categories are called."""

import json

import numpy as np
import pytest

from cape.data.drawn import Drawn
from cape.data.episodes import official_pairs, pose_table
from cape.evaluation import report as reporting
from cape.evaluation.pck import HEADLINE
from cape.evaluation.report import SplitReport, footnotes, make_report, markdown, mean_figures
from cape.inference import predict_pairs, score_predictions
from cape.models.baselines import Center, Copy

UGLY = "[/b]|pi\npe"


@pytest.fixture(scope="module")
def reports() -> list[SplitReport]:
    """Two methods on two splits. Two categories share an ugly name, and one of each kind is too small."""
    source = Drawn(instances=17, categories=("fish", "arrow", "face", "chair", "bird"))
    pools = source.by_category()
    first, second, *_, third, small = pools
    for number in (first, second):
        source.categories[number] = source.categories[number]._replace(name=UGLY)
    for number in (third, small):
        source.categories[number] = source.categories[number]._replace(name="face")
        pools[number] = pools[number][:5]
    pairs, table = official_pairs(pools, episodes=4), pose_table(source.instances)
    found = []
    for method, page in (("copy", Copy()), ("center", Center())):
        for split in ("1", "2"):
            scores = score_predictions(predict_pairs(page, table, pairs.table), table, pairs.table)
            found.append(make_report(scores, source, table, pairs, method=method, split=split))
    return found


def test_categories_average_to_every_figure(reports: list[SplitReport]) -> None:
    """Every category has the same number of pairs, so the mean over pairs is the mean over categories."""
    for report in reports:
        for name, value in report.figures.items():
            assert value == pytest.approx(np.mean([row.figures[name].mean for row in report.categories]))
        assert report.interval.low <= report.figures[HEADLINE] <= report.interval.high
        assert sum(row.pairs for row in report.categories) == report.pairs == 3 * 4 * 15


def test_a_category_s_figures_are_its_own() -> None:
    """A score that is the category's id must come back under that id, with an interval of no width."""
    source = Drawn(instances=16, categories=("fish", "arrow"))
    pairs, table = official_pairs(source.by_category(), episodes=2), pose_table(source.instances)
    own = table.category[pairs.table[:, -1]].astype(float)
    scores = score_predictions(predict_pairs(Copy(), table, pairs.table), table, pairs.table)
    report = make_report(dict.fromkeys(scores, own), source, table, pairs, method="copy", split="1")
    assert [row.id for row in report.categories] == list(source.categories)
    for row in report.categories:
        assert all(each == (row.id, row.id, row.id) for each in row.figures.values())


def test_categories_of_one_name_stay_apart(reports: list[SplitReport]) -> None:
    assert [(row.name, row.instances) for row in reports[0].skipped] == [("face", 5), ("face", 5)]
    assert len({row.id for row in reports[0].skipped}) == 2
    _, rows = reporting.category_table(reports)
    assert len(rows) == 2 * 3
    assert all(len(row) == 4 + 2 for row in rows)


def test_few_categories_resample_their_queries(reports: list[SplitReport]) -> None:
    assert reports[0].resampled == "query instances"
    assert any("query instances" in note for note in footnotes(reports))
    assert reports[0].interval.low < reports[0].interval.high


def test_mean_over_splits(reports: list[SplitReport]) -> None:
    assert mean_figures(reports[:2]) == pytest.approx(reports[0].figures)


def test_markdown_survives_any_name(reports: list[SplitReport]) -> None:
    text = markdown(reports, command="cape test --split all")
    assert "    cape test --split all" in text and reports[0].digest in text
    assert "[/b]\\|pi pe" in text
    for table in text.split("\n\n"):
        rows = [line.replace("\\|", "") for line in table.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1, "every row is as wide as its head"
    assert "face [id" in text


def test_mean_column(reports: list[SplitReport]) -> None:
    heads, rows = reporting.headline_table(reports)
    assert heads == [HEADLINE, "split 1", "split 2", "mean"]
    assert rows[0] == ["copy", *[f"{reports[0].figures[HEADLINE]:.2f}"] * 3]
    heads, _ = reporting.headline_table(reports[:1])
    assert heads == [HEADLINE, "split 1"]


def test_json_round_trip(reports: list[SplitReport]) -> None:
    back = json.loads(json.dumps(reports[0].to_json()))
    assert back["figures"] == reports[0].figures
    assert back["interval"]["low"] == reports[0].interval.low
    assert back["categories"][0]["figures"]["NME"]["high"] == reports[0].categories[0].figures["NME"].high
    assert back["skipped"][0]["instances"] == 5


def test_a_note_names_what_it_is_about(reports: list[SplitReport]) -> None:
    """Nothing where it is about all, else the methods and splits."""
    one, two, three, four = reports  # copy on 1 and 2, center on 1 and 2
    noted = [one._replace(notes=("all", "1", "copy")), two._replace(notes=("all", "copy"))]
    noted += [three._replace(notes=("all", "1")), four._replace(notes=("all", "single"))]
    lines = footnotes(noted)[-4:]
    assert lines == ["all", "split 1: 1", "copy: copy", "center; split 2: single"]
