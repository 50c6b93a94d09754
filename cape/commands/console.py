"""What commands print: tables with rich, progress with tqdm."""

import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from cape.evaluation import report as reporting
from cape.evaluation.report import SplitReport


def say(text: str) -> None:
    """Print a line as it is: names of categories and files are not markup."""
    Console(markup=False, highlight=False, emoji=False).print(text, soft_wrap=True)


def progress(items: Iterable, label: str, *, total: int | None = None, unit: str = "it") -> tqdm:
    """A progress bar on a terminal, nothing in a pipe or a log."""
    return tqdm(items, desc=label, total=total, unit=unit, leave=False, disable=not sys.stderr.isatty())


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table, figures to the right of the first column."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def print_reports(reports: list[SplitReport]) -> None:
    """All figures of each method, what they rest on, and last the comparison. Fits 80 columns."""
    details = [reporting.detail_table(mine) for mine in reporting.by_method(reports).values()]
    for heads, rows in [*details, reporting.headline_table(reports)]:
        print_table(heads, rows)
    for note in reporting.footnotes(reports):
        say(note)
