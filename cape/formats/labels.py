"""Annotated poses as every format exchanges them, and the one check of what is legal."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8

from cape.errors import AnnotationError, DataError, SkeletonError
from cape.skeleton import Skeleton

LARGEST = 1e9
"""No coordinate, box or score is larger."""
MAX_SIDE = 1_000_000
MAX_TEXT = 10_000


class LabelledPose(NamedTuple):
    """One object in one picture."""

    id: int
    """Unique in the whole set, 64 bits."""
    category: str
    points: Float[np.ndarray, "K 2"]
    """x, y in pixels, the centre of the first pixel is 0; zeros where visibility is 0. May lie outside the picture."""
    visibility: Int8[np.ndarray, "K"]
    """0 absent or not labelled, 1 labelled and occluded, 2 visible (COCO)."""
    box: Float[np.ndarray, "4"] | None = None
    """x, y, width, height in pixels, measured from the picture's corner as in COCO: a whole picture is 0, 0, W, H."""
    scores: Float[np.ndarray, "K"] | None = None
    """Confidence of each keypoint; zeros where visibility is 0. None: nobody gave any."""
    score: float | None = None
    """Confidence of the whole pose."""


class PictureLabels(NamedTuple):
    """One picture and what is in it."""

    file: str
    """Relative to the picture folder, with forward slashes."""
    size: tuple[int, int]
    """Width and height of the upright picture."""
    poses: tuple[LabelledPose, ...]


class Labels(NamedTuple):
    """A set of annotated pictures."""

    categories: dict[str, Skeleton]
    pictures: tuple[PictureLabels, ...]

    def poses(self) -> Iterable[LabelledPose]:
        """All poses in file order."""
        return (pose for picture in self.pictures for pose in picture.poses)


def check_labels(labels: Labels, *, where: str, error: type[DataError] = AnnotationError) -> Labels:
    """The labels, if they are legal; what this accepts every format writes whole or refuses with a reason.

    Args:
        labels: What is to be written, or was read.
        where: Name for the message.
        error: What to raise.

    Raises:
        DataError: Of the kind `error`: a repeated id or file, an unknown category, arrays of another shape, numbers
            that are not finite or larger than `LARGEST`, a name that cannot be written to a file.
    """
    try:
        for name, skeleton in labels.categories.items():
            _check_category(f"{where}: category {name!r:.80}", name, skeleton)
        files: set[str] = set()
        ids: set[int] = set()
        for picture in labels.pictures:
            here = f"{where}: picture {picture.file!r:.80}"
            _check_picture(here, picture)
            _check_new(here, "file", picture.file, files)
            for pose in picture.poses:
                _check_pose(f"{where}: pose {pose.id!r:.40}", pose, labels.categories)
                _check_new(f"{where}: pose {pose.id}", "id", pose.id, ids)
    except AnnotationError as found:
        if error is AnnotationError:
            raise
        raise error(found.where, expected=found.expected, got=found.got, fix=found.fix) from None
    return labels


def make_skeleton(
    where: str,
    *,
    names: Sequence[str],
    edges: Sequence[Sequence[int]] = (),
    swap: Sequence[Sequence[int]] = (),
    parts: Mapping[str, Sequence[int]] | None = None,
) -> Skeleton:
    """The skeleton that a file describes; indices are integers already.

    Raises:
        AnnotationError: It does not fit together; the message begins with `where`.
    """
    for pair in (*edges, *swap):
        if len(pair) != 2:
            raise AnnotationError(where, expected="pairs of keypoints", got=str(pair)[:80], fix="Repair the file.")
    try:
        return Skeleton(
            tuple(names),
            tuple((a, b) for a, b in edges),
            tuple((a, b) for a, b in swap),
            {part: tuple(members) for part, members in (parts or {}).items()},
        )
    except SkeletonError as error:
        raise AnnotationError(
            f"{where}, {error.where}", expected=error.expected, got=error.got, fix=error.fix
        ) from None


def make_pose(where: str, pose: LabelledPose) -> LabelledPose:
    """A pose out of a file, with zeros where nothing is labelled; some programs keep a place there.

    Raises:
        AnnotationError: Numbers that are not finite or too large.
    """
    check_numbers(where, "coordinates", pose.points[pose.visibility > 0])
    absent = pose.visibility == 0
    points = np.where(absent[:, None], 0.0, pose.points)
    scores = None if pose.scores is None else np.where(absent, 0.0, pose.scores)
    return pose._replace(points=points, scores=scores)


