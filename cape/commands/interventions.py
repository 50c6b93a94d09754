"""`cape interventions`: what a whole-body model's interventions hit, as CIGPose's paper analyses them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cape.commands import invocation, listed, run
from cape.errors import UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.analyses import Analysis

WIDE = 6
"""Columns that a terminal has room for with intervals."""


def interventions(
    config: Annotated[str, typer.Argument(help="A trained CIGPose's config file, or the name of a shipped one.")],
    checkpoint: Annotated[Path, typer.Argument(help="Its weights, safetensors.")],
    data: Annotated[Path, typer.Option(help="Folder that the config's paths are relative to.")],
    out: Annotated[Path, typer.Option(help="Folder of the tables and figures.")] = Path("outputs/interventions"),
    score: Annotated[
        list[str] | None,
        typer.Option(help="random, supervised, norm or head; repeat it to compare (default: the model's own)."),
    ] = None,
    sizes: Annotated[
        str, typer.Option(help="Sides of the patches over keypoints, in heights of the crop.")
    ] = "0.05,0.1,0.2,0.3",
    patches: Annotated[int, typer.Option(min=1, help="On each person.")] = 2,
    fill: Annotated[Literal["grey", "picture"], typer.Option(help="Of the patches.")] = "grey",
    count: Annotated[
        int | None, typer.Option(min=1, help="Keypoints selected for the enrichment (default: as in the training).")
    ] = None,
    people: Annotated[int, typer.Option(min=2, help="At most so many, the first.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of patches, random scores and bootstraps.")] = 0,
    cfg_options: Annotated[list[str] | None, typer.Option(help="KEY=VALUE in the config, as for training.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="People at once.")] = 32,
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode pictures.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Draw and tabulate whom interventions hit: a PNG and a Markdown file for each analysis, in one folder.

    occlusion: the confounder score against patches over known keypoints and against COCO's flag of visibility (Fig. 3).
    enrichment: the error of what the score selects against that of the rest (Table 5).
    frequency: how often each part is replaced (Table 7).
    embeddings: before and after the intervention, in two dimensions (Fig. 4).

    Example: cape interventions cigpose_lite best.safetensors --data wholebody_mini --score supervised --score norm
    """
    from cape.analyses import embeddings, enriched, frequency, occlusion, subjects
    from cape.commands.console import progress, say
    from cape.commands.persons import person_changes
    from cape.persons import load_people_model, look, rescored

    shares = listed("--sizes", sizes, float)
    if not all(0 < each < 1 for each in shares):
        raise UsageError("--sizes", expected="shares between 0 and 1", got=sizes, fix="For example 0.1,0.2.")
    check_writable(out / "occlusion.md")
    changes = person_changes(data, detections="none", options=cfg_options)
    loaded = load_people_model(config, checkpoint, changes, device=device)
    own = loaded.model.intervention
    if own is None:
        raise UsageError(
            str(config),
            expected="a model with an intervention",
            got="one without",
            fix="Give a CIGPose: RTMPose has none.",
        )
    models = {name: rescored(loaded.model, name, seed=seed) for name in dict.fromkeys(score or [own.score])}
    options = {"batch_size": batch_size, "workers": workers, "progress": progress}
    found = subjects(loaded.model, loaded.crops(people=people), **options)
    looked = {name: look(model, found.seen.tokens) for name, model in models.items()}
    keypoints = found.points.shape[1]
    wanted = count or max(1, round(own.train_count * keypoints if own.train_count < 1 else own.train_count))
    first = next(iter(models))
    results = [
        occlusion(models, found, sizes=sorted(shares), patches=patches, fill=fill, seed=seed, **options),
        enriched(looked, found, count=min(wanted, keypoints), dropped=(0.3, 0.5), seed=seed),
        frequency(looked, found, seed=seed),
        embeddings(models[first], found, name=first),
    ]
    for result in results:
        _write(result, out)
    say(f"{len(found.points)} people, scores {', '.join(models)}. Written to {out}")


def _write(result: "Analysis", out: Path) -> None:
    """The tables on the terminal and in a file, the command above them; the figures beside it."""
    from cape.commands.console import print_table, say
    from cape.evaluation.report import grid

    parts = [f"Command:\n\n    {invocation()}"]
    for title, table in result.tables.items():
        say(title or result.name)
        heads, rows = table
        wide = len(heads) > WIDE  # its intervals are in the file
        print_table(heads, [[cell.partition(" (")[0] if wide else cell for cell in row] for row in rows])
        parts += [title, grid(table)] if title else [grid(table)]
    parts.append("\n".join(f"- {note}" for note in result.notes))
    parts += [f"![{name}]({name}.png)" for name in result.figures]
    write_atomically(out / f"{result.name}.md", "\n\n".join(parts) + "\n")
    for name, content in result.figures.items():
        write_atomically(out / f"{name}.png", content)


def main(argv: list[str] | None = None) -> int:
    """`python tools/interventions.py`."""
    return run(interventions, argv, name="interventions")
