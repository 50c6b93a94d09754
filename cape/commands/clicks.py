"""Clicked points as `cape prompt` is given them: JSON, a small CSV, or any labels."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cape.commands.labelled import Labelled, check_size, format_and_path
from cape.data.pictures import upright_size
from cape.errors import PromptError, UsageError
from cape.formats import PictureLabels
from cape.formats.labels import LARGEST
from cape.formats.reading import read_json, read_rows

Pairs = list[tuple[int, int]]
KEYS = ("points", "names", "edges", "swap", "box")
HEAD = ["name", "x", "y"]


class Clicked(NamedTuple):
    """One picture with one object's points on it. What a file does not say is None."""

    image: Path
    points: list[tuple[float, float] | None]
    """Pixels of the upright picture; None where it does not show a keypoint."""
    names: list[str] | None = None
    edges: Pairs | None = None
    swap: Pairs | None = None
    box: list[float] | None = None


def read_clicks(images: Sequence[Path], points: Sequence[str], category: str | None) -> list[Clicked]:
    """The shots of a prompt.

    Args:
        images: Clicked pictures.
        points: A .json or .csv file for each of them, or FORMAT:PATH; one FORMAT:PATH may stand for all.
        category: Whose poses to take from labels; None where the pictures show those of one category.

    Returns:
        One for each picture, or for each pose where labels have several in a picture.

    Raises:
        AnnotationError: A file cannot be read.
        PromptError: It holds no points, or the names differ from file to file.
        UsageError: Flags that do not go together.
    """
    given = [*points] * len(images) if len(points) == 1 and format_and_path(points[0]) else [*points]
    if len(given) != len(images):
        raise UsageError(
            "--image and --points", expected="as many of one as of the other, in the same order",
            got=f"{len(images)} and {len(points)}", fix="Give --points after each --image.",
        )  # fmt: skip
    if category is not None and not any(map(format_and_path, given)):
        raise UsageError("--category", expected="--points FORMAT:PATH with it", got="none", fix="Leave it out.")
    shots = [
        shot for image, text in zip(images, given, strict=True)
        for shot in (_of_labels(image, text, category) if format_and_path(text) else [_of_file(image, Path(text))])
    ]  # fmt: skip
    known = [shot for shot in shots if shot.names is not None]
    for shot in known:
        if shot.names != known[0].names:
            raise PromptError(
                str(shot.image), expected=f"the names of {known[0].image}, in its order", got=f"{shot.names}"[:160],
                fix="Use the same names, and null or empty cells where a picture does not show a keypoint.",
            )  # fmt: skip
    return shots


def read_pairs(flag: str, text: str) -> Pairs:
    """The pairs of a flag such as `--edges 0-1,1-2`; none in an empty text.

    Raises:
        UsageError: It holds something else.
    """
    try:
        pairs = [tuple(int(end) for end in pair.split("-")) for pair in text.split(",") if text.strip()]
        return [(first, second) for first, second in pairs]
    except ValueError as error:
        raise UsageError(flag, expected="pairs such as 0-1,1-2", got=text, fix="Count keypoints from 0.") from error


def read_box(flag: str, text: str) -> list[float]:
    """The box of a flag such as `--box 10,20,300,200`.

    Raises:
        UsageError: It holds something else.
    """
    try:
        x, y, width, height = map(float, text.split(","))
    except ValueError as error:
        raise UsageError(flag, expected="x,y,width,height in pixels", got=text, fix="For example 10,20,300,200.") from (
            error
        )
    return [x, y, width, height]


def _of_file(image: Path, path: Path) -> Clicked:
    if path.suffix.lower() == ".json":
        return _of_json(image, path)
    if path.suffix.lower() == ".csv":
        return _of_csv(image, path)
    raise UsageError(
        "--points", expected="a .json or .csv file, or FORMAT:PATH", got=str(path), fix="For example coco:labels.json."
    )


