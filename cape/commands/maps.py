"""`cape maps`: where a model looks for a keypoint, as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from cape.commands import run
from cape.errors import UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.data.coco import Category
    from cape.data.episodes import Episodes
    from cape.data.mp100 import MP100
    from cape.figures import Panel
    from cape.models.fewshot import FewShotPose


def maps(
    config: Annotated[str, typer.Argument(help="A trained model's config file, or the name of a shipped one.")],
    checkpoint: Annotated[Path, typer.Argument(help="Its weights, safetensors.")],
    data: Annotated[Path, typer.Option(help="Folder with annotations/ and images/.")],
    category: Annotated[str, typer.Option(help="Name or id of a test category.")],
    keypoint: Annotated[str, typer.Option(help="Name, or index from 0.")],
    split: Annotated[int, typer.Option(min=1, max=5, help="Of the test categories; the model must be trained on it.")],
    support: Annotated[
        int | None, typer.Option(min=0, help="Which instance of the category, from 0 (default: the first with it).")
    ] = None,
    query: Annotated[
        int | None, typer.Option(min=0, help="Which instance (default: the next with the keypoint).")
    ] = None,
    cfg_options: Annotated[list[str] | None, typer.Option(help="KEY=VALUE in the config, as for training.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    out: Annotated[Path, typer.Option(help="The figure, a PNG.")] = Path("outputs/maps.png"),
) -> None:
    """Draw what a model looks at for one keypoint (Fig. 8 of the paper).

    A row for each branch (one with feature-level fusion, picture and text with decision-level fusion): the support
    picture with the clicked point, the similarity map of matching, the cross-attention of each decoder layer (mean
    over heads), and the branch's prediction beside the truth.

    Example: cape maps cape_lite best.safetensors --data mp100_mini --split 1 --category livestock_horse --keypoint eye
    """
    from cape.commands.console import say
    from cape.contenders import load_trained
    from cape.data.episodes import Pairs
    from cape.figures import picture_grid

    check_writable(out)
    options = [f"split={split}", *(cfg_options or [])]
    trained = load_trained(config, checkpoint, options, allow_pickle=False, download=False, device=device)
    source = trained.facts.source(data, split=split)
    chosen = _category(source, category)
    point = _keypoint(chosen, keypoint)
    pair = _instances(source, chosen, point, support, query)
    episodes = trained.episodes(source, Pairs(np.array([pair]), {}))
    rows, labels = _rows(trained.model, episodes, pair, chosen, point)
    cells = rows[0][1].cells
    note = "" if cells is None else (
        f"Each map sums to 1 over {cells.shape[1]} × {cells.shape[0]} cells and is coloured from 0 to its own maximum; "
        "the white tick is the even share."
    )  # fmt: skip
    write_atomically(out, picture_grid(rows, labels=labels, note=note))
    pool = source.by_category()[chosen.id]
    places = " and ".join(str(pool.index(each)) for each in pair)
    say(f"{chosen.name}, {_called(chosen, point)}: instances {places}. Written to {out}")


def _category(source: "MP100", wanted: str) -> "Category":
    """By name or id; two of MP-100's categories share a name."""
    found = [each for each in source.categories.values() if wanted in (each.name, str(each.id))]
    if len(found) != 1:
        known = ", ".join(f"{each.name} [id {each.id}]" for each in source.categories.values())
        raise UsageError("--category", expected=f"one of {known}", got=repr(wanted), fix="Give its name, or its id.")
    return found[0]


def _keypoint(category: "Category", wanted: str) -> int:
    names = category.skeleton.names
    if wanted and wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    known = ", ".join(_called(category, index) for index in range(len(names)))
    raise UsageError(
        "--keypoint", expected=f"one of {known}", got=repr(wanted), fix=f"Give a name, or an index below {len(names)}."
    )


def _called(category: "Category", keypoint: int) -> str:
    return category.texts[keypoint] or f"keypoint {keypoint}"


def _instances(
    source: "MP100", category: "Category", keypoint: int, support: int | None, query: int | None
) -> tuple[int, int]:
    """The support, which must show the keypoint, and another instance, which need not if it was asked for."""
    pool = source.by_category()[category.id]
    showing = [place for place, index in enumerate(pool) if source.instances[index].visibility[keypoint] > 0]
    for flag, place in (("--support", support), ("--query", query)):
        if place is not None and place >= len(pool):
            raise UsageError(flag, expected=f"a number below {len(pool)}", got=str(place), fix="Lower it.")
    first = next((place for place in showing if place != query), None) if support is None else support
    if first not in showing:
        raise UsageError(
            "--support", expected=f"an instance with {_called(category, keypoint)}: {', '.join(map(str, showing))}",
            got=str(first), fix="Choose one of them, or another keypoint.",
        )  # fmt: skip
    second = next((place for place in showing if place != first), None) if query is None else query
    if second is None or second == first:
        raise UsageError("--query", expected="an instance that is not the support", got=str(second), fix="Choose one.")
    return pool[first], pool[second]


def _rows(
    model: "FewShotPose", episodes: "Episodes", pair: tuple[int, int], category: "Category", keypoint: int
) -> "tuple[list[list[Panel]], list[str]]":
    """A row of panels for each branch, and what it knows."""
    from cape.data.episodes import collate_episodes
    from cape.data.transforms import PADDING
    from cape.figures import SIDE, Panel
    from cape.maps import branch_maps
    from cape.visualize import official_crop

    episode = episodes[0]
    found, branches = branch_maps(model, collate_episodes([episode]))
    clicked, queried = (official_crop(episodes.source, int(index), size=SIDE) for index in pair)
    click, goal = episode.support.points[0, keypoint].tolist(), episode.query.points[keypoint].tolist()
    truth = {"truth": goal} if episode.query.visible[keypoint] else {}
    shared = "shared " if len(branches) > 1 and model.text_decoder is None else ""
    rows = []
    for place, each in enumerate(branches):
        points = {"prediction": each.points[0, keypoint].tolist(), **truth}
        caption = ""
        if truth:
            distance = float(np.linalg.norm(np.subtract(points["prediction"], goal))) * PADDING
            caption = f"error {distance:.3f} of the box"
        if len(branches) > 1:
            points["fused"] = found.points[-1, 0, keypoint].tolist()
            caption = ", ".join(filter(None, [caption, f"weight {found.weights[0, place, keypoint]:.2f}"]))
        seen = {"click": click} if "picture" in each.name else {}
        rows.append([
            Panel(clicked, f"support: {category.name}", f"“{_called(category, keypoint)}”", marks=seen),
            Panel(queried, "similarity of matching", cells=each.similarity[0, keypoint].cpu().numpy(), marks=truth),
            *(
                Panel(queried, f"{shared}cross-attention, layer {layer}", cells=cells.cpu().numpy(), marks=truth)
                for layer, cells in enumerate(each.attention[:, 0, keypoint], start=1)
            ),
            Panel(queried, "prediction", caption, marks=points),
        ])  # fmt: skip
    return rows, [each.name for each in branches]


def main(argv: list[str] | None = None) -> int:
    """`python tools/maps.py`."""
    return run(maps, argv, name="maps")
