"""The trainings of `cape seal`, and the tables that it writes about them."""

import json
import math
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cape.commands import invocation
from cape.commands.jobs import carry_out, carry_out_all, is_complete, left_open, threads_each
from cape.errors import UsageError
from cape.files import write_atomically

Table = tuple[list[str], list[list[str]]]


class Plan(NamedTuple):
    """What all trainings of a command share."""

    data: Path
    out: Path
    work_dir: Path
    seeds: tuple[int, ...]
    epochs: int
    jobs: int
    options: tuple[str, ...]
    """KEY=VALUE for every run."""


class Trial(NamedTuple):
    """One training."""

    config: str
    form: str
    schedule: str
    seed: int
    options: tuple[str, ...]
    folder: Path

    @property
    def result(self) -> Path:
        """What `examine` found: the trial is complete if it is there."""
        return self.folder / "figures.json"

    @property
    def title(self) -> str:
        """For people."""
        return f"{Path(self.config).stem}, {self.form}, {self.schedule}, seed {self.seed}"


class Group(NamedTuple):
    """Trials that differ by form and seed alone."""

    config: str
    schedule: str
    found: dict[str, dict[int, dict[str, Any]]]
    """What `examine` found, by form and seed."""


def carry_out_trials(
    plan: Plan, configs: Sequence[str], forms: Sequence[str], schedules: Sequence[str], *, partial: bool
) -> None:
    """Train what is not complete, seed after seed so that every form has as many, and write the tables.

    Raises:
        CapeError: A run failed, or the folder holds others.
    """
    from cape.commands.console import say
    from cape.configuration import parse_options
    from cape.trials import FORMS, form_options, schedule_options, steps_of

    needed = list(dict.fromkeys(name for form in forms for name in (FORMS[form].against, form)))
    budgets, trials = {}, []
    for config in configs:
        shared = (*plan.options, f"data_root={str(plan.data)!r}")
        budgets[config] = steps_of(config, parse_options(shared), epochs=plan.epochs)
        for schedule in schedules:
            kept = (*schedule_options(schedule, epochs=plan.epochs), *shared)
            for seed in plan.seeds:
                for form in needed:
                    own = tuple(form_options(FORMS[form], steps=budgets[config][0]))
                    folder = plan.work_dir / Path(config).stem / f"{form}_{schedule}" / f"seed{seed}"
                    trials.append(Trial(config, form, schedule, seed, (*own, *kept), folder))
    if not partial:
        _train(plan, trials)
    complete = [each for each in trials if each.result.is_file()]
    if not complete:
        raise UsageError(str(plan.work_dir), expected="a complete run", got="none", fix="Leave --partial out.")
    write_atomically(plan.out, report(complete, budgets, asked=len(trials)))
    say(f"Written to {plan.out}, {len(complete)} of {len(trials)} runs")


def _train(plan: Plan, trials: Sequence[Trial]) -> None:
    from cape.commands.console import say

    records = {each.folder: json.dumps([each.config, each.options]) for each in trials}
    waiting = left_open(trials, lambda each: is_complete(each.result, records[each.folder]), say=say)

    def work(each: Trial) -> float:
        return _one(each, plan, records[each.folder])

    carry_out_all([waiting], work, jobs=plan.jobs, title=lambda each: each.title, say=say)


def _one(each: Trial, plan: Plan, record: str) -> float:
    """Train, look at the last epoch, and leave the record; returns seconds."""
    from cape.configuration import load_config, parse_options
    from cape.engine import make_runner
    from cape.runs import weights_path
    from cape.trials import examine

    begin = time.monotonic()
    quiet = {"_delete_": True, "type": "Visualizer", "vis_backends": []}
    unseen = [f"train_cfg.val_begin={plan.epochs + 1}", f"visualizer={quiet!r}"]  # nothing is chosen on the test
    options = (*each.options, *unseen)
    if plan.jobs > 1:
        flags = [word for option in options for word in ("--cfg-options", option)]
        own = ["--seed", str(each.seed), "--work-dir", str(each.folder), "--resume"]
        carry_out(each.folder, ["train", each.config, *flags, *own], title=each.title, threads=threads_each(plan.jobs))
    else:  # in this process, as starting one takes longer than a small lifter's training
        settings = load_config(each.config, {**parse_options(options), "seed": each.seed})
        make_runner(settings, work_dir=each.folder, resume=True).train()
    found = examine(each.config, weights_path(each.folder, f"epoch_{plan.epochs}"), parse_options(each.options))
    write_atomically(each.result, json.dumps(_known(found)) + "\n")
    write_atomically(each.folder / "command.json", record)
    return time.monotonic() - begin


