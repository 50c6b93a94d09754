"""`cape variance`: how much trained models depend on the support picture that they are shown."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from cape.commands import invocation, run, split_numbers
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.evaluation.supports import Spread


def variance(
    configs: Annotated[list[str], typer.Argument(help="Rows of the table: config files or names.")],
    data: Annotated[Path, typer.Option(help="The --data of the table: its pairs are drawn anew.")],
    work_dir: Annotated[Path, typer.Option(help="The --work-dir of the table.")] = Path("outputs/table"),
    splits: Annotated[str, typer.Option(help="For example 1,3.")] = "1,2,3,4,5",
    seed: Annotated[int, typer.Option(min=0, help="Of the trainings.")] = 0,
    out: Annotated[Path, typer.Option(help="The table, Markdown.")] = Path("outputs/variance.md"),
    plot: Annotated[Path, typer.Option(help="The plot, a PNG.")] = Path("outputs/variance.png"),
) -> None:
    """Group the official pairs of finished runs by their support picture (Fig. 2 of the paper).

    For each category and model: the mean PCK@0.2 with each support, its standard deviation between supports, and the
    worst and the best support. Queries are drawn anew for each episode and differ in difficulty; the column "sd, fair"
    and the plot have that taken out. Nothing is computed again: the scores of `cape table` are read.

    Example: cape variance cape_lite_visual cape_lite_text cape_lite --data mp100_mini --work-dir outputs/table
    """
    from cape.commands.console import say
    from cape.configuration import load_config, parse_options
    from cape.contenders import Facts, same_pairs
    from cape.evaluation.pck import HEADLINE
    from cape.evaluation.report import grid
    from cape.evaluation.supports import spread_summary, spread_table, support_spread
    from cape.figures import box_plot
    from cape.runs import table_run

    for target in (out, plot):
        check_writable(target)
    spreads: dict[str, dict[str, Spread]] = {}
    pictures: dict[str, list[str]] = {}
    for number in split_numbers(splits):
        runs = [table_run(work_dir, config, split=number, seed=seed) for config in configs]
        facts = [Facts.of(load_config(each.config, parse_options(each.options))) for each in runs]
        source = facts[-1].source(data, split=number, pictures=None)
        drawn = [(each.name, each.pairs(source, shots=one.shots)) for each, one in zip(runs, facts, strict=True)]
        table = same_pairs(drawn).table
        for category in dict.fromkeys(runs[-1].scores["category"].tolist()):
            known = source.categories[category].name
            name = f"{known} [id {category}]" if known in spreads else known
            mine = runs[-1].scores["category"] == category
            pictures[name] = [each.picture for each in source.instances]
            spreads[name] = {
                each.name: support_spread(
                    each.scores[f"{each.name}|{HEADLINE}"][mine].astype(np.float64), table[mine, :-1], table[mine, -1]
                )
                for each in runs
            }
    title = f"{HEADLINE} with each support picture, the queries' own difficulty taken out"
    write_atomically(plot, box_plot({
        category: {name: each.fair for name, each in methods.items()} for category, methods in spreads.items()
    }, title=title))  # fmt: skip
    note = (
        "The mean PCK@0.2 with each support picture. sd: its standard deviation between supports. sd, fair: the same "
        "after each query's own mean is taken out; a model that ignores its support has almost none: the support still "
        "decides which keypoints count."
    )
    tables = [grid(spread_summary(spreads)), grid(spread_table(spreads, pictures))]
    parts = [f"Command:\n\n    {invocation()}", note, *tables]
    write_atomically(out, "\n\n".join(parts) + "\n")
    say(tables[0])
    say(f"Written to {out} and {plot}")


def main(argv: list[str] | None = None) -> int:
    """`python tools/variance.py`."""
    return run(variance, argv, name="variance")
