"""`cape gallery`: what two whole-body models find of the same people, as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import typer

from cape.commands import run
from cape.errors import UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.data.people import PersonCrops
    from cape.figures import Panel
    from cape.persons import PersonModel, Truth

PIXELS = 800
"""Side of a crop as it is drawn: 133 dots want room."""
INCHES = 3.2
CROWDED = 30
"""More dots than this are drawn small."""


class Column(NamedTuple):
    """What one model finds of everybody."""

    name: str
    points: np.ndarray
    """Pixels of the pictures, [M, K, 2]."""
    similarity: np.ndarray
    """To the truth, [M]."""


def gallery(
    config_a: Annotated[str, typer.Argument(help="Config of a trained whole-body model, for example RTMPose.")],
    checkpoint_a: Annotated[Path, typer.Argument(help="Its weights, safetensors.")],
    config_b: Annotated[str, typer.Argument(help="Config of another, for example CIGPose.")],
    checkpoint_b: Annotated[Path, typer.Argument(help="Its weights, safetensors.")],
    data: Annotated[Path, typer.Option(help="Folder that the configs' paths are relative to.")],
    out: Annotated[Path, typer.Option(help="The figure, a PNG.")] = Path("outputs/gallery.png"),
    rows: Annotated[int, typer.Option(min=1, help="People, a row each.")] = 4,
    choose: Annotated[
        Literal["random", "disagree"], typer.Option(help="Which: any, or those where the models differ most.")
    ] = "random",
    worst: Annotated[
        int | None, typer.Option(min=1, help="Instead: so many people of whom the second model finds least.")
    ] = None,
    draw: Annotated[int, typer.Option(min=0, help="Seed of the random choice.")] = 0,
    people: Annotated[int, typer.Option(min=1, help="Choose among at most so many, the first.")] = 2000,
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="The mirrored picture, too (default: the configs').")
    ] = None,
    cfg_options: Annotated[list[str] | None, typer.Option(help="KEY=VALUE in both configs.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="People at once.")] = 32,
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode pictures.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Draw the predictions of two checkpoints side by side with the truth (Fig. 6), or the failures of one (Fig. 8).

    A row for each person: the picture, what each model finds, its object keypoint similarity under it, and the truth.
    Only labelled keypoints are drawn, and a red line runs from each to its true place. Boxes are the annotated ones.

    Example: cape gallery rtmpose.py rtmpose.safetensors cigpose_lite best.safetensors --data wholebody_mini --worst 4
    """
    from cape.commands.console import progress, say
    from cape.commands.persons import person_changes
    from cape.figures import picture_grid
    from cape.persons import load_people_model, truth_of

    check_writable(out)
    changes = person_changes(data, detections="none", flip=flip, options=cfg_options)
    pairs = ((config_a, checkpoint_a), (config_b, checkpoint_b))
    models = [load_people_model(config, weights, changes, device=device) for config, weights in pairs]
    names = [each.name for each in models]
    if names[0] == names[1]:  # one network, trained twice
        names = [f"{name} {letter}" for name, letter in zip(names, "AB", strict=True)]
    crops = [each.crops(people=people) for each in models]
    truth = truth_of(crops[0])
    if not np.array_equal(truth.points, truth_of(crops[1]).points):
        raise UsageError(
            "gallery", expected="models of the same people", got=", ".join(names), fix="Give two of a kind."
        )
    columns = [
        _column(name, model, own, truth, batch_size=batch_size, workers=workers, progress=progress)
        for name, model, own in zip(names, models, crops, strict=True)
    ]
    chosen, how = _choose(columns, rows=rows, choose=choose, worst=worst, draw=draw)
    grid = [_row(crops[0], models[0], columns, truth, person) for person in chosen]
    note = f"{how}, of {len(truth.points)}; OKS: object keypoint similarity over the labelled keypoints."
    write_atomically(out, picture_grid(grid, note=note, inches=INCHES))
    means = ", ".join(f"{each.name} {np.nanmean(each.similarity):.3f}" for each in columns)
    say(f"Mean similarity: {means}. {how}. Written to {out}")


def _column(name: str, loaded: "PersonModel", crops: "PersonCrops", truth: "Truth", **options: object) -> Column:
    """Predictions of one model."""
    from cape.data.skeletons import read_sigmas
    from cape.evaluation.targets import person_similarity
    from cape.persons import column, predict_people

    samples = predict_people(loaded.model, crops, **options)  # type: ignore[arg-type]
    points = column(samples, "keypoints").astype(np.float64)
    sigmas = read_sigmas(crops.source.skeleton)
    return Column(name, points, person_similarity(points, truth.points, truth.labelled, truth.area, sigmas))


def _choose(columns: list[Column], *, rows: int, choose: str, worst: int | None, draw: int) -> tuple[list[int], str]:
    """People, and in words which."""
    first, second = (each.similarity for each in columns)
    known = np.flatnonzero(~np.isnan(second))
    if worst is not None:
        order, how = np.argsort(second[known], kind="stable")[:worst], f"the worst of {columns[1].name}"
    elif choose == "disagree":
        order, how = np.argsort(-np.abs(first - second)[known], kind="stable")[:rows], "where the models differ most"
    else:
        order = np.sort(np.random.default_rng(draw).permutation(len(known))[:rows])
        how = f"drawn at random, seed {draw}"
    chosen = known[order].tolist()
    return chosen, f"{len(chosen)} people, {how}"


def _row(
    crops: "PersonCrops", loaded: "PersonModel", columns: list[Column], truth: "Truth", person: int
) -> "list[Panel]":
    """The picture, the predictions, the truth."""
    from cape.data.pictures import read_picture
    from cape.data.transforms import apply, crop_matrix, crop_square, warp
    from cape.figures import Panel
    from cape.visualize import draw_pose

    record = crops.source.record(person)
    square = crop_square(truth.box[person])
    picture = warp(read_picture(record["img_path"], size=record["size"]), square, size=PIXELS)
    matrix, labelled = crop_matrix(square) * PIXELS, truth.labelled[person]
    goal = apply(matrix, truth.points[person])
    thick = 1 if labelled.sum() > CROWDED else 3
    panels = [Panel(picture, Path(record["img_path"]).name, f"person {person}")]
    for each in columns:
        points = apply(matrix, each.points[person])
        drawn = draw_pose(picture, points, labelled, loaded.model.skeleton, truth=goal, thick=thick)
        error = np.linalg.norm(each.points[person] - truth.points[person], axis=-1)[labelled].mean()
        caption = f"OKS {each.similarity[person]:.2f}, mean error {error:.1f} pixels"
        panels.append(Panel(drawn, each.name, caption))
    drawn = draw_pose(picture, goal, labelled, loaded.model.skeleton, thick=thick)
    return [*panels, Panel(drawn, "ground truth", f"{labelled.sum()} labelled keypoints")]


def main(argv: list[str] | None = None) -> int:
    """`python tools/gallery.py`."""
    return run(gallery, argv, name="gallery")
