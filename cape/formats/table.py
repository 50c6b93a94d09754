"""Our own table: one CSV file, one row a keypoint, for spreadsheets and data frames (the format is called "csv").

Holds everything. The column `row` says what a row is, and a row leaves empty the columns that do not concern it:

    category   category                                        one for each category
    keypoint   category, index, name                           its keypoints; `index` counts from 0
    edge       category, index, other                          its edges
    swap       category, index, other                          its swap pairs
    part       category, name, index                           a member of a body part; no index: an empty part
    picture    file, width, height                             one for each picture
    point      file, pose, category, index, name, x, y, visibility, score, box_x … box_height, pose_score

The rows `point` are the table proper (`frame[frame.row == "point"]`): each says all about its pose again. A text that
begins like a formula (`=`, `+`, `-`, `@`, a tab, a line break) gets an apostrophe in front, which reading takes away:
so a spreadsheet shows it and does not run it. Numbers are written so that the same 64-bit float is read again.

Frame: cape's (the centre of the first pixel is 0); boxes from the corner.
"""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cape.formats.labels import (
    LabelledPose,
    Labels,
    PictureLabels,
    check_labels,
    clean_file,
    make_pose,
    make_skeleton,
)
from cape.formats.reading import bad, integer, number, read_rows
from cape.formats.writing import prepare, write_file
from cape.skeleton import Skeleton

BOX = ("box_x", "box_y", "box_width", "box_height")
COLUMNS: tuple[str, ...] = (
    "row", "file", "width", "height", "pose", "category", "index", "other", "name",
    "x", "y", "visibility", "score", *BOX, "pose_score",
)  # fmt: skip
RISKY = tuple("=+-@\t\r\n'")
Row = dict[str, str]


def losses(labels: Labels) -> tuple[str, ...]:
    """Nothing."""
    del labels
    return ()


def write(labels: Labels, path: Path, *, lossy: bool = False, overwrite: bool = False) -> Path:
    """Write one CSV file; see `cape.formats.write`."""
    prepare(labels, path, form="our CSV", losses=losses(labels), lossy=lossy)
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
    table.writeheader()
    for name, skeleton in labels.categories.items():
        _write_category(table, escape(name), skeleton)
    for picture in labels.pictures:
        width, height = map(int, picture.size)
        table.writerow({"row": "picture", "file": escape(picture.file), "width": width, "height": height})
    for picture in labels.pictures:
        for pose in picture.poses:
            _write_pose(table, escape(picture.file), pose, labels.categories[pose.category])
    return write_file(path, text.getvalue(), overwrite=overwrite)


