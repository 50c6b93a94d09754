"""`cape prompt`: clicks on a picture, names, or both, compiled into a file that `cape predict` asks with."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cape.commands import run
from cape.errors import UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

    from cape.commands.clicks import Clicked
    from cape.predictor import Predictor
    from cape.prompting import Prompt


def prompt(
    out: Annotated[Path, typer.Option(help="The .prompt file to write; replaced if it is there.")],
    image: Annotated[
        list[Path] | None, typer.Option(help="The clicked picture; repeat it, with --points, for several.")
    ] = None,
    points: Annotated[
        list[str] | None,
        typer.Option(help="Its points: a .json or .csv file, or labels as FORMAT:PATH (coco:labels.json)."),
    ] = None,
    names: Annotated[
        str | None, typer.Option(help="With commas between them; nothing between two commas: a keypoint without one.")
    ] = None,
    edges: Annotated[str | None, typer.Option(help="Connected keypoints, counted from 0: 0-1,1-2.")] = None,
    swap: Annotated[
        str | None, typer.Option(help="Pairs that change places in a mirror: 0-1 (default: told by left and right).")
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(help="x,y,width,height of the object, one a picture (default: around the points)."),
    ] = None,
    category: Annotated[str | None, typer.Option(help="Whose poses to take from labels that have several.")] = None,
    model: Annotated[str, typer.Option(help="cape-lite, or a .safetensors file.")] = "cape-lite",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    human: Annotated[
        Path | None, typer.Option(help="A whole-body model, .safetensors: it finds what the names have of a person.")
    ] = None,
    person: Annotated[
        bool | None, typer.Option("--person/--no-person", help="With --human (default: told by the names).")
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(help="A PNG to draw the clicks in, on what the model sees of the pictures.")
    ] = None,
) -> None:
    """Compile a prompt: what to look for, out of clicked points, names or both.

    Points are pixels of the upright picture, x first. JSON holds a list of [x, y], null where the picture does not
    show a keypoint, or {"points": [...], "names": [...], "edges": [[0, 1]], "swap": [[0, 1]], "box": [x, y, w, h]}.
    CSV holds name,x,y in each row, x and y empty where the picture does not show the keypoint. Of labels each pose of
    the picture is a shot. Flags go before what files say. Names without a picture make a prompt of names alone.

    Example: cape prompt --image cat.jpg --points cat.json --names "left ear,right ear,nose" --out cat.prompt

    Then: cape predict --prompt cat.prompt --source "cats/*.jpg" --out poses.json
    """
    from cape.commands.clicks import read_box, read_clicks, read_pairs
    from cape.commands.console import say
    from cape.shipped import load

    images = image or []
    _check_targets(out, draw, images)
    shots = read_clicks(images, points or [], category)
    boxes = [read_box("--box", text) for text in box or ()]
    if boxes and len(boxes) != len(shots):
        raise UsageError(
            "--box", expected=f"one for each of {len(shots)} clicked objects", got=str(len(boxes)), fix="Count again."
        )
    predictor = load(model, device=device, human=human)
    made = predictor.prompt(
        images=[shot.image for shot in shots] or None,
        points=[shot.points for shot in shots] or None,
        names=[name.strip() for name in names.split(",")] if names is not None else _first(shots, "names"),
        edges=read_pairs("--edges", edges) if edges is not None else _first(shots, "edges"),
        swap=read_pairs("--swap", swap) if swap is not None else _first(shots, "swap"),
        boxes=(boxes or [shot.box for shot in shots]) if shots else None,
        human=person,
    )
    made.save(out)
    _report(made, predictor, out)
    if draw is not None:
        from cape.visualize import encode_png

        write_atomically(draw, encode_png(_sheet(made)))
        say(f"Drawn: {draw}")


def _check_targets(out: Path, draw: Path | None, images: Sequence[Path]) -> None:
    if draw is not None and not images:
        raise UsageError("--draw", expected="a clicked picture", got="names alone", fix="Leave it out.")
    for flag, target, suffix in (("--out", out, ".prompt"), ("--draw", draw, ".png")):
        if target is None:
            continue
        if target.suffix.lower() != suffix:
            raise UsageError(flag, expected=f"a name that ends in {suffix}", got=str(target), fix="Choose such a name.")
        if target.exists() and any(each.exists() and target.samefile(each) for each in images):
            raise UsageError(flag, expected="another file than the picture", got=str(target), fix="Choose another.")
        check_writable(target)


def _first(shots: Sequence["Clicked"], field: str) -> Any:
    """What the first file says that says anything."""
    return next((getattr(shot, field) for shot in shots if getattr(shot, field) is not None), None)


def _report(made: "Prompt", predictor: "Predictor", out: Path) -> None:
    from cape.commands.console import print_table, say
    from cape.shipped import SHIPPED

    skeleton, shots = made.skeleton, made.shots
    mirror = skeleton.mirror()
    rows = [
        (
            name,
            f"{sum(bool(shot.visible[index]) for shot in shots)} of {len(shots)}" if shots else "-",
            "yes" if made.texts[index] else "-",
            skeleton.names[mirror[index]] if mirror[index] != index else "-",
        )
        for index, name in enumerate(skeleton.names)
    ]
    print_table(("keypoint", "clicked", "named", "counterpart"), rows)
    unasked = [name for name, asked in zip(skeleton.names, made.asked, strict=True) if not asked]
    if unasked:
        say(f"Not looked for, for the model has nothing to go by: {', '.join(unasked)}")
    kind = "pictures and names"
    if predictor.model.text is None:
        kind = "pictures alone"
    elif predictor.model.support is None:
        kind = "names alone"
    origin = "ship with cape" if predictor.name in SHIPPED else f"come from {predictor.name}"
    say(f"Model: reads {kind}; its weights {origin} ({predictor.fingerprint}).")
    if predictor.human is not None:
        say(str(made.human))
    say(f"{len(skeleton)} keypoints, clicked objects: {len(shots)}. Written to {out}")


def _sheet(made: "Prompt") -> "UInt8[ndarray, 'h w 3']":
    """What the model sees of each picture, with the clicks."""
    from cape.visualize import Tile, contact_sheet, draw_pose

    tiles = []
    for shot in made.shots:
        crop = shot.crop.numpy()
        points = shot.points.double().numpy() * crop.shape[0]
        drawn = draw_pose(crop, points, shot.visible.numpy(), made.skeleton)
        tiles.append(Tile(drawn, Path(shot.name).name))
    rows = [tiles[start : start + 4] for start in range(0, len(tiles), 4)]
    return contact_sheet(rows, side=made.shots[0].crop.shape[0])


def main(argv: list[str] | None = None) -> int:
    """`python tools/prompt.py`."""
    return run(prompt, argv, name="prompt")
