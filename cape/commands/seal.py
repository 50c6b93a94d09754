"""`cape seal`: whether a learnt structural loss helps a lifter, with seeds, matched budgets and the last epoch."""

from pathlib import Path
from typing import Annotated

import typer

from cape.commands import listed, run
from cape.errors import UsageError
from cape.files import check_writable


def seal(
    data: Annotated[Path, typer.Option(help="Folder that the configs' paths are relative to: pose3d_mini.")],
    configs: Annotated[
        list[str] | None, typer.Argument(help="Configs of lifters (default: the two small ones).")
    ] = None,
    forms: Annotated[str, typer.Option(help="How to train, with commas between; see cape.trials.FORMS.")] = (
        "baseline,explicit,mlp,graph"
    ),
    schedules: Annotated[
        str, typer.Option(help="Of the lifter's learning rate: decayed, constant.")
    ] = "decayed,constant",
    seeds: Annotated[str, typer.Option(help="For example 0,1,2.")] = "0,1,2,3,4",
    epochs: Annotated[int, typer.Option(min=1, help="Of every training; the last one counts.")] = 2,
    sweep: Annotated[
        str | None,
        typer.Option(
            help="Tune this form instead, one number after the other (A.5): the lifter's learning rate without a "
            "loss-net, then the loss-net's, then α, each on a subject of the training file that is held out."
        ),
    ] = None,
    rates: Annotated[str, typer.Option(help="Of the sweep: the lifter's learning rates.")] = "1e-3,2e-3,4e-3,1e-2",
    critic_rates: Annotated[str, typer.Option(help="Of the sweep: the loss-net's.")] = "1e-4,5e-4,2e-3",
    alphas: Annotated[str, typer.Option(help="Of the sweep: α.")] = "1e-4,1e-3,1e-2",
    held_out: Annotated[str, typer.Option(help="Of the sweep: the subject that it is judged by.")] = "02",
    out: Annotated[Path, typer.Option(help="The tables, Markdown.")] = Path("outputs/seal.md"),
    work_dir: Annotated[Path, typer.Option(help="The runs' folder; complete runs in it are not repeated.")] = Path(
        "outputs/seal"
    ),
    jobs: Annotated[
        int, typer.Option(min=1, help="Runs at once, which share the cores, each in a process of its own; 1: here.")
    ] = 1,
    partial: Annotated[
        bool, typer.Option("--partial", help="Train nothing: write the tables of the runs that are complete.")
    ] = False,
    cfg_options: Annotated[list[str] | None, typer.Option(help="KEY=VALUE for every run.")] = None,
) -> None:
    """Train lifters with and without a learnt structural loss, and say what it changes (SEAL-pose, Tables 1 and 4).

    Every form has the same steps, windows and seeds; the last epoch is what counts, so that nothing is chosen on the
    test. Differences from the baseline are paired by seed. Beside the table: structural errors by P-MPJPE (Fig. 4), and
    people of other bones before other cameras, whom the test's own are projected as.

    A complete run is not repeated, and one that was cut short continues: the command can be given again until the
    tables are whole.

    Example: cape seal --data pose3d_mini --seeds 0,1,2,3,4 --jobs 2

    Example: cape seal lift_lite_simple_baseline --data pose3d_mini --forms baseline,residual,spectral --seeds 0,1,2

    Example: cape seal lift_lite_simple_baseline --data pose3d_mini --sweep graph --seeds 0
    """
    from cape.commands.seal_runs import Plan, carry_out_trials, tune
    from cape.trials import form_of, schedule_options

    check_writable(out)
    if not data.is_dir():
        raise UsageError("--data", expected="the folder of the motion", got=str(data), fix="Check it.")
    rows = configs or ["lift_lite_simple_baseline", "lift_lite_semgcn"]
    plan = Plan(data, out, work_dir, tuple(listed("--seeds", seeds)), epochs, jobs, tuple(cfg_options or ()))
    names, kinds = forms.split(","), schedules.split(",")
    for name in [*names, *([] if sweep is None else [sweep])]:
        form_of(name)
    for kind in kinds:
        schedule_options(kind, epochs=epochs)
    if sweep is None:
        carry_out_trials(plan, rows, names, kinds, partial=partial)
        return
    if len(rows) != 1 or partial:
        raise UsageError("--sweep", expected="one config, no --partial", got=", ".join(rows), fix="Tune one by one.")
    grids = [listed(flag, text, float) for flag, text in (
        ("--rates", rates), ("--critic-rates", critic_rates), ("--alphas", alphas)
    )]  # fmt: skip
    tune(plan, rows[0], sweep, kinds[0], grids, held_out=held_out)


def main(argv: list[str] | None = None) -> int:
    """`python tools/seal.py`."""
    return run(seal, argv, name="seal")