def escape(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(RISKY) else text


def unescape(text: str) -> str:
    """The text that `escape` was given."""
    return text[1:] if text.startswith("'") else text


def _write_category(table: csv.DictWriter, name: str, skeleton: Skeleton) -> None:
    table.writerow({"row": "category", "category": name})
    for index, keypoint in enumerate(skeleton.names):
        table.writerow({"row": "keypoint", "category": name, "index": index, "name": escape(keypoint)})
    for kind, pairs in (("edge", skeleton.edges), ("swap", skeleton.swap)):
        for index, other in pairs:
            table.writerow({"row": kind, "category": name, "index": index, "other": other})
    for part, members in skeleton.parts.items():
        for index in members or ("",):
            table.writerow({"row": "part", "category": name, "name": escape(part), "index": index})


def _write_pose(table: csv.DictWriter, file: str, pose: LabelledPose, skeleton: Skeleton) -> None:
    same = {"row": "point", "file": file, "pose": pose.id, "category": escape(pose.category)}
    if pose.box is not None:
        same |= dict(zip(BOX, pose.box.tolist(), strict=True))
    if pose.score is not None:
        same["pose_score"] = float(pose.score)
    for index, name in enumerate(skeleton.names):
        x, y = pose.points[index].tolist()
        point = {"index": index, "name": escape(name), "x": x, "y": y, "visibility": int(pose.visibility[index])}
        if pose.scores is not None:
            point["score"] = float(pose.scores[index])
        table.writerow(same | point)


class _Parts(NamedTuple):
    """A skeleton as its rows come."""

    names: list[str]
    edges: list[tuple[int, int]]
    swap: list[tuple[int, int]]
    parts: dict[str, list[int]]


def read(path: Path, *, pictures: Path | None = None) -> Labels:
    """Read one CSV file; see `cape.formats.read`."""
    del pictures  # the file says the sizes
    rows = read_rows(path, "cape's CSV of poses")
    if not rows or tuple(rows[0]) != COLUMNS:
        raise bad(path.name, f"the columns {', '.join(COLUMNS)}", ", ".join(rows[0] if rows else []) or "none")
    drafts: dict[str, _Parts] = {}
    sizes: dict[str, tuple[int, int]] = {}
    points: dict[int, list[tuple[str, Row]]] = {}
    for place, cells in enumerate(rows[1:], start=2):
        where = f"{path.name}: row {place}"
        if len(cells) != len(COLUMNS):
            raise bad(where, f"{len(COLUMNS)} cells", str(len(cells)))
        row: Row = dict(zip(COLUMNS, cells, strict=True))
        if row["row"] == "picture":
            file = clean_file(where, unescape(row["file"]))
            if file in sizes:
                raise bad(where, "each picture once", repr(file))
            sizes[file] = (integer(where, "width", row["width"]), integer(where, "height", row["height"]))
        elif row["row"] == "point":
            points.setdefault(integer(where, "pose", row["pose"]), []).append((where, row))
        else:
            _read_part(where, row, drafts)
    categories = {
        name: make_skeleton(
            f"{path.name}: category {name!r:.80}",
            names=draft.names,
            edges=draft.edges,
            swap=draft.swap,
            parts=draft.parts,
        )
        for name, draft in drafts.items()
    }
    poses: dict[str, list[LabelledPose]] = {file: [] for file in sizes}
    for number_, its in points.items():
        file, pose = _read_pose(f"{path.name}: pose {number_}", number_, its, categories)
        if file not in poses:
            raise bad(its[0][0], "a file that has a row `picture`", repr(file), "Add the row, with width and height.")
        poses[file].append(pose)
    found = tuple(PictureLabels(file, size, tuple(poses[file])) for file, size in sizes.items())
    return check_labels(Labels(categories, found), where=path.name)


def _read_part(where: str, row: Row, drafts: dict[str, _Parts]) -> None:
    """A row that says something about a category."""
    category, kind, name = unescape(row["category"]), row["row"], unescape(row["name"])
    if kind == "category":
        if category in drafts:
            raise bad(where, "each category once", repr(category))
        drafts[category] = _Parts([], [], [], {})
        return
    if kind not in ("keypoint", "edge", "swap", "part"):
        raise bad(where, "row: category, keypoint, edge, swap, part, picture or point", repr(kind))
    if category not in drafts:
        raise bad(where, "a category that has a row `category` above", repr(category))
    draft = drafts[category]
    if kind == "part":
        members = draft.parts.setdefault(name, [])
        if row["index"]:
            members.append(integer(where, "index", row["index"]))
        return
    index = integer(where, "index", row["index"])
    if kind == "keypoint":
        if index != len(draft.names):
            raise bad(where, f"keypoint {len(draft.names)} of {category!r:.80}", str(index), "Sort the rows.")
        draft.names.append(name)
        return
    (draft.edges if kind == "edge" else draft.swap).append((index, integer(where, "other", row["other"])))


def _read_pose(
    where: str, number_: int, rows: list[tuple[str, Row]], categories: dict[str, Skeleton]
) -> tuple[str, LabelledPose]:
    shared = ("file", "category", *BOX, "pose_score")
    first = rows[0][1]
    for here, row in rows:
        if any(row[key] != first[key] for key in shared):
            raise bad(here, f"the same {', '.join(shared)} in all rows of a pose", "another than in its first")
    category = unescape(first["category"])
    if category not in categories:
        raise bad(where, "a category that has a row `category`", repr(category))
    names = categories[category].names
    if [(row["index"].strip(), unescape(row["name"])) for _, row in rows] != [
        (str(index), name) for index, name in enumerate(names)
    ]:
        raise bad(where, f"its {len(names)} keypoints in order, each once, by the names of the category", "other rows")
    given = [bool(first[key]) for key in BOX]
    if any(given) != all(given) or any(bool(row["score"]) != bool(first["score"]) for _, row in rows):
        raise bad(where, "all of a box, and a score for each keypoint or none", "some")
    points = np.array([[number(here, axis, row[axis]) for axis in ("x", "y")] for here, row in rows])
    visibility = [integer(here, "visibility", row["visibility"]) for here, row in rows]
    if not set(visibility) <= {0, 1, 2}:
        raise bad(where, "visibility 0, 1 or 2", str(visibility))
    pose = LabelledPose(
        number_,
        category,
        points,
        np.array(visibility, dtype=np.int8),
        np.array([number(where, key, first[key]) for key in BOX]) if all(given) else None,
        np.array([number(here, "score", row["score"]) for here, row in rows]) if first["score"] else None,
        number(where, "pose_score", first["pose_score"]) if first["pose_score"] else None,
    )
    return clean_file(where, unescape(first["file"])), make_pose(where, pose)