def clean_file(where: str, name: object) -> str:
    """A file name out of a file: relative, forward slashes.

    Raises:
        AnnotationError: It is none, or leaves the picture folder.
    """
    text = name.replace("\\", "/") if isinstance(name, str) else ""
    path = PurePosixPath(text)
    if not path.parts or ".." in path.parts or path.is_absolute() or "\0" in text or text[1:3] == ":/":
        raise AnnotationError(
            where, expected="a file inside the picture folder", got=f"{name!r:.80}", fix="Repair the name."
        )
    return str(path)


def check_text(where: str, what: str, text: object) -> str:
    """A name, if a file can hold it.

    Raises:
        AnnotationError: No text, half a character, a NUL, or longer than `MAX_TEXT`.
    """
    broken = isinstance(text, str) and any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in text)
    if not isinstance(text, str) or broken or len(text) > MAX_TEXT:
        raise AnnotationError(
            where,
            expected=f"{what}: whole characters, at most {MAX_TEXT}",
            got=ascii(text)[:80],
            fix="Rename it.",
        )
    return text


def check_numbers(where: str, what: str, values: np.ndarray) -> None:
    """Raise unless all are finite and of a size that pixels can have.

    Raises:
        AnnotationError: They are not.
    """
    wrong = ~(np.abs(values) <= LARGEST)
    if wrong.any():
        raise AnnotationError(
            where,
            expected=f"finite {what}, at most {LARGEST:g}",
            got=str(values[wrong].ravel()[0]),
            fix="Repair or remove it.",
        )


def _check_category(where: str, name: object, skeleton: Skeleton) -> None:
    if not check_text(where, "the category's name", name):
        raise AnnotationError(where, expected="a name", got="an empty one", fix="Name the category.")
    if not len(skeleton):
        raise AnnotationError(where, expected="at least one keypoint", got="none", fix="Name its keypoints.")
    for text in (*skeleton.names, *skeleton.parts):
        check_text(where, "names of keypoints and parts", text)


def _check_picture(where: str, picture: PictureLabels) -> None:
    check_text(where, "the file name", picture.file)
    if clean_file(where, picture.file) != picture.file:
        raise AnnotationError(
            where, expected="a plain relative path", got=repr(picture.file)[:80],
            fix=f"Write it as {clean_file(where, picture.file)!r}.",
        )  # fmt: skip
    for side in picture.size:
        if isinstance(side, bool) or int(side) != side or not 1 <= side <= MAX_SIDE:
            raise AnnotationError(
                where, expected=f"sides of 1 to {MAX_SIDE} pixels", got=str(picture.size), fix="Repair the size."
            )


def _check_pose(where: str, pose: LabelledPose, categories: dict[str, Skeleton]) -> None:
    if isinstance(pose.id, bool) or not isinstance(pose.id, int) or not -(2**63) <= pose.id < 2**63:
        raise AnnotationError(where, expected="an integer id of 64 bits", got=repr(pose.id)[:80], fix="Renumber it.")
    if pose.category not in categories:
        known = ", ".join(categories)[:200] or "none"
        raise AnnotationError(
            where, expected=f"a category of the set ({known})", got=repr(pose.category)[:80], fix="Add the category."
        )
    count = len(categories[pose.category])
    arrays = [
        ("points", pose.points, (count, 2)),
        ("visibility", pose.visibility, (count,)),
        ("box", pose.box, (4,)),
        ("scores", pose.scores, (count,)),
    ]
    for what, values, shape in arrays:
        if values is None:
            continue
        if np.shape(values) != shape:
            raise AnnotationError(
                where, expected=f"{what} of shape {shape}", got=str(np.shape(values)), fix="One row a keypoint."
            )
        check_numbers(where, what, np.asarray(values))
    if not np.isin(pose.visibility, (0, 1, 2)).all():
        raise AnnotationError(
            where,
            expected="visibility 0, 1 or 2",
            got=str(pose.visibility)[:80],
            fix="0 absent, 1 occluded, 2 visible.",
        )
    absent = pose.visibility == 0
    if pose.points[absent].any() or (pose.scores is not None and pose.scores[absent].any()):
        raise AnnotationError(
            where, expected="zeros where visibility is 0", got="a point or a score", fix="Zero it, or set visibility 1."
        )
    if pose.box is not None and min(pose.box[2:]) < 0:
        raise AnnotationError(
            where, expected="a box of width and height 0 or more", got=str(pose.box), fix="Redraw the box."
        )
    if pose.score is not None:
        check_numbers(where, "score", np.asarray(pose.score))


def _check_new(where: str, what: str, value: object, known: set) -> None:
    if value in known:
        raise AnnotationError(where, expected=f"a unique {what}", got="the same twice", fix="Tell them apart.")
    known.add(value)
