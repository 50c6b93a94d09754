"""Reports: figures that add up, tables that name what they rest on."""

import json

import numpy as np
import pytest

from cape.data.drawn import Drawn
from cape.data.episodes import official_pairs, pose_table
from cape.evaluation.report import SplitReport, footnotes, make_report, markdown, mean_figures
from cape.inference import score_baseline
from cape.models.baselines import Center, Copy


@pytest.fixture(scope="module")
def reports() -> list[SplitReport]:
    source = Drawn(instances=17, categories=("fish", "arrow", "face"))
    pools = source.by_category()
    small = list(pools)[2]
    pools[small] = pools[small][:5]
    pairs, table = official_pairs(pools, episodes=4), pose_table(source.instances)
    found = []
    for method, page in (("copy", Copy()), ("center", Center())):
        for split in ("1", "2"):
            scores = score_baseline(page, table, pairs)
            found.append(make_report(scores, source, pairs, method=method, split=split, shots=1))
    return found


def test_categories_average_to_the_headline(reports: list[SplitReport]) -> None:
    """Every category has the same number of pairs, so the mean over pairs is the mean over categories."""
    for report in reports:
        assert report.figures["PCK@0.20"] == pytest.approx(np.mean([row.pck.mean for row in report.categories]))
        assert report.interval.low <= report.figures["PCK@0.20"] <= report.interval.high
        assert sum(row.pairs for row in report.categories) == report.pairs == 2 * 4 * 15
        assert list(report.skipped.values()) == [5]


def test_mean_over_splits(reports: list[SplitReport]) -> None:
    assert mean_figures(reports[:2]) == pytest.approx(reports[0].figures)


def test_markdown_has_command_rows_and_footnotes(reports: list[SplitReport]) -> None:
    text = markdown(reports, command="cape test --split all")
    assert "    cape test --split all" in text
    assert sum(line.startswith("| copy | ") for line in text.splitlines()) == 2
    assert "| **copy** | mean |" in text
    for table in text.split("\n\n"):
        rows = [line for line in table.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1, "every row is as wide as its head"
    assert reports[0].digest in text
    assert any("skipped" in note and "(5)" in note for note in footnotes(reports))


def test_json_round_trip(reports: list[SplitReport]) -> None:
    back = json.loads(json.dumps(reports[0].to_json()))
    assert back["figures"] == reports[0].figures
    assert back["interval"]["low"] == reports[0].interval.low
    assert back["categories"][0]["pck"]["mean"] == reports[0].categories[0].pck.mean
