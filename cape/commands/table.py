"""`cape table`: train and evaluate several configs over splits and seeds, and write the table."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import typer

from cape.commands import invocation, listed, run, split_numbers
from cape.commands.jobs import carry_out, carry_out_all, is_complete, left_open, threads_each
from cape.commands.people_table import all_people, people_table
from cape.errors import DataError, UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.ablations import Row
    from cape.evaluation.comparison import Method, Split


class Run(NamedTuple):
    """One training run, or the baselines of a split (no row)."""

    row: "Row | None"
    split: int
    seed: int
    folder: Path

    @property
    def scores(self) -> Path:
        """Every pair's scores: the run is complete if they are there."""
        return self.folder / "scores.npz"

    @property
    def title(self) -> str:
        """For people."""
        return (
            f"{self.row.name}, split {self.split}, seed {self.seed}" if self.row else f"baselines, split {self.split}"
        )


def table(
    data: Annotated[Path, typer.Option(help="Folder with annotations/ and images/.")],
    configs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Rows: config files or names, or NAME=CONFIG,KEY=VALUE,... for one with changed options. "
            "The last row is compared with all others."
        ),
    ] = None,
    ablation: Annotated[
        list[str] | None,
        typer.Option(
            help="Add the rows of fusion, alignment, plugin, decision, consistency, graph or half; of a whole-body "
            "model: parts, lambda, count or threshold."
        ),
    ] = None,
    size: Annotated[
        Literal["full", "lite"], typer.Option(help="Of an ablation's models: the paper's, or the small ones.")
    ] = "lite",
    out: Annotated[Path, typer.Option(help="The table, Markdown.")] = Path("outputs/table.md"),
    work_dir: Annotated[Path, typer.Option(help="The runs' folder; complete runs in it are not repeated.")] = Path(
        "outputs/table"
    ),
    splits: Annotated[str | None, typer.Option(help="For example 1,3 (default: all five).")] = None,
    seeds: Annotated[str, typer.Option(help="For example 0,1,2.")] = "0",
    baseline: Annotated[list[str] | None, typer.Option(help="As for cape test; repeat it for several.")] = None,
    budget: Annotated[
        float | None, typer.Option(help="Minutes of training after which a run's epoch at hand is its last.")
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Test episodes a category (default: the official 200).")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at once, which share the cores.")] = 1,
    cfg_options: Annotated[list[str] | None, typer.Option(help="KEY=VALUE for every run.")] = None,
) -> None:
    """Train each config on each split with each seed, test the best weights, and write one table.

    A run that was cut short continues where its last epoch ended, a complete one is not repeated: the command can be
    given again until the table is whole. Checkpoints are chosen on the split's own validation categories.

    Example: cape table cape_lite_visual cape_lite_text cape_lite --data mp100_mini --seeds 0,1 --baseline nearest

    Example: cape table literal=cape_lite,model.alignment.pairing=none cape_lite --data mp100_mini

    Example: cape table --ablation fusion --size full --data mp100 --seeds 0,1,2

    Of whole-body models: AP and AR, mean and deviation over seeds, without splits.

    Example: cape table --ablation parts --data wholebody_mini --seeds 0,1 --budget 5
    """
    from cape.ablations import parse_rows, rows_of
    from cape.commands.console import say
    from cape.runs import run_folder

    check_writable(out)
    texts = [*(configs or []), *(row for name in ablation or [] for row in rows_of(name, size))]
    # Ablations share rows. The last place counts: the last row is the one that others are compared with.
    rows = parse_rows(list(dict.fromkeys(reversed(texts)))[::-1])
    numbers, runs_seeds = split_numbers("1,2,3,4,5" if splits is None else splits), listed("--seeds", seeds)
    if all_people(rows):
        if splits is not None or baseline or episodes:
            raise UsageError(
                "--splits, --baseline, --episodes", expected="few-shot models", got="whole-body models",
                fix="Leave them out.",
            )  # fmt: skip
        options = {"data": data, "out": out, "work_dir": work_dir, "seeds": runs_seeds, "budget": budget, "jobs": jobs}
        people_table(rows, **options, options=cfg_options or [])
        return
    runs = [
        Run(row, split, seed, run_folder(work_dir, row.name, split=split, seed=seed))
        for seed in runs_seeds
        for row in rows
        for split in numbers
    ]
    if baseline:
        runs += [Run(None, split, 0, work_dir / "baselines" / f"split{split}") for split in numbers]
    test_flags = ["--data", str(data), *(["--episodes", str(episodes)] if episodes else [])]
    train_flags = ["--data", str(data), *(["--budget", str(budget)] if budget else [])]
    names = [word for name in baseline or [] for word in ("--baseline", name)]

    def recipe(each: Run) -> Recipe:
        options = [*(cfg_options or []), *each.row.options] if each.row else []
        flags = [word for option in options for word in ("--cfg-options", option)]
        return Recipe([*train_flags, *flags], test_flags, flags if each.row else names, _told(each.row))

    open_runs = left_open(runs, lambda each: _is_complete(each, recipe(each).record), say=say)
    # What starts from another row's weights comes after it.
    stages = [[each for each in open_runs if bool(each.row and each.row.start) == late] for late in (False, True)]

    def work(each: Run) -> float:
        return _run(each, recipe(each), work_dir, jobs)

    carry_out_all(stages, work, jobs=jobs, title=lambda each: each.title, say=say)
    write_atomically(out, _report(runs, rows, numbers))
    say(f"Written to {out}")


