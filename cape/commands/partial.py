"""What `cape predict` has found so far, in a file that a kill leaves readable, and as labels at the end.

JSON, one object a line. The first line says what the run was asked; every other one is a picture:

    {"picture": "a.jpg", "size": [640, 480], "poses": [{"points": [[x, y], ...], "scores": [...], "box": [x, y, w, h]}]}
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from cape.errors import DataError, UsageError
from cape.formats import LabelledPose, Labels, PictureLabels
from cape.prediction import VISIBLE, Prediction
from cape.prompting import Prompt


class Record(NamedTuple):
    """One picture that was looked at."""

    picture: str
    """Relative to the source, with forward slashes; a video's frame is clip.mp4#12."""
    size: tuple[int, int]
    poses: list[dict[str, list]]

    def score(self, asked: np.ndarray) -> list[float]:
        """Mean score of each pose over the keypoints asked for."""
        return [float(np.asarray(pose["scores"])[asked].mean()) for pose in self.poses]


def record_of(picture: str, size: tuple[int, int], predictions: Iterable[Prediction]) -> Record:
    """What stays of a picture's predictions."""
    fields = ("points", "scores", "box")
    return Record(picture, size, [{key: getattr(each, key).tolist() for key in fields} for each in predictions])


class Partial:
    """The file, and what is in it; `with` closes it, and removes it where nothing was found.

    Args:
        path: Beside the final file.
        asked: What the results depend on.
        count: Keypoints.
        resume: Go on with what is there.
        anew: Replace what is there.

    Attributes:
        records: By picture.

    Raises:
        DataError: What is there is damaged, or of another run.
        UsageError: Something is there, and neither flag was given; or it cannot be written.
    """

    def __init__(self, path: Path, asked: Mapping[str, str], *, count: int, resume: bool, anew: bool) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        if path.exists() and not resume and not anew:
            raise UsageError(
                str(path), expected="no unfinished run", got="one that was cut short",
                fix="Add --resume to go on with it, or --overwrite to begin anew.",
            )  # fmt: skip
        good = self._read(asked, count) if resume and path.exists() else 0
        try:
            self._file: BinaryIO = path.open("r+b" if good else "wb")
            self._file.truncate(good)
            self._file.seek(good)
        except OSError as error:
            raise _unwritable(path, error) from error
        if not good:
            self._write([dict(asked)])

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self.records:
            self.path.unlink()

    def add(self, records: Iterable[Record]) -> None:
        """Write them through to the system.

        Raises:
            UsageError: The disk is full, for example.
        """
        new = list(records)
        self._write([record._asdict() for record in new])
        self.records |= {record.picture: record for record in new}

    def _write(self, lines: Iterable[dict]) -> None:
        try:
            self._file.write("".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode())
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _read(self, asked: Mapping[str, str], count: int) -> int:
        """Fill `records`; how many bytes are whole lines. A kill may have cut the last one short."""
        content = self.path.read_bytes()
        good = content.rfind(b"\n") + 1
        lines = content[:good].splitlines()
        if not lines:
            return 0
        try:
            self._compare(dict(json.loads(lines[0])), asked)
            for line in lines[1:]:
                found = json.loads(line)
                width, height = map(int, found["size"])
                record = Record(str(found["picture"]), (width, height), found["poses"])
                _check(record, count)
                self.records[record.picture] = record
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                str(self.path), expected="lines as an unfinished run leaves them",
                got=f"{type(error).__name__}: {error}"[:160], fix="Remove it, or --overwrite to begin anew.",
            ) from error  # fmt: skip
        return good

    def _compare(self, before: Mapping[str, str], asked: Mapping[str, str]) -> None:
        different = [key for key in {**asked, **before} if asked.get(key) != before.get(key)]
        if different:
            raise DataError(
                str(self.path), expected="an unfinished run that was asked the same", got=f"another {different[0]}",
                fix="Ask as before, or --overwrite to begin anew.",
            )  # fmt: skip


def _check(record: Record, count: int) -> None:
    for pose in record.poses:
        for key, shape in (("points", (count, 2)), ("scores", (count,)), ("box", (4,))):
            values = np.asarray(pose[key], dtype=np.float64)
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{key} of {record.picture}")


def labels_of(records: Iterable[Record], prompt: Prompt, *, category: str, least: float) -> Labels:
    """What was found, as labels.

    Args:
        records: In the order of the pictures.
        prompt: That was asked.
        category: What its objects are called.
        least: Keypoints of a lower score get visibility 0.
    """
    pictures, number = [], 0
    for record in records:
        poses = []
        for pose, score in zip(record.poses, record.score(prompt.asked), strict=True):
            number += 1
            points, scores = np.array(pose["points"]), np.array(pose["scores"])
            shown = prompt.asked & (scores >= least)
            poses.append(
                LabelledPose(
                    id=number,
                    category=category,
                    points=points * shown[:, None],
                    visibility=np.where(shown, VISIBLE, 0).astype(np.int8),
                    box=np.array(pose["box"]),
                    scores=scores * shown,
                    score=score,
                )
            )
        pictures.append(PictureLabels(record.picture, record.size, tuple(poses)))
    return Labels({category: prompt.skeleton}, tuple(pictures))


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(str(path), expected="a file that can be written", got=str(error), fix="Choose another --out.")