def _of_json(image: Path, path: Path) -> Clicked:
    content = read_json(path, "points")
    fields = content if isinstance(content, dict) else {"points": content}
    strange = sorted(set(fields) - set(KEYS))
    if strange or "points" not in fields:
        got = f"{', '.join(strange)}"[:80] if strange else "no points"
        raise _wrong(path, f"a list of points, or an object with {', '.join(KEYS)}", got)
    if not isinstance(fields["points"], list):
        raise _wrong(path, "a list of points", json.dumps(fields["points"])[:80])
    points = [_place(path, f"point {index}", each) for index, each in enumerate(fields["points"])]
    names = fields.get("names")
    if names is not None and not (isinstance(names, list) and all(isinstance(each, str) for each in names)):
        raise _wrong(path, "a list of names", json.dumps(names)[:80])
    edges, swap = (_pairs_of(path, key, fields.get(key)) for key in ("edges", "swap"))
    box = fields.get("box")
    if box is not None and not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        raise _wrong(path, "a box as [x, y, width, height]", json.dumps(box)[:80])
    return Clicked(image, points, names, edges, swap, None if box is None else [float(each) for each in box])


def _of_csv(image: Path, path: Path) -> Clicked:
    rows = [[cell.strip() for cell in row] for row in read_rows(path, "points") if any(cell.strip() for cell in row)]
    rows = rows[1:] if rows and [cell.lower() for cell in rows[0]] == HEAD else rows
    points: list[tuple[float, float] | None] = []
    for number, row in enumerate(rows, start=1):
        if len(row) != 3:
            raise _wrong(path, "name,x,y in each row", ",".join(row)[:80])
        try:
            place = [float(cell) for cell in row[1:]] if any(row[1:]) else None
        except ValueError:
            place = row[1:]
        points.append(_place(path, f"keypoint {number}", place))
    return Clicked(image, points, [row[0] for row in rows])


def _place(path: Path, where: str, place: Any) -> tuple[float, float] | None:
    if place is None:
        return None
    if not (isinstance(place, list) and len(place) == 2 and all(map(_is_number, place))):
        raise _wrong(f"{path}, {where}", "x and y in pixels, or nothing", json.dumps(place)[:80])
    return float(place[0]), float(place[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _pairs_of(path: Path, key: str, pairs: Any) -> Pairs | None:
    if pairs is None:
        return None
    try:
        if any(type(end) is not int for pair in pairs for end in pair):
            raise ValueError("no whole numbers")
        return [(first, second) for first, second in pairs]
    except (TypeError, ValueError) as error:
        raise _wrong(path, f"{key} as [[0, 1], [1, 2]]", json.dumps(pairs)[:80]) from error


def _of_labels(image: Path, text: str, category: str | None) -> list[Clicked]:
    labelled = Labelled("--points", text, pictures=image.parent)
    picture = labelled.find(image.as_posix())
    if picture is None:
        raise PromptError(text, expected=f"a picture {image.name}", got="none", fix="Give a picture that is labelled.")
    check_size(str(image), upright_size(image), picture)
    chosen = _category(text, picture, category)
    skeleton = labelled.labels.categories[chosen]
    # Formats that hold no swap pairs give none, and names tell
    return [
        Clicked(
            image,
            [(float(x), float(y)) if seen else None for (x, y), seen in zip(pose.points, pose.visibility, strict=True)],
            [*skeleton.names],
            [*skeleton.edges],
            [*skeleton.swap] or None,
            None if pose.box is None else pose.box.tolist(),
        )
        for pose in picture.poses
        if pose.category == chosen and pose.visibility.any()
    ]


def _category(text: str, picture: PictureLabels, wanted: str | None) -> str:
    there = list(dict.fromkeys(pose.category for pose in picture.poses if pose.visibility.any()))
    if wanted in there or (wanted is None and len(there) == 1):
        return wanted or there[0]
    if wanted is None and there:
        raise UsageError(
            "--category", expected=f"one of {', '.join(there)[:200]}", got="none", fix=f"{picture.file} shows several."
        )
    raise PromptError(
        f"{text}: {picture.file}", expected=f"a pose of {wanted}" if wanted else "a pose",
        got=", ".join(there)[:200] or "none", fix="Give another picture or category.",
    )  # fmt: skip


def _wrong(where: Path | str, expected: str, got: str) -> PromptError:
    return PromptError(str(where), expected=expected, got=got, fix="Repair the file.")
