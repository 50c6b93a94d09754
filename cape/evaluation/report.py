"""One evaluation as a table: figures, intervals, and everything needed to repeat it."""

from typing import Any, NamedTuple

import numpy as np

from cape.data.episodes import Pairs, Source
from cape.evaluation.pck import Interval, PairScores, bootstrap

HEADLINE = "PCK@0.20"
_HEADLINE_COLUMN = 3


class CategoryRow(NamedTuple):
    """One category of a report."""

    id: int
    name: str
    K: int
    pairs: int
    pck: Interval
    """PCK@0.2 in percent; the interval resamples the query instances."""


class SplitReport(NamedTuple):
    """One method on one split."""

    method: str
    split: str
    shots: int
    pairs: int
    digest: str
    figures: dict[str, float]
    interval: Interval
    """PCK@0.2 in percent; the interval resamples categories, of which there are few."""
    empty: int
    """Pairs without a valid keypoint. They score 0, so `figures["ceiling"]` is the best reachable PCK."""
    categories: list[CategoryRow]
    skipped: dict[str, int]
    """Categories with too few instances, and how many they have."""
    dropped: dict[str, int]
    """Records that the reader left out, by reason."""

    def to_json(self) -> dict[str, Any]:
        """Plain containers, for `json.dumps`."""
        plain = self._asdict()
        plain["interval"] = self.interval._asdict()
        plain["categories"] = [row._asdict() | {"pck": row.pck._asdict()} for row in self.categories]
        return plain


def make_report(
    scores: PairScores, source: Source, pairs: Pairs, *, method: str, split: str, shots: int
) -> SplitReport:
    """Assemble a report.

    Args:
        scores: Of all pairs.
        source: What the pairs were drawn from.
        pairs: The pairs.
        method: Its name.
        split: Its name.
        shots: Support pictures.
    """
    headline = 100 * scores.pck[:, _HEADLINE_COLUMN]
    queries = pairs.table[:, -1]
    categories = np.array([source.instances[query].category for query in queries])
    rows = []
    for number in dict.fromkeys(categories.tolist()):
        mine, category = categories == number, source.categories[number]
        interval = bootstrap(headline[mine], queries[mine])
        rows.append(CategoryRow(number, category.name, len(category.skeleton), int(mine.sum()), interval))
    return SplitReport(
        method=method,
        split=split,
        shots=shots,
        pairs=len(headline),
        digest=pairs.digest(),
        figures=scores.summary(),
        interval=bootstrap(headline, categories),
        empty=int((scores.valid == 0).sum()),
        categories=rows,
        skipped={source.categories[number].name: count for number, count in pairs.skipped.items()},
        dropped=dict(getattr(source, "dropped", {})),
    )


def mean_figures(reports: list[SplitReport]) -> dict[str, float]:
    """Mean of each figure over splits, as published tables have it."""
    return {key: float(np.mean([report.figures[key] for report in reports])) for key in reports[0].figures}


def markdown(reports: list[SplitReport], *, command: str) -> str:
    """The tables of a run as Markdown, with the command above them."""
    lines = ["Command:", "", f"    {command}", ""]
    columns = list(reports[0].figures)
    lines += ["| method | split | shots | pairs | " + " | ".join(columns) + " | PCK@0.20, 95 % over categories |"]
    lines += ["|---" * (len(columns) + 5) + "|"]
    for method in dict.fromkeys(report.method for report in reports):
        mine = [report for report in reports if report.method == method]
        for report in mine:
            cells = [_number(key, value) for key, value in report.figures.items()]
            span = f"{report.interval.low:.1f} to {report.interval.high:.1f}"
            lines.append(
                f"| {method} | {report.split} | {report.shots} | {report.pairs} | {' | '.join(cells)} | {span} |"
            )
        if len(mine) > 1:
            cells = [f"**{_number(key, value)}**" for key, value in mean_figures(mine).items()]
            total = sum(report.pairs for report in mine)
            lines.append(f"| **{method}** | mean | {mine[0].shots} | {total} | {' | '.join(cells)} | |")
    lines += ["", "PCK@0.20 per category, with its 95 % interval over query instances:", ""]
    methods = list(dict.fromkeys(report.method for report in reports))
    lines += ["| split | category | K | pairs | " + " | ".join(methods) + " |", "|---" * (len(methods) + 4) + "|"]
    cells_of: dict[tuple, dict[str, str]] = {}
    for report in reports:
        for row in report.categories:
            key = (report.split, row.name, row.K, row.pairs)
            text = f"{row.pck.mean:.1f} ({row.pck.low:.1f} to {row.pck.high:.1f})"
            cells_of.setdefault(key, {})[report.method] = text
    for key, found in cells_of.items():
        lines.append("| " + " | ".join([*map(str, key), *(found.get(method, "") for method in methods)]) + " |")
    lines += ["", *(f"- {note}" for note in footnotes(reports))]
    return "\n".join(lines) + "\n"


def _number(key: str, value: float) -> str:
    return f"{value:.4f}" if key in ("NME", "AUC") else f"{value:.2f}"


def footnotes(reports: list[SplitReport]) -> list[str]:
    """What the figures rest on: digests, skipped categories, records left out, empty pairs."""
    first = [report for report in reports if report.method == reports[0].method]
    notes = [f"Episode digests: {', '.join(f'split {report.split} {report.digest}' for report in first)}."]
    for report in first:
        if report.skipped:
            names = ", ".join(f"{name} ({count})" for name, count in report.skipped.items())
            notes.append(f"Split {report.split} skipped, fewer than {report.shots} + 15 instances: {names}.")
        if report.dropped:
            names = ", ".join(f"{reason} ({count})" for reason, count in report.dropped.items())
            notes.append(f"Split {report.split} left out by the reader: {names}.")
        if report.empty:
            notes.append(
                f"Split {report.split}: {report.empty} pairs have no valid keypoint and score 0; "
                f"the ceiling is {report.figures['ceiling']:.2f}."
            )
    return notes
