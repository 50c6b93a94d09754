"""`cape train`: train a config on MP-100's episodes, or on files like its own."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cape.commands import run


def train(
    config: Annotated[
        str, typer.Argument(help="A config file (Python, executed: trust it), or the name of a shipped one.")
    ],
    work_dir: Annotated[
        Path | None, typer.Option(help="The run's folder (default: outputs/CONFIG_splitN_seedN).")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run of the folder, if there is one.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder with annotations/ and images/.")] = None,
    pattern: Annotated[str | None, typer.Option(help="Annotation file name with {split} and {subset}.")] = None,
    split: Annotated[int | None, typer.Option(min=1, max=5, help="Of MP-100.")] = None,
    held_out: Annotated[
        str | None,
        typer.Option(help="Train without human_body, human_face, vehicle or furniture, on all other categories."),
    ] = None,
    shots: Annotated[int | None, typer.Option(min=1, help="Support pictures of an episode.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, order and episodes.")] = None,
    data_fraction: Annotated[
        float | None, typer.Option(help="Share of each training category (0.5: the paper's ablations).")
    ] = None,
    text_pack: Annotated[
        str | None, typer.Option(help="mp100, a JSON file, or none for the names in the annotations.")
    ] = None,
    backbone_weights: Annotated[
        str | None, typer.Option(help="Safetensors with timm's names, auto, or random.")
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Checkpoint to start from, instead of a backbone alone (safetensors).")
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Let libraries fetch pretrained weights.")] = False,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Leave out missing pictures and bad records (counted).")
    ] = False,
    amp: Annotated[bool, typer.Option("--amp", help="Mixed precision; needs a GPU.")] = False,
    launcher: Annotated[Literal["none", "pytorch"], typer.Option(help="pytorch under torchrun.")] = "none",
    budget: Annotated[float | None, typer.Option(help="Minutes after which the epoch at hand is the last.")] = None,
    cfg_options: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE, e.g. model.width=64; repeat it for several.")
    ] = None,
) -> None:
    """Train, validate on the split's own validation categories, keep the best weights.

    The folder then holds checkpoints/best.safetensors and the last epochs, logs and TensorBoard events. A run that
    was killed continues with --resume, and ends bit for bit where it would have ended (on a CPU).

    Several GPUs: torchrun --nproc-per-node 2 tools/train.py CONFIG --launcher pytorch

    Example: cape train cape_lite --data mp100_mini --split 1
    """
    from cape.commands.console import progress, say
    from cape.configuration import load_config, parse_options
    from cape.engine import make_runner
    from cape.runner import leave

    flags = {
        "data_root": None if data is None else str(data),
        "pattern": pattern,
        "split": split,
        "held_out": held_out,
        "shots": shots,
        "seed": seed,
        "data_fraction": data_fraction,
        "text_pack": text_pack,
        "backbone_weights": backbone_weights,
        "start_from": None if start_from is None else str(start_from),
        "strict": False if lenient else None,
        "budget_minutes": budget,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    settings = load_config(config, {**parse_options(cfg_options or []), **given})
    without = f"_without_{settings.held_out}" if settings.held_out else ""
    part = "all" if settings.split is None else f"split{settings.split}"
    folder = work_dir or Path("outputs") / f"{Path(config).stem}_{part}{without}_seed{settings.seed}"
    runner = make_runner(
        settings, work_dir=folder, resume=resume, amp=amp, launcher=launcher, download=download, progress=progress
    )
    runner.train()
    best = folder / "checkpoints" / "best.safetensors"
    if runner.rank == 0:
        say(f"Best weights: {best}" if best.is_file() else f"No validation, no best weights; the last: {best.parent}")
    if launcher != "none":
        leave()


def main(argv: list[str] | None = None) -> int:
    """`python tools/train.py`."""
    return run(train, argv, name="train")
