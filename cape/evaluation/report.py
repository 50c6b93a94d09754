"""One evaluation as a table: figures, intervals, and everything needed to repeat it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cape.data.episodes import Pairs, PoseTable, Source
from cape.evaluation.pck import HEADLINE, Interval, Scores, bootstrap, summary

FEW = 5
"""Below so many categories, resampling them says nothing: a split's interval then resamples query instances."""


class CategoryRow(NamedTuple):
    """One category of a report."""

    id: int
    name: str
    K: int
    pairs: int
    figures: dict[str, Interval]
    """Intervals resample the query instances."""


class Skipped(NamedTuple):
    """A category that could not be sampled."""

    id: int
    name: str
    instances: int


class SplitReport(NamedTuple):
    """One method on one split."""

    method: str
    split: str
    shots: int
    pairs: int
    digest: str
    figures: dict[str, float]
    interval: Interval
    """Of PCK@0.2."""
    resampled: str
    """What the interval resamples: categories, or query instances where there are few categories."""
    empty: int
    """Pairs without a valid keypoint."""
    categories: list[CategoryRow]
    skipped: list[Skipped]
    dropped: dict[str, int]
    """Records that the reader left out, by reason."""
    notes: tuple[str, ...] = ()
    """What the figures may be compared with, and what else a reader has to know."""

    def to_json(self) -> dict[str, Any]:
        """Plain containers, for `json.dumps`."""
        plain = self._asdict()
        plain["interval"] = self.interval._asdict()
        plain["skipped"] = [row._asdict() for row in self.skipped]
        plain["categories"] = [
            row._asdict() | {"figures": {name: each._asdict() for name, each in row.figures.items()}}
            for row in self.categories
        ]
        return plain


def make_report(
    scores: Scores, source: Source, table: PoseTable, pairs: Pairs, *, method: str, split: str,
    notes: Sequence[str] = (),
) -> SplitReport:  # fmt: skip
    """Assemble a report.

    Args:
        scores: Of all pairs.
        source: What the pairs were drawn from.
        table: Its instances.
        pairs: The pairs.
        method: Its name.
        split: Its name.
        notes: Sentences for the reader, see `evaluation.protocol`.
    """
    queries = pairs.table[:, -1]
    categories = table.category[queries]
    rows = []
    for number in dict.fromkeys(categories.tolist()):
        mine, category = categories == number, source.categories[number]
        own = {name: values[mine] for name, values in scores.items()}
        figures = bootstrap(own, queries[mine])
        rows.append(CategoryRow(number, category.name, len(category.skeleton), int(mine.sum()), figures))
    few = len(rows) < FEW
    headline = bootstrap({HEADLINE: scores[HEADLINE]}, queries if few else categories)[HEADLINE]
    return SplitReport(
        method=method,
        split=split,
        shots=pairs.table.shape[1] - 1,
        pairs=len(queries),
        digest=pairs.digest(),
        figures=summary(scores),
        interval=headline,
        resampled="query instances" if few else "categories",
        empty=int((scores["ceiling"] == 0).sum()),
        categories=rows,
        skipped=[Skipped(number, source.categories[number].name, count) for number, count in pairs.skipped.items()],
        dropped=dict(getattr(source, "dropped", {})),
        notes=tuple(notes),
    )


def mean_figures(reports: list[SplitReport]) -> dict[str, float]:
    """Mean of each figure over splits, as published tables have it."""
    return {key: float(np.mean([report.figures[key] for report in reports])) for key in reports[0].figures}


Table = tuple[list[str], list[list[str]]]
"""Heads and rows, as text."""


def by_method(reports: list[SplitReport]) -> dict[str, list[SplitReport]]:
    """The reports of each method, in the order given."""
    groups: dict[str, list[SplitReport]] = {}
    for report in reports:
        groups.setdefault(report.method, []).append(report)
    return groups


def headline_table(reports: list[SplitReport]) -> Table:
    """PCK@0.2 as published tables print it: a row per method, a column per split, the mean last."""
    groups = by_method(reports)
    splits = [report.split for report in next(iter(groups.values()))]
    rows = []
    for method, mine in groups.items():
        values = [report.figures[HEADLINE] for report in mine]
        rows.append([method, *(f"{value:.2f}" for value in [*values, *([np.mean(values)] if len(values) > 1 else [])])])
    return [HEADLINE, *(f"split {split}" for split in splits), *(["mean"] if len(splits) > 1 else [])], rows


