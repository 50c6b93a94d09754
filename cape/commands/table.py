"""`cape table`: train and evaluate several configs over splits and seeds, and write the table."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import typer

from cape.commands import invocation, run
from cape.errors import DataError, UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.evaluation.comparison import Method, Split

PROGRAM = "import sys; from cape.commands import main; sys.exit(main())"


class Run(NamedTuple):
    """One training run, or the baselines of a split (no config)."""

    config: str | None
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
        name = Path(self.config).stem if self.config else "baselines"
        return f"{name}, split {self.split}" + (f", seed {self.seed}" if self.config else "")


def table(
    configs: Annotated[list[str], typer.Argument(help="Config files or names; the last is compared with all others.")],
    data: Annotated[Path, typer.Option(help="Folder with annotations/ and images/.")],
    out: Annotated[Path, typer.Option(help="The table, Markdown.")] = Path("outputs/table.md"),
    work_dir: Annotated[Path, typer.Option(help="The runs' folder; complete runs in it are not repeated.")] = Path(
        "outputs/table"
    ),
    splits: Annotated[str, typer.Option(help="For example 1,3 (default: all five).")] = "1,2,3,4,5",
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
    """
    from cape.commands.console import say

    check_writable(out)
    stems = [Path(config).stem for config in configs]
    if len(set(stems)) < len(stems):
        raise UsageError("CONFIGS", expected="files of different names", got=", ".join(stems), fix="Rename one.")
    numbers, runs_seeds = _numbers("--splits", splits), _numbers("--seeds", seeds)
    if not set(numbers) <= {1, 2, 3, 4, 5}:
        raise UsageError("--splits", expected="numbers from 1 to 5", got=splits, fix="Mend it.")
    runs = [
        Run(config, split, seed, work_dir / Path(config).stem / f"split{split}_seed{seed}")
        for seed in runs_seeds
        for config in configs
        for split in numbers
    ]
    if baseline:
        runs += [Run(None, split, 0, work_dir / "baselines" / f"split{split}") for split in numbers]
    test_flags = ["--data", str(data), *(["--episodes", str(episodes)] if episodes else [])]
    options = [word for option in cfg_options or [] for word in ("--cfg-options", option)]
    train_flags = ["--data", str(data), *options, *(["--budget", str(budget)] if budget else [])]
    names = [word for name in baseline or [] for word in ("--baseline", name)]

    def carry_out(each: Run) -> float:
        begin = time.monotonic()
        for command in _commands(each, train_flags, [*test_flags, *(options if each.config else names)]):
            _carry_out(each, command, threads=max(1, (os.cpu_count() or 1) // jobs))
        write_atomically(each.folder / "command.json", made_by(each))
        return time.monotonic() - begin

    def made_by(each: Run) -> str:
        return json.dumps([train_flags, test_flags, names if each.config is None else options])

    open_runs = [each for each in runs if not _is_complete(each, made_by(each))]
    say(f"{len(runs) - len(open_runs)} of {len(runs)} runs are complete.")
    failed = []
    with ThreadPoolExecutor(jobs) as pool:
        tasks = {pool.submit(carry_out, each): each for each in open_runs}
        for done, task in enumerate(as_completed(tasks), start=1):
            error = task.exception()
            failed += [] if error is None else [error]
            state = f"{task.result() / 60:.1f} min" if error is None else f"failed: {error}"
            say(f"{done}/{len(open_runs)} {tasks[task].title}: {state}")
    if failed:
        raise failed[0]
    write_atomically(out, _report(runs, configs, numbers))
    say(f"Written to {out}")


def _is_complete(each: Run, made_by: str) -> bool:
    """Whether a run is there, and was made by a command like this one."""
    record = each.folder / "command.json"
    if not each.scores.is_file() or not record.is_file():
        return False
    if (theirs := record.read_text(encoding="utf-8")) != made_by:
        raise UsageError(
            str(each.folder), expected=f"a run with {made_by}", got=theirs, fix="Use another --work-dir, or remove it."
        )
    return True


def _numbers(flag: str, text: str) -> list[int]:
    try:
        return list(dict.fromkeys(int(each) for each in text.split(",")))
    except ValueError as error:
        raise UsageError(flag, expected="numbers with commas between them", got=text, fix="For example 1,2.") from error


def _commands(each: Run, train_flags: list[str], test_flags: list[str]) -> Iterator[list[str]]:
    """What a run consists of."""
    scores = ["--scores", str(each.scores)]
    if each.config is None:
        yield ["test", *test_flags, "--split", str(each.split), *scores]
        return
    own = ["--split", str(each.split), "--seed", str(each.seed), "--work-dir", str(each.folder), "--resume"]
    yield ["train", each.config, *train_flags, *own]
    yield [
        "test",
        each.config,
        str(each.folder / "checkpoints" / "best.safetensors"),
        *test_flags,
        "--cfg-options",
        f"split={each.split}",
        *scores,
    ]


def _carry_out(each: Run, command: Sequence[str], *, threads: int) -> None:
    """A process of its own: nothing leaks from run to run. What it prints goes to log.txt."""
    each.folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    log = each.folder / "log.txt"
    with log.open("a", encoding="utf-8") as file:
        code = subprocess.run(
            [sys.executable, "-c", PROGRAM, *command], stdout=file, stderr=file, env=environment, check=False
        ).returncode
    if code:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
        raise UsageError(each.title, expected="a run that ends", got=f"exit {code}: {last}", fix=f"See {log}.")


def _report(runs: list[Run], configs: list[str], numbers: list[int]) -> str:
    """The whole file."""
    from cape.evaluation.comparison import comparison_table, difference_table
    from cape.evaluation.report import grid

    methods, splits = _collect(runs)
    reference = next(method for method in methods if method.name == Path(configs[-1]).stem)
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
    for each in sorted(runs, key=lambda each: each.config is not None):
        scores = read_scores(each.scores)
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