def _known(found: Any) -> Any:
    """The same with None for NaN, which JSON does not have."""
    if isinstance(found, dict):
        return {key: _known(value) for key, value in found.items()}
    return None if isinstance(found, float) and math.isnan(found) else found


def report(trials: Sequence[Trial], budgets: dict[str, tuple[int, int]], *, asked: int) -> str:
    """The whole file: for each lifter and schedule the table, the differences, the verdict, and what stands beside.

    Args:
        trials: Complete ones.
        budgets: Steps and windows of a training, by config.
        asked: How many there will be.
    """
    from cape.trials import ELSEWHERE, FORMS

    groups: dict[tuple[str, str], Group] = {}
    for each in trials:
        group = groups.setdefault((each.config, each.schedule), Group(each.config, each.schedule, {}))
        group.found.setdefault(each.form, {})[each.seed] = json.loads(each.result.read_text(encoding="utf-8"))
    forms = list(dict.fromkeys(each.form for each in trials))
    other = ", ".join(f"{key} {value:g}" for key, value in ELSEWHERE.items())
    parts = [
        f"Command:\n\n    {invocation()}",
        f"{len(trials)} of {asked} runs are complete. The last epoch counts; nothing was chosen on the test. Lengths "
        "in mm, LSE and BSLE in per cent in the paper's definition, means over frames. Intervals are Student's, 95 %, "
        "over seeds; differences are paired by seed.",
        "\n".join(f"- {name}: {FORMS[name].about}" for name in forms),
        f'"Elsewhere" is the test projected anew, with people of other bones before other cameras ({other}).',
    ]
    for group in groups.values():
        parts += _section(group, budgets[group.config])
    return "\n\n".join(parts) + "\n"


def _section(group: Group, budget: tuple[int, int]) -> list[str]:
    from cape.evaluation.report import grid
    from cape.evaluation.seeds import verdict
    from cape.trials import FORMS

    steps, windows = budget
    heading = f"## {Path(group.config).stem}, {group.schedule} learning rate"
    parts = [heading, f"{steps} steps, {windows:,} windows a run.", grid(figures_table(group))]
    changes = changes_of(group)
    if changes:
        lines = verdict({f"{name} against {FORMS[name].against}": each for name, each in changes.items()}, lead="MPJPE")
        parts += ["Differences:", grid(changes_table(changes)), "\n".join(f"- {line}" for line in lines)]
    return [*parts, "Structure by P-MPJPE, mm (LSE / BSLE, and how many frames a seed):", grid(bins_table(group))]


def figures_table(group: Group) -> Table:
    """Means over seeds with intervals."""
    from cape.evaluation.seeds import estimate, written
    from cape.trials import FIGURES

    heads = ["form", "seeds", *FIGURES, "elsewhere: MPJPE", "LSE", "BSLE"]
    rows = []
    for name, mine in group.found.items():
        cells = [written(estimate([each["figures"][key] for each in mine.values()])) for key in FIGURES]
        far = [f"{np.mean([each['elsewhere'][key] for each in mine.values()]):.2f}" for key in ("MPJPE", "LSE", "BSLE")]
        rows.append([name, str(len(mine)), *cells, *far])
    return heads, rows


def changes_of(group: Group) -> dict[str, dict[str, Any]]:
    """Of each form that is compared with another: its paired differences."""
    from cape.evaluation.seeds import paired_change
    from cape.trials import FIGURES, FORMS

    found = {}
    for name, mine in group.found.items():
        base = group.found.get(FORMS[name].against, {})
        if FORMS[name].against == name or not set(base) & set(mine):
            continue
        found[name] = {
            f"{label}{key}": paired_change(_column(mine, part, key), _column(base, part, key))
            for part, label, keys in (("figures", "", FIGURES), ("elsewhere", "elsewhere ", ("MPJPE",)))
            for key in keys
        }  # fmt: skip
    return found


def _column(some: dict[int, dict[str, Any]], part: str, key: str) -> dict[int, float]:
    return {seed: each[part][key] for seed, each in some.items()}