def detail_table(mine: list[SplitReport]) -> Table:
    """All figures of one method: a row per figure, a column per split, the mean last. The interval is PCK@0.2's."""
    columns = [report.figures for report in mine] + ([mean_figures(mine)] if len(mine) > 1 else [])
    rows = [[name, *(_number(name, column[name]) for column in columns)] for name in columns[0]]
    spans = [f"{report.interval.low:.1f}-{report.interval.high:.1f}" for report in mine]
    rows.append(["95 % interval", *spans, *([""] if len(mine) > 1 else [])])
    rows.append(["pairs", *(str(report.pairs) for report in mine), *([""] if len(mine) > 1 else [])])
    heads = [mine[0].method, *(f"split {report.split}" for report in mine), *(["mean"] if len(mine) > 1 else [])]
    return heads, rows


def category_table(reports: list[SplitReport]) -> Table:
    """PCK@0.2 per category and method, with intervals over query instances."""
    methods = list(by_method(reports))
    lines: dict[tuple[str, int], list[str]] = {}
    for report in reports:
        for row in report.categories:
            line = lines.setdefault((report.split, row.id), [report.split, row.name, str(row.K), str(row.pairs)])
            each = row.figures[HEADLINE]
            line.append(f"{each.mean:.1f} ({each.low:.1f}-{each.high:.1f})")
    return ["split", "category", "K", "pairs", *methods], list(lines.values())


def markdown(reports: list[SplitReport], *, command: str) -> str:
    """The tables of a run as Markdown, with the command above them."""
    parts = [f"Command:\n\n    {command}", grid(headline_table(reports))]
    parts += [grid(detail_table(mine)) for mine in by_method(reports).values()]
    parts += [f"{HEADLINE} per category, with its 95 % interval over query instances:", grid(category_table(reports))]
    parts += ["\n".join(f"- {_flat(note)}" for note in footnotes(reports))]
    return "\n\n".join(parts) + "\n"


def footnotes(reports: list[SplitReport]) -> list[str]:
    """What the figures rest on: digests, intervals, what was left out, empty pairs, what they compare with."""
    first = next(iter(by_method(reports).values()))
    notes = [f"Episode digests: {', '.join(f'split {report.split} {report.digest}' for report in first)}."]
    for kind in dict.fromkeys(report.resampled for report in first):
        splits = ", ".join(report.split for report in first if report.resampled == kind)
        notes.append(f"The 95 % interval of {HEADLINE} of split {splits} resamples {kind}.")
    for report in first:
        if report.skipped:
            names = ", ".join(f"{row.name} [id {row.id}] ({row.instances})" for row in report.skipped)
            notes.append(f"Split {report.split} skipped, fewer than {report.shots} + 15 instances: {names}.")
        if report.dropped:
            names = ", ".join(f"{reason} ({count})" for reason, count in report.dropped.items())
            notes.append(f"Split {report.split} left out by the reader: {names}.")
        if report.empty:
            notes.append(
                f"Split {report.split}: {report.empty} pairs have no valid keypoint and score 0; "
                f"the ceiling is {report.figures['ceiling']:.2f}."
            )
    return notes + _notes(reports)


def _notes(reports: list[SplitReport]) -> list[str]:
    """Each note once, with the methods and splits that it is about where it is not about all."""
    lines = []
    methods, splits = by_method(reports), {report.split for report in reports}
    for note in dict.fromkeys(note for report in reports for note in report.notes):
        mine = [report for report in reports if note in report.notes]
        about = [] if len(by_method(mine)) == len(methods) else list(by_method(mine))
        named = list(dict.fromkeys(report.split for report in mine))
        about += [] if len(named) == len(splits) else [f"split {', '.join(named)}"]
        lines.append(f"{'; '.join(about)}: {note}" if about else note)
    return lines


def _number(name: str, value: float) -> str:
    return f"{value:.4f}" if name in ("NME", "AUC") else f"{value:.2f}"


def grid(table: Table) -> str:
    """A table as Markdown."""
    heads, rows = table
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_flat(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _flat(text: str) -> str:
    """One line: a category may be called anything."""
    return " ".join(text.split())
