"""`cape lift`: keypoints of people to poses in space, with a picture and a page to turn them."""

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cape.commands import invocation, run
from cape.errors import UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.formats import Labels
    from cape.spatial import SpatialModel, SpatialTrack
    from cape.tracks import Tracks

DRAWN = (".png", ".html")
"""What is written beside OUT."""


def lift(
    poses: Annotated[
        str, typer.Argument(help="Keypoints, FORMAT:PATH (coco:poses.json): what cape predict writes, or others.")
    ],
    lifter: Annotated[Path, typer.Argument(help="Weights of cape train or cape convert lifter, .safetensors.")],
    out: Annotated[Path, typer.Argument(help="The .json to write; a .png and an .html of the same name beside it.")],
    least: Annotated[float, typer.Option(min=0, max=1, help="Keypoints of a lower score are not known.")] = 0.0,
    sequence: Annotated[
        bool, typer.Option("--sequence", help="All pictures follow each other (a video's frames do so anyway).")
    ] = False,
    pictures: Annotated[
        Path, typer.Option(help="The picture folder, for formats that do not say how large the pictures are.")
    ] = Path(),
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    lenient: Annotated[bool, typer.Option("--lenient", help="Leave out poses that cannot be lifted.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT and what is beside it.")] = False,
) -> None:
    """Lift keypoints of people to three dimensions.

    The keypoints are COCO's 17 by name, or others that have these (the whole body), or the lifter's own joints. Pelvis,
    spine, thorax and head are mixed from hips, shoulders and ears. A joint that is not known in one frame of a video
    stands between its neighbours in time; one that no frame has is an error. A sequence shorter than what the lifter
    looks at is extended by repeating its first and last frame.

    With a loss-net in the checkpoint every pose has a structural energy: the lower, the more plausible. It compares
    poses of the same keypoints; between pictures it is no confidence.

    Example: cape lift coco:poses.json lifter.safetensors outputs/space.json --least 0.3
    """
    from cape.commands.labelled import Labelled
    from cape.spatial import SpatialModel

    check_targets(out, overwrite=overwrite)
    labels = Labelled("POSES", poses, pictures=pictures).labels
    model = SpatialModel.load(lifter, device=device)
    write_spatial(labels, model, out, least=least, sequence=sequence, lenient=lenient)


def check_targets(out: Path, *, overwrite: bool) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        UsageError: OUT is no .json, something is there, or the folder cannot be written.
    """
    if out.suffix != ".json":
        raise UsageError("OUT", expected="a name that ends in .json", got=str(out), fix="For example space.json.")
    for target in (out, *(out.with_suffix(suffix) for suffix in DRAWN)):
        if os.path.lexists(target) and not overwrite:
            got, fix = "one that exists", "Choose another, or --overwrite."
            raise UsageError(str(target), expected="a new name", got=got, fix=fix)
        check_writable(target)


def write_spatial(
    labels: "Labels", model: "SpatialModel", out: Path, *, least: float, sequence: bool, lenient: bool
) -> None:
    """Lift the people of labels, write the three files, and say what came of it.

    Args:
        labels: Keypoints.
        model: The lifter.
        out: The JSON file.
        least: See `make_tracks`, like `sequence`.
        sequence: Whether all pictures are one.
        lenient: Leave out people who cannot be lifted.

    Raises:
        CapeError: As `make_tracks` and `SpatialModel.lift`; without `lenient` the first person who cannot be lifted.
    """
    from cape.commands.console import say
    from cape.scenes import pose_page, pose_picture
    from cape.tracks import make_tracks

    people = make_tracks(labels, model.skeleton, least=least, sequence=sequence)
    if people.left and (not lenient or not people.tracks):
        raise people.left[0]
    found = model.lift(people.tracks)
    about = f"Lifted by {model.name}. {_meaning(model)}"
    write_atomically(out, json.dumps(_content(found, model), indent=None, allow_nan=False) + "\n")
    write_atomically(out.with_suffix(".png"), pose_picture(found, model.skeleton))
    write_atomically(out.with_suffix(".html"), pose_page(found, model.skeleton, title=out.stem, about=about))
    for line in _report(found, people, model):
        say(line)
    say(f"Written to {out}, and {', '.join(suffix for suffix in DRAWN)} beside it: the page turns and plays them.")


def _meaning(model: "SpatialModel") -> str:
    if not model.judges:
        return "No energies: the checkpoint has no loss-net that judges poses."
    return "Energy: the lower, the more plausible for the same keypoints; between pictures it is no confidence."


def _content(found: "list[SpatialTrack]", model: "SpatialModel") -> dict[str, Any]:
    """The JSON file."""
    return {
        "command": invocation(),
        "lifter": model.name,
        "unit": "metres relative to the root; x right, y down, z away from the camera",
        "energy": _meaning(model),
        "joints": list(model.skeleton.names),
        "edges": [list(edge) for edge in model.skeleton.edges],
        "people": [{"name": each.track.name, "frames": _frames(each, model)} for each in found],
    }


def _frames(found: "SpatialTrack", model: "SpatialModel") -> list[dict[str, Any]]:
    frames = []
    for place, (picture, number) in enumerate(found.track.frames):
        lacking = [model.skeleton.names[joint] for joint in (~found.track.found[place]).nonzero()[0]]
        energy = float(found.energy[place])
        frames.append(
            {
                "picture": picture,
                "pose": number,
                "energy": None if math.isnan(energy) else round(energy, 6),
                "filled": lacking,
                "joints": found.joints[place].round(5).tolist(),
            }
        )
    return frames


def _report(found: "list[SpatialTrack]", people: "Tracks", model: "SpatialModel") -> list[str]:
    """What a reader should know about the result."""
    frames, single = sum(len(each.joints) for each in found), model.frames == 1
    lines = [f"{frames} poses of {len(found)} {'pictures' if single else 'sequences'} in space, by {model.name}."]
    filled = sum(int((~each.track.found).sum()) for each in found)
    if filled:
        lines.append(f"{filled} joints were not found, and stand between their neighbours in time.")
    short = sum(len(each.joints) < model.frames for each in found)
    if short:
        lines.append(
            f"The lifter looks at {model.frames} frames: {short} shorter sequences were extended by repeating frames."
        )
    if model.judges:
        worst = max(((float(each.energy.max()), each.track.name) for each in found), default=(0.0, ""))
        lines.append(f"Highest energy: {worst[0]:.3f}, {worst[1]}.")
    if people.left:
        lines.append(f"{len(people.left)} people were left out; the first: {people.left[0]}")
    return lines


def main(argv: list[str] | None = None) -> int:
    """`python tools/lift.py`."""
    return run(lift, argv, name="lift")
