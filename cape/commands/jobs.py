"""Runs of `cape table`, each in a process of its own: carried out, several at once, and not repeated."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from cape.errors import UsageError

PROGRAM = "import sys; from cape.commands import main; sys.exit(main())"
Job = TypeVar("Job")


def carry_out(folder: Path, command: Sequence[str], *, title: str, threads: int) -> None:
    """A process of its own: nothing leaks from run to run. What it prints goes to log.txt.

    Args:
        folder: The run's.
        command: Arguments of `cape`.
        title: Of the run, for people.
        threads: Of torch; fewer where OMP_NUM_THREADS says so, since threads that share a core wait for each other.

    Raises:
        UsageError: It ended with an error, whose last line is told.
    """
    folder.mkdir(parents=True, exist_ok=True)
    most = os.environ.get("OMP_NUM_THREADS", "")
    environment = {**os.environ, "OMP_NUM_THREADS": str(min(threads, int(most)) if most.isdecimal() else threads)}
    log = folder / "log.txt"
    with log.open("a", encoding="utf-8") as file:
        code = subprocess.run(
            [sys.executable, "-c", PROGRAM, *command], stdout=file, stderr=file, env=environment, check=False
        ).returncode
    if code:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
        raise UsageError(title, expected="a run that ends", got=f"exit {code}: {last}", fix=f"See {log}.")


def is_complete(result: Path, made_by: str) -> bool:
    """Whether a run's result is there, and was made by a command like this one: `command.json` beside it tells.

    Raises:
        UsageError: It was made by another.
    """
    record = result.parent / "command.json"
    if not result.is_file() or not record.is_file():
        return False
    if (theirs := record.read_text(encoding="utf-8")) != made_by:
        raise UsageError(
            str(result.parent),
            expected=f"a run with {made_by}",
            got=theirs,
            fix="Use another --work-dir, or remove it.",
        )
    return True


def left_open(runs: Sequence[Job], done: Callable[[Job], bool], *, say: Callable[[str], None]) -> list[Job]:
    """The runs that are not done; people are told how many are."""
    found = [each for each in runs if not done(each)]
    say(f"{len(runs) - len(found)} of {len(runs)} runs are complete.")
    return found


def threads_each(jobs: int) -> int:
    """Threads for each of so many runs at once: all of them together have the machine's cores."""
    return max(1, (os.cpu_count() or 1) // jobs)


def carry_out_all(
    stages: Sequence[Sequence[Job]], work: Callable[[Job], float], *, jobs: int, title: Callable[[Job], str],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Every job of a stage, several at once, before those of the next; a failure ends the rest of the stages.

    Args:
        stages: The jobs.
        work: Carries one out and gives its seconds.
        jobs: How many at once.
        title: Of a job, for people.
        say: Tells people.

    Raises:
        Exception: The first of those that jobs raised, once the jobs of its stage have ended.
    """
    done, total = 0, sum(map(len, stages))
    for mine in stages:
        failed = []
        with ThreadPoolExecutor(jobs) as pool:
            tasks = {pool.submit(work, each): each for each in mine}
            for task in as_completed(tasks):
                done, error = done + 1, task.exception()
                failed += [] if error is None else [error]
                state = f"{task.result() / 60:.1f} min" if error is None else f"failed: {error}"
                say(f"{done}/{total} {title(tasks[task])}: {state}")
        if failed:
            raise failed[0]
