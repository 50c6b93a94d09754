"""The run of `cape predict` over its pictures: batches, what is done already, overlays, broken pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from numpy import ndarray

from cape.commands.console import progress, say
from cape.commands.labelled import Labelled, check_size
from cape.commands.partial import Partial, Record, record_of
from cape.data.inputs import VIDEOS, Picture, pictures_of
from cape.errors import PictureError
from cape.files import write_atomically
from cape.prediction import Prediction
from cape.predictor import Predictor
from cape.prompting import Prompt
from cape.visualize import encode_png

HELD = 2**29
"""Bytes of decoded pictures that may wait for a full batch."""


class Look(NamedTuple):
    """A picture to look at, at each of its boxes; None is the whole of it."""

    name: str
    picture: Picture
    boxes: list[ndarray | None]


class Job:
    """One run over the pictures.

    Args:
        predictor: Asked for every picture.
        prompt: As it compiled it.
        root: The folder that pictures are named from.
        given: Boxes, where there are labels with them.
        draw: A folder for overlays.
        least: Keypoints of a lower score are not drawn.
        zoom: See `Predictor`.
        instances: Objects a picture without boxes.
        sure: With several instances, poses of a lower score are none.
        batch_size: Pictures at once.
        lenient: Go on after a broken picture.
        partial: Where what is found is kept.
    """

    def __init__(
        self,
        *,
        predictor: Predictor,
        prompt: Prompt,
        root: Path,
        given: Labelled | None,
        draw: Path | None,
        least: float,
        zoom: bool,
        instances: int,
        sure: float,
        batch_size: int,
        lenient: bool,
        partial: Partial,
    ) -> None:
        self.predictor, self.prompt, self.root, self.given, self.partial = predictor, prompt, root, given, partial
        self.draw, self.least, self.lenient = draw, least, lenient
        self.zoom, self.instances, self.sure, self.batch_size = zoom, instances, sure, batch_size
        self.failed: list[PictureError] = []
        self.whole = 0
        self.order: dict[str, None] = {}

    def run(self, files: Sequence[str]) -> list[Record]:
        """Look at every picture that is not done; all of them, in order."""
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

    def report(self, found: Sequence[Record], out: Path) -> None:
        """What came of it."""
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

    def _batches(self, files: Sequence[str]) -> Iterator[list[Look]]:
        """Pictures that are not done; those before a broken one come before its error."""
        batch: list[Look] = []
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

    def _look_at(self, picture: Picture) -> "Look":

        name = self._name(picture.name)
        labelled = None if self.given is None else self.given.find(name)
        if labelled is None:
            self.whole += 1
            return Look(name, picture, [None])
        check_size(picture.name, (picture.pixels.shape[1], picture.pixels.shape[0]), labelled)
        return Look(name, picture, [pose.box for pose in labelled.poses])

    def _look(self, batch: Sequence[Look]) -> None:

        records = []
        for each, predictions in zip(batch, self._asked(batch), strict=True):
            scene, overlay = each.picture.pixels, self._overlay(each.name)
            if overlay is not None:
                for prediction in predictions:
                    scene = prediction.draw(scene, least=self.least)
                write_atomically(overlay, encode_png(scene))
            records.append(record_of(each.name, (scene.shape[1], scene.shape[0]), predictions))
        self.partial.add(records)

    def _asked(self, batch: Sequence[Look]) -> list[list[Prediction]]:
        """What the predictor finds in each picture."""
        if self.instances > 1:
            pictures = [each.picture.pixels for each in batch]
            options = {"most": self.instances, "least": self.sure, "batch_size": self.batch_size}
            return [*self.predictor.search(self.prompt, pictures, **options)]
        pictures = [each.picture.pixels for each in batch for _ in each.boxes]
        boxes = [box for each in batch for box in each.boxes]
        answers = iter(self.predictor(self.prompt, pictures, boxes, zoom=self.zoom, batch_size=self.batch_size))
        return [[next(answers) for _ in each.boxes] for each in batch]