class Recipe(NamedTuple):
    """The flags that a run is made with."""

    train: list[str]
    test: list[str]
    own: list[str]
    """Also of testing: a model's options, or the baselines' names."""
    row: dict[str, str | None] = {}  # noqa: RUF012 (never changed)
    """What its folder's name does not tell of a row."""

    @property
    def record(self) -> str:
        """As it is kept beside a run; that of a plain row holds the flags alone."""
        return json.dumps(self if self.row else self[:3])


def _told(row: "Row | None") -> dict[str, str | None]:
    """The config and the start of a row, unless its name says all."""
    if row is None or (row.name == Path(row.config).stem and row.start is None):
        return {}
    return {"config": row.config, "start": row.start}


def _run(each: Run, recipe: Recipe, work_dir: Path, jobs: int) -> float:
    """Carry a run out and leave its record; returns seconds."""
    begin = time.monotonic()
    for command in _commands(each, recipe, work_dir):
        _carry_out(each, command, threads=threads_each(jobs))
    write_atomically(each.folder / "command.json", recipe.record)
    return time.monotonic() - begin


def _is_complete(each: Run, made_by: str) -> bool:
    return is_complete(each.scores, made_by)


def _commands(each: Run, recipe: Recipe, work_dir: Path) -> Iterator[list[str]]:
    """What a run consists of."""
    from cape.runs import run_folder, weights_path

    scores = ["--scores", str(each.scores)]
    if each.row is None:
        yield ["test", *recipe.test, *recipe.own, "--split", str(each.split), *scores]
        return
    start = []
    if each.row.start is not None:
        before = run_folder(work_dir, each.row.start, split=each.split, seed=each.seed)
        start = ["--start-from", str(weights_path(before, "best"))]
    own = ["--split", str(each.split), "--seed", str(each.seed), "--work-dir", str(each.folder), "--resume"]
    yield ["train", each.row.config, *recipe.train, *own, *start]
    split = ["--cfg-options", f"split={each.split}"]
    weights = str(weights_path(each.folder, "best"))
    yield ["test", each.row.config, weights, *recipe.test, *recipe.own, *split, *scores]


def _carry_out(each: Run, command: Sequence[str], *, threads: int) -> None:
    carry_out(each.folder, command, title=each.title, threads=threads)


def _report(runs: list[Run], rows: "list[Row]", numbers: list[int]) -> str:
    """The whole file."""
    from cape.evaluation.comparison import comparison_table, difference_table
    from cape.evaluation.report import grid

    methods, splits = _collect(runs)
    reference = next(method for method in methods if method.name == rows[-1].name)
    others = [method for method in methods if method is not reference]
    parts = [f"Command:\n\n    {invocation()}", grid(comparison_table(methods, splits))]
    if others:
        parts += ["Paired differences; the intervals resample categories, and query pictures within them:"]
        parts += [grid(difference_table(reference, others, splits))]
    with_names = {number: split for number, split in splits.items() if split.named.any()}
    if any(not split.named.all() for split in splits.values()) and with_names:
        left = ", ".join(str(number) for number in numbers if number not in with_names)
        parts += ["Only the categories with real keypoint names" + (f" (none in split {left}):" if left else ":")]
        parts += [grid(comparison_table(methods, with_names, named=True))]
        parts += [grid(difference_table(reference, others, with_names, named=True))] if others else []
    return "\n\n".join(parts) + "\n"


def _collect(runs: list[Run]) -> "tuple[list[Method], dict[int, Split]]":
    """Methods in the order of the runs, baselines first, and the pairs they share."""
    from cape.evaluation.comparison import Method, Split
    from cape.runs import read_scores

    splits: dict[int, Split] = {}
    found: dict[str, dict[int, dict[int, dict[str, np.ndarray]]]] = {}
    for each in sorted(runs, key=lambda each: each.row is not None):
        scores = read_scores(each.scores, each.row)
        pairs = Split(*(scores.pop(field) for field in Split._fields))
        known = splits.setdefault(each.split, pairs)
        if not np.array_equal(known.query, pairs.query):
            raise DataError(
                str(each.scores), expected="the pairs of the other runs", got="others", fix="Use another --work-dir."
            )
        for key, values in scores.items():
            method, figure = key.rsplit("|", 1)
            found.setdefault(method, {}).setdefault(each.seed, {}).setdefault(each.split, {})[figure] = values
    order = dict(sorted(splits.items()))
    return [Method(name, list(by_seed.values())) for name, by_seed in found.items()], order


def main(argv: list[str] | None = None) -> int:
    """`python tools/table.py`."""
    return run(table, argv, name="table")
