"""What commands print: tables with rich, progress with tqdm."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from cape.evaluation.report import SplitReport, footnotes, mean_figures

console = Console()


def progress(items: Iterable, label: str) -> Iterable:
    """A progress bar on a terminal, nothing in a pipe or a log."""
    return tqdm(items, desc=label, leave=False, disable=not sys.stderr.isatty())


def print_reports(reports: list[SplitReport]) -> None:
    """The table of all methods and splits, and below it what the figures rest on."""
    columns = list(reports[0].figures)
    table = Table(title=f"{reports[0].shots}-shot, PCK in percent of pairs")
    for name in ("method", "split", "pairs", *columns, "PCK@0.20, 95 %"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for method in dict.fromkeys(report.method for report in reports):
        mine = [report for report in reports if report.method == method]
        for report in mine:
            span = f"{report.interval.low:.1f} to {report.interval.high:.1f}"
            table.add_row(method, report.split, str(report.pairs), *_cells(report.figures), span)
        if len(mine) > 1:
            total = str(sum(report.pairs for report in mine))
            table.add_row(method, "mean", total, *_cells(mean_figures(mine)), "", style="bold", end_section=True)
    wide = console if console.is_terminal else Console(width=180)
    wide.print(table)
    for line in footnotes(reports):
        wide.print(line, highlight=False, soft_wrap=True)


def _cells(figures: dict[str, float]) -> list[str]:
    return [f"{value:.4f}" if key in ("NME", "AUC") else f"{value:.2f}" for key, value in figures.items()]
