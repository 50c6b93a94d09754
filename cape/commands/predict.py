"""`cape predict`: the keypoints of a prompt on many pictures, in a file that annotation tools read."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cape.commands import run
from cape.errors import CapeError, FormatError, UsageError
from cape.files import check_writable

if TYPE_CHECKING:
    from cape.commands.labelled import Labelled
    from cape.predictor import Predictor
    from cape.prompting import Prompt
    from cape.spatial import SpatialModel


def predict(
    prompt: Annotated[Path, typer.Option(help="What to look for: a .prompt file of `cape prompt`.")],
    source: Annotated[
        str, typer.Option(help='Pictures: a folder, a file, a video, or a pattern in quotes ("cats/*.jpg").')
    ],
    out: Annotated[Path, typer.Option(help="What to write: a file, or a folder for labelstudio and yolo.")],
    format: Annotated[
        Literal["coco", "csv", "cvat", "labelstudio", "yolo", "dlc"], typer.Option(help="Of OUT.")
    ] = "coco",
    boxes: Annotated[
        str | None, typer.Option(help="Where the objects are: labels with boxes, as FORMAT:PATH (coco:boxes.json).")
    ] = None,
    draw: Annotated[Path | None, typer.Option(help="A folder for one overlay a picture, PICTURE.png.")] = None,
    least: Annotated[float, typer.Option(min=0, max=1, help="Leave out keypoints of a lower score.")] = 0.0,
    category: Annotated[
        str | None, typer.Option(help="What the objects are called in OUT (default: the prompt's file name).")
    ] = None,
    instances: Annotated[
        int, typer.Option(min=1, help="Objects a picture at most, without --boxes; above 1 each picture is searched.")
    ] = 1,
    sure: Annotated[
        float, typer.Option(min=0, max=1, help="With several --instances: leave out poses of a lower score.")
    ] = 0.5,
    zoom: Annotated[
        bool, typer.Option("--zoom/--no-zoom", help="Without boxes: look again, from nearer, at what was found.")
    ] = True,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 16,
    model: Annotated[str, typer.Option(help="cape-lite, or a .safetensors file.")] = "cape-lite",
    human: Annotated[
        Path | None, typer.Option(help="A whole-body model, .safetensors: it finds what the prompt has of a person.")
    ] = None,
    lift: Annotated[
        Path | None, typer.Option(help="A lifter, .safetensors: poses in space, too, in OUT_3d.json, .png and .html.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    lossy: Annotated[bool, typer.Option("--lossy", help="Write what the format can hold.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, and an unfinished run.")] = False,
    lenient: Annotated[bool, typer.Option("--lenient", help="Go on after a broken picture, and list them.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut short.")] = False,
) -> None:
    """Find a prompt's keypoints on many pictures.

    Without --boxes it looks at whole pictures, one object in each, and again at where it found the object: twice the
    work, unless --no-zoom. With --instances 5 it searches each picture for up to five, which is 20 to 70 looks. With
    --boxes it looks at every box of a picture, at no place where the labels list a picture without any, and at the
    whole of a picture that they do not list.

    While it runs, what it found stands in OUT.partial; after a kill the same command with --resume goes on from there.
    A frame of a video is the picture clip.mp4#12. Scores are from 0 to 1, and not calibrated. With --lift a person's
    keypoints (COCO's 17 by name) become poses in space as well, as `cape lift` makes them; --least and --lenient count.

    Example: cape predict --prompt cat.prompt --source "cats/*.jpg" --out poses.json --draw overlays --least 0.3
    """
    from cape import formats
    from cape.commands.console import say
    from cape.commands.labelled import Labelled
    from cape.commands.lift import write_spatial
    from cape.commands.looking import Job
    from cape.commands.partial import Partial, labels_of
    from cape.data.inputs import READABLE, left_out, names_of
    from cape.prompting import Prompt
    from cape.shipped import load

    if instances > 1 and boxes is not None:
        raise UsageError("--instances", expected="no --boxes with it", got=boxes, fix="Leave out one of the two.")
    loaded = Prompt.load(prompt)
    files, root = names_of(source), _root(source)
    kind = category or prompt.stem
    _check_names([Path(file).relative_to(root).as_posix() for file in files], kind, loaded, format, lossy=lossy)
    _check_targets(out, draw, files, overwrite=overwrite)
    spatial = None if lift is None else _lifter(lift, loaded, out, device=device, overwrite=overwrite)
    given = None if boxes is None else Labelled("--boxes", boxes, pictures=root)
    predictor = load(model, device=device, human=human)
    asked = _run_of(predictor, prompt, given, source=source, zoom=zoom, instances=instances, sure=sure)
    path, count = out.with_name(f"{out.name}.partial"), len(loaded.skeleton)
    with Partial(path, asked, count=count, resume=resume, anew=overwrite) as partial:
        if partial.records:
            say(f"{len(partial.records)} pictures are done already.")
        job = Job(
            predictor=predictor,
            prompt=_compiled(predictor, loaded),
            root=root,
            given=given,
            draw=draw,
            least=least,
            zoom=zoom,
            instances=instances,
            sure=sure,
            batch_size=batch_size,
            lenient=lenient,
            partial=partial,
        )
        try:
            found = job.run(files)
            labels = labels_of(found, job.prompt, category=kind, least=least)
            formats.write(labels, out, format, lossy=lossy, overwrite=overwrite)
        except (CapeError, KeyboardInterrupt):
            if partial.records:
                say(f"Nothing is lost: {len(partial.records)} pictures stand in {path}. Add --resume to go on.")
            raise
    path.unlink()
    if job.prompt.model != loaded.model:
        say(f"The prompt was made with another model, and compiled again with {predictor.name}.")
    job.report(found, out)
    if spatial is not None:
        write_spatial(labels, spatial, _spatial_name(out), least=0.0, sequence=False, lenient=lenient)
    unread = left_out(source)
    if unread:
        say(f"Left out: {unread}. cape reads {READABLE} and videos: convert them.")


def _run_of(
    predictor: "Predictor", prompt: Path, given: "Labelled | None", *, source: str, zoom: bool, instances: int,
    sure: float,
) -> dict[str, str]:  # fmt: skip
    """What the poses of a run depend on: only the same run is gone on with."""
    return {
        "prompt": hashlib.sha256(prompt.read_bytes()).hexdigest(),
        "model": predictor.fingerprint,
        "scores": predictor.judge.fingerprint,
        "human": "" if predictor.human is None else predictor.human.fingerprint,
        "source": str(Path(source).absolute()),
        "boxes": "" if given is None else _digest(given),
        "zoom": str(zoom),
        "instances": f"{instances} above {sure}" if instances > 1 else "1",
    }


def _compiled(predictor: "Predictor", prompt: "Prompt") -> "Prompt":
    """As the predictor compiles it, with a word about what a whole-body model finds of it."""
    import warnings

    from cape.commands.console import say

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        compiled = predictor.compiled(prompt)
    for each in caught:
        say(f"{each.message}.")
    if predictor.human is None:
        return compiled._replace(human=None)  # said once is enough
    if compiled.human is not None:
        anew = prompt.human is not None and prompt.human.model not in ("", compiled.human.model)
        again = ". Mapped again: the prompt was made with another whole-body model" if anew else ""
        say(f"{compiled.human.verdict.removesuffix('.')}{again}.")
    return compiled


def _root(source: str) -> Path:
    """The folder that pictures are named from."""
    path = Path(source)
    if path.is_dir():
        return path
    if path.exists():
        return path.parent
    fixed = [part for part in path.parts if set(part) & set("*?[")]
    return Path(*path.parts[: path.parts.index(fixed[0])]) if fixed else path.parent


def _check_names(files: Sequence[str], category: str, prompt: "Prompt", format: str, *, lossy: bool) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        FormatError: A name that no file of labels holds, or what the format would lose.
    """
    from cape.commands.partial import Record, labels_of
    from cape.formats import FORMATS, check_labels

    count = len(prompt.skeleton)
    pose = {"points": [[0.5, 0.5]] * count, "scores": [0.5] * count, "box": [0.0, 0.0, 1.0, 1.0]}
    records = [Record(file, (1, 1), [] if place else [pose]) for place, file in enumerate(files)]
    labels = check_labels(labels_of(records, prompt, category=category, least=0.0), where="OUT", error=FormatError)
    losses = FORMATS[format].losses(labels)
    if losses and not lossy:
        raise FormatError(
            "--format", expected=f"labels that {format} can hold", got="; ".join(losses),
            fix="Choose coco or csv, which hold everything, or add --lossy.",
        )  # fmt: skip


def _check_targets(out: Path, draw: Path | None, files: Sequence[str], *, overwrite: bool) -> None:
    if os.path.lexists(out) and not overwrite and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(str(out), expected="a new name", got="one that exists", fix="Choose another, or --overwrite.")
    check_writable(out.with_name(f"{out.name}.partial"))
    if draw is None:
        return
    folder = draw.resolve()
    inside = [file for file in files if folder in Path(file).resolve().parents]
    if inside:
        raise UsageError(
            "--draw", expected="a folder that none of the pictures is in", got=f"{draw}, with {inside[0]}",
            fix="Choose another, so that overlays are not taken for pictures.",
        )  # fmt: skip
    check_writable(draw / "x.png")


def _digest(given: "Labelled") -> str:
    """Of everything that the labels say about boxes.

    Raises:
        UsageError: A pose has none, or one without an area.
    """
    import hashlib

    from cape.data.inputs import as_box

    where = f"--boxes {given.text}"
    boxes = [
        (each.file, each.size, [as_box(pose.box, f"{where}: {each.file}").tolist() for pose in each.poses])
        for each in given.labels.pictures
    ]
    return hashlib.sha256(repr(boxes).encode()).hexdigest()


def _lifter(path: Path, prompt: "Prompt", out: Path, *, device: str, overwrite: bool) -> "SpatialModel":
    """The lifter, after a look at whether it can take what the prompt finds.

    Raises:
        CapeError: It is none, its joints cannot be made of the keypoints, or there is something where its files go.
    """
    from cape.commands.lift import check_targets
    from cape.data.joints import JointMap
    from cape.spatial import SpatialModel

    check_targets(_spatial_name(out), overwrite=overwrite)
    model = SpatialModel.load(path, device=device)
    JointMap(source=prompt.skeleton, target=model.skeleton)
    return model


def _spatial_name(out: Path) -> Path:
    return out.with_name(f"{out.stem}_3d.json")


def main(argv: list[str] | None = None) -> int:
    """`python tools/predict.py`."""
    return run(predict, argv, name="predict")