def changes_table(changes: dict[str, dict[str, Any]]) -> Table:
    """Differences from the baseline."""
    from cape.evaluation.seeds import written
    from cape.trials import FORMS

    keys = list(next(iter(changes.values())))
    rows = [
        [f"{name} - {FORMS[name].against}", *(written(mine[key], signed=True) for key in keys)]
        for name, mine in changes.items()
    ]
    return ["difference", *keys], rows


def bins_table(group: Group) -> Table:
    """Structural errors of frames whose P-MPJPE is similar, means over seeds."""
    first = next(iter(next(iter(group.found.values())).values()))
    edges = first["bins"]["edges"]
    heads = ["form", *(f"{low:g} to {high:g}" for low, high in pairwise(edges))]
    rows = []
    for name, mine in group.found.items():
        cells = []
        for place in range(len(edges) - 1):
            means = [
                [each["bins"]["means"][key][place] for each in mine.values() if each["bins"]["counts"][place]]
                for key in ("LSE", "BSLE")
            ]
            count = np.mean([each["bins"]["counts"][place] for each in mine.values()])
            cells.append(f"{np.mean(means[0]):.1f} / {np.mean(means[1]):.1f} ({count:.0f})" if means[0] else "-")
        rows.append([name, *cells])
    return heads, rows


def tune(
    plan: Plan, config: str, form: str, schedule: str, grids: Sequence[Sequence[float]], *, held_out: str
) -> None:  # fmt: skip
    """The greedy protocol of A.5, and its table. The test has no part in it.

    Args:
        plan: Of the command.
        config: Of the lifter.
        form: With a loss-net.
        schedule: Of the learning rate.
        grids: Learning rates of the lifter, of the loss-net, and α.
        held_out: The subject that decides.

    Raises:
        CapeError: A run failed, or there is no such subject.
    """
    from cape.commands.console import say
    from cape.configuration import load_config, parse_options
    from cape.evaluation.report import grid
    from cape.evaluation.seeds import estimate, written
    from cape.loaders import motion_of
    from cape.trials import FORMS, form_options, held_out_options, schedule_options, steps_of

    shared = (*plan.options, f"data_root={str(plan.data)!r}")
    settings = load_config(config, parse_options(shared))
    subjects = sorted({each.subject for each in motion_of(settings, "train").clips})
    if held_out not in subjects or len(subjects) < 2:
        raise UsageError("--held-out", expected=f"one of {', '.join(subjects)}", got=held_out, fix="Choose another.")
    path = settings.train_dataloader.dataset.source.path
    kept = (
        *schedule_options(schedule, epochs=plan.epochs), *shared,
        *held_out_options(held_out, [each for each in subjects if each != held_out], path=path),
    )  # fmt: skip
    budget = steps_of(config, parse_options(kept), epochs=plan.epochs)
    rate, critic_rate = (f"optim_wrapper.{part}.optimizer.lr" for part in ("lifter", "critic"))
    chosen: dict[str, float] = {}
    rows = []
    for key, values, kind in zip((rate, critic_rate, "model.alpha"), grids, ("baseline", form, form), strict=True):
        reached = {}
        for value in values:
            own = (
                *form_options(FORMS[kind], steps=budget[0]),
                *(f"{k}={v}" for k, v in {**chosen, key: value}.items()),
            )
            folder = plan.work_dir / Path(config).stem / f"sweep_{form}" / f"{key.split('.')[1]}_{value:g}"
            mine = [Trial(config, kind, schedule, n, (*own, *kept), folder / f"seed{n}") for n in plan.seeds]
            _train(plan, mine)
            found = [json.loads(each.result.read_text(encoding="utf-8"))["figures"]["MPJPE"] for each in mine]
            reached[value] = estimate(found)
            rows.append([key, f"{value:g}", kind, written(reached[value])])
        chosen[key] = min(reached, key=lambda value: reached[value].mean)
        say(f"{key}: {chosen[key]:g}")
    best = "\n".join(f"    --cfg-options {key}={value:g}" for key, value in chosen.items())
    seeds = ", ".join(map(str, plan.seeds))
    note = f"{budget[0]} steps a run, seeds {seeds}; judged by subject {held_out}, which was not learnt from."
    table = grid((["number", "value", "form", "MPJPE, mm"], rows))
    write_atomically(plan.out, f"Command:\n\n    {invocation()}\n\n{note}\n\n{table}\n\nChosen:\n\n{best}\n")
    say(f"Written to {plan.out}")
