"""`cape predict`: the keypoints of a prompt on many pictures, in a file that annotation tools read."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from cape.commands import run
from cape.errors import CapeError, FormatError, PictureError, UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from numpy import ndarray

    from cape.commands.labelled import Labelled
    from cape.commands.partial import Partial, Record
    from cape.data.inputs import Picture
    from cape.predictor import Predictor
    from cape.prompting import Prompt

HELD = 2**29
"""Bytes of decoded pictures that may wait for a full batch."""


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
    zoom: Annotated[
        bool, typer.Option("--zoom/--no-zoom", help="Without boxes: look again, from nearer, at what was found.")
    ] = True,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 16,
    model: Annotated[str, typer.Option(help="cape-lite, or a .safetensors file.")] = "cape-lite",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    lossy: Annotated[bool, typer.Option("--lossy", help="Write what the format can hold.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, and an unfinished run.")] = False,
    lenient: Annotated[bool, typer.Option("--lenient", help="Go on after a broken picture, and list them.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut short.")] = False,
) -> None:
    """Find a prompt's keypoints on many pictures.

    Without --boxes it looks at whole pictures, one object in each, and again at where it found the object: twice the
    work, unless --no-zoom. With --boxes it looks at every box of a picture, at
    no place where the labels list a picture without any, and at the whole of a picture that they do not list.

    While it runs, what it found stands in OUT.partial; after a kill the same command with --resume goes on from there.
    A frame of a video is the picture clip.mp4#12. Scores are from 0 to 1, and not calibrated.

    Example: cape predict --prompt cat.prompt --source "cats/*.jpg" --out poses.json --draw overlays --least 0.3
    """
    import hashlib

    from cape.commands.console import say
    from cape.commands.labelled import Labelled
    from cape.commands.partial import Partial
    from cape.data.inputs import names_of
    from cape.predictor import load
    from cape.prompting import Prompt

    loaded = Prompt.load(prompt)
    files, root = names_of(source), _root(source)
    kind = category or prompt.stem
    _check_names([Path(file).relative_to(root).as_posix() for file in files], kind, loaded, format, lossy=lossy)
    _check_targets(out, draw, files, overwrite=overwrite)
    given = None if boxes is None else Labelled("--boxes", boxes, pictures=root)
    predictor = load(model, device=device)
    asked = {
        "prompt": hashlib.sha256(prompt.read_bytes()).hexdigest(),
        "model": predictor.fingerprint,
        "source": str(Path(source).absolute()),
        "boxes": "" if given is None else _digest(given),
        "zoom": str(zoom),
    }
    path, count = out.with_name(f"{out.name}.partial"), len(loaded.skeleton)
    with Partial(path, asked, count=count, resume=resume, anew=overwrite) as partial:
        if partial.records:
            say(f"{len(partial.records)} pictures are done already.")
        job = _Job(
            predictor=predictor,
            prompt=predictor.compiled(loaded),
            root=root,
            given=given,
            draw=draw,
            least=least,
            zoom=zoom,
            batch_size=batch_size,
            lenient=lenient,
            partial=partial,
        )
        try:
            found = job.run(files)
            _write(found, job.prompt, kind, out, format, least=least, lossy=lossy, overwrite=overwrite)
        except (CapeError, KeyboardInterrupt):
            if partial.records:
                say(f"Nothing is lost: {len(partial.records)} pictures stand in {path}. Add --resume to go on.")
            raise
    path.unlink()
    if job.prompt is not loaded:
        say(f"The prompt was made with another model, and compiled again with {predictor.name}.")
    job.report(found, out)


class _Job:
    """One run over the pictures."""

    def __init__(
        self,
        *,
        predictor: "Predictor",
        prompt: "Prompt",
        root: Path,
        given: "Labelled | None",
        draw: Path | None,
        least: float,
        zoom: bool,
        batch_size: int,
        lenient: bool,
        partial: "Partial",
    ) -> None:
        self.predictor, self.prompt, self.root, self.given, self.partial = predictor, prompt, root, given, partial
        self.draw, self.least, self.lenient = draw, least, lenient
        self.zoom, self.batch_size = zoom, batch_size
        self.failed: list[PictureError] = []
        self.whole = 0
        self.order: dict[str, None] = {}

    def run(self, files: Sequence[str]) -> "list[Record]":
        """Look at every picture that is not done; all of them, in order."""
        from cape.commands.console import progress
        from cape.data.inputs import VIDEOS

        films = any(Path(file).suffix.lower() in VIDEOS for file in files)
        with progress((), "predict", total=None if films else len(files), unit=" pictures") as bar:
            for batch in self._batches(files):
                self._look(batch)
                bar.update(len(self.order) + len(self.failed) - bar.n)
        if not self.order:
            first = self.failed[0] if self.failed else None
            raise PictureError(
                str(self.root), expected="a picture that can be read",
                got=f"none of {len(self.failed)}; the first: {first}", fix="Give others.",
            )  # fmt: skip
        return [self.partial.records[name] for name in self.order]

    def report(self, found: "Sequence[Record]", out: Path) -> None:
        """What came of it."""
        from cape.commands.console import say

        scored = [(score, each.picture) for each in found for score in each.score(self.prompt.asked)]
        mean = sum(score for score, _ in scored) / max(1, len(scored))
        say(f"{len(found)} pictures, {len(scored)} poses, mean score {mean:.3f}. Written to {out}")
        if self.given is not None and self.whole:
            say(f"{self.whole} pictures are not in {self.given.text}: looked at whole.")
        if scored:
            say("Least sure:")
        for score, picture in sorted(scored)[:5]:
            say(f"  {score:.3f}  {picture}")
        if self.failed:
            say(f"{len(self.failed)} pictures could not be used:")
        for error in self.failed:
            say(f"  {error}")

    def _batches(self, files: Sequence[str]) -> "Iterator[list[_Look]]":
        """Pictures that are not done; those before a broken one come before its error."""
        from cape.data.inputs import VIDEOS, pictures_of

        batch: list[_Look] = []
        for file in files:
            try:
                if Path(file).suffix.lower() not in VIDEOS and self._is_done(self._name(file)):
                    continue
                for picture in pictures_of(file):
                    if self._is_done(self._name(picture.name)):
                        continue
                    batch.append(self._look_at(picture))
                    self.order[batch[-1].name] = None
                    if len(batch) == self.batch_size or sum(each.picture.pixels.nbytes for each in batch) > HELD:
                        yield batch
                        batch = []
            except PictureError as error:
                if not self.lenient:
                    yield batch
                    raise
                self.failed.append(error)
        yield batch

    def _name(self, path: str) -> str:
        return Path(path).relative_to(self.root).as_posix()

    def _overlay(self, name: str) -> Path | None:
        return None if self.draw is None else self.draw / f"{name}.png"

    def _is_done(self, name: str) -> bool:
        overlay = self._overlay(name)
        done = name in self.partial.records and (overlay is None or overlay.exists())
        if done:
            self.order[name] = None
        return done

    def _look_at(self, picture: "Picture") -> "_Look":
        from cape.commands.labelled import check_size

        name = self._name(picture.name)
        labelled = None if self.given is None else self.given.find(name)
        if labelled is None:
            self.whole += 1
            return _Look(name, picture, [None])
        check_size(picture.name, (picture.pixels.shape[1], picture.pixels.shape[0]), labelled)
        return _Look(name, picture, [pose.box for pose in labelled.poses])

    def _look(self, batch: "Sequence[_Look]") -> None:
        from cape.commands.partial import record_of
        from cape.visualize import encode_png

        pixels = [each.picture.pixels for each in batch for _ in each.boxes]
        boxes = [box for each in batch for box in each.boxes]
        answers = iter(self.predictor(self.prompt, pixels, boxes, zoom=self.zoom, batch_size=self.batch_size))
        records = []
        for each in batch:
            predictions = [next(answers) for _ in each.boxes]
            scene, overlay = each.picture.pixels, self._overlay(each.name)
            if overlay is not None:
                for prediction in predictions:
                    scene = prediction.draw(scene, least=self.least)
                write_atomically(overlay, encode_png(scene))
            records.append(record_of(each.name, (scene.shape[1], scene.shape[0]), predictions))
        self.partial.add(records)


class _Look(NamedTuple):
    """A picture to look at, at each of its boxes; None is the whole of it."""

    name: str
    picture: "Picture"
    boxes: "list[ndarray | None]"


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


def _write(
    found: "Sequence[Record]",
    prompt: "Prompt",
    category: str,
    out: Path,
    format: str,
    *,
    least: float,
    lossy: bool,
    overwrite: bool,
) -> None:
    from cape import formats
    from cape.commands.partial import labels_of

    labels = labels_of(found, prompt, category=category, least=least)
    formats.write(labels, out, format, lossy=lossy, overwrite=overwrite)


def main(argv: list[str] | None = None) -> int:
    """`python tools/predict.py`."""
    return run(predict, argv, name="predict")
