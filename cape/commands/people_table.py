"""`cape table` of whole-body models: train each row with each seed, test it, and write AP and AR part by part."""

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cape.commands import invocation
from cape.commands.jobs import carry_out, carry_out_all, is_complete, left_open, threads_each
from cape.errors import CapeError, UsageError
from cape.files import write_atomically

if TYPE_CHECKING:
    from cape.ablations import Row


class PeopleRun(NamedTuple):
    """One training of one row."""

    row: "Row"
    seed: int
    folder: Path

    @property
    def result(self) -> Path:
        """All figures of its test: the run is complete if they are there."""
        return self.folder / "figures.json"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.row.name}, seed {self.seed}"


def all_people(rows: "Sequence[Row]") -> bool:
    """Whether the rows are of whole-body models. A config that cannot be read is nobody's: its run will tell.

    Raises:
        UsageError: Some are and some are not.
    """
    from cape.configuration import load_config, parse_options
    from cape.persons import is_people

    kinds = set()
    for row in rows:
        with contextlib.suppress(CapeError):
            kinds.add(is_people(load_config(row.config, parse_options(row.options))))
    if len(kinds) > 1:
        got, fix = ", ".join(row.name for row in rows), "Write two tables."
        raise UsageError("table", expected="few-shot models, or whole-body models", got=got, fix=fix)
    return kinds == {True}


def people_table(
    rows: "Sequence[Row]", *, data: Path, out: Path, work_dir: Path, seeds: Sequence[int], budget: float | None,
    jobs: int, options: Sequence[str],
) -> None:  # fmt: skip
    """Train what is not complete, test the best weights, and write the table.

    Args:
        rows: Of the table.
        data: Folder that the configs' paths are relative to.
        out: The table, Markdown.
        work_dir: The runs' folder.
        seeds: Of the trainings.
        budget: Minutes of training of a run.
        jobs: Runs at once.
        options: KEY=VALUE for every run.

    Raises:
        CapeError: A run failed, or the folder holds others; a row that starts from another row's weights.
    """
    from cape.commands.console import say

    if waiting := [row.name for row in rows if row.start is not None]:
        raise UsageError(waiting[0], expected="a row that starts by itself", got="start_from=@ROW", fix="Leave it out.")
    runs = [PeopleRun(row, seed, work_dir / row.name / f"seed{seed}") for seed in seeds for row in rows]
    records = {each.folder: _record(each, data, budget, options) for each in runs}
    open_runs = left_open(runs, lambda each: is_complete(each.result, records[each.folder]), say=say)

    def work(each: PeopleRun) -> float:
        begin = time.monotonic()
        for command in _commands(each, data, budget, options):
            carry_out(each.folder, command, title=each.title, threads=threads_each(jobs))
        write_atomically(each.folder / "command.json", records[each.folder])
        return time.monotonic() - begin

    carry_out_all([open_runs], work, jobs=jobs, title=lambda each: each.title, say=say)
    write_atomically(out, report(runs))
    say(f"Written to {out}")


def _flags(each: PeopleRun, options: Sequence[str]) -> list[str]:
    return [word for option in (*options, *each.row.options) for word in ("--cfg-options", option)]


def _record(each: PeopleRun, data: Path, budget: float | None, options: Sequence[str]) -> str:
    return json.dumps([each.row.config, str(data), budget, _flags(each, options)])


def _commands(each: PeopleRun, data: Path, budget: float | None, options: Sequence[str]) -> list[list[str]]:
    """What a run consists of."""
    from cape.runs import weights_path

    flags = ["--data", str(data), *_flags(each, options)]
    more = [] if budget is None else ["--budget", str(budget)]
    own = ["--seed", str(each.seed), "--work-dir", str(each.folder), "--resume"]
    weights = str(weights_path(each.folder, "best"))
    return [
        ["train", each.row.config, *flags, *more, *own],
        ["test", each.row.config, weights, *flags, "--json", str(each.result)],
    ]


def report(runs: Sequence[PeopleRun]) -> str:
    """The whole file: a row for each row, mean and standard deviation over seeds, and AP seed by seed."""
    from cape.evaluation.report import grid
    from cape.evaluation.wholebody import PARTS

    found: dict[str, list[dict]] = {}
    for each in runs:
        found.setdefault(each.row.name, []).append(json.loads(each.result.read_text(encoding="utf-8"))["figures"])
    seeds = list(dict.fromkeys(each.seed for each in runs))
    known = next(iter(found.values()))[0]
    parts = {part: prefix for part, prefix in PARTS.items() if f"{prefix}AP" in known}
    columns = [f"{prefix}{figure}" for prefix in parts.values() for figure in ("AP", "AR")]
    columns += [name for name in ("AP(easy)", "AP(medium)", "AP(hard)") if name in known]
    heads = ["row", *(column.replace("_", " ") for column in columns)]
    rows = [
        [name, *(_over_seeds([each[column] for each in mine]) for column in columns)] for name, mine in found.items()
    ]
    each_seed = [[name, *(_over_seeds([each["AP"]]) for each in mine)] for name, mine in found.items()]
    note = f"Per cent, mean and standard deviation (n - 1) over seeds {', '.join(map(str, seeds))}; -: nobody counts."
    return "\n\n".join(
        [
            f"Command:\n\n    {invocation()}", note, grid((heads, rows)), "AP seed by seed:",
            grid((["row", *(f"seed {seed}" for seed in seeds)], each_seed)),
        ]
    ) + "\n"  # fmt: skip


def _over_seeds(values: Sequence[float | None]) -> str:
    numbers = [100 * value for value in values if value is not None]
    if len(numbers) < len(values) or not numbers:
        return "-"
    mean = f"{np.mean(numbers):.1f}"
    return f"{mean} ± {np.std(numbers, ddof=1):.1f}" if len(numbers) > 1 else mean
