"""DeepLabCut's table: one CSV file with the header rows scorer, [individuals,] bodyparts, coords.

DeepLabCut itself trains from the `.h5` file beside it and never reads the CSV: after a change, run its
`convertcsv2h5` on the project, which also puts the scorer of its configuration in the first row.

Holds one category, whose name stands as the scorer, its keypoints by name, x and y, and (if there are scores) their
likelihood; each pose of a picture is an individual where any picture has several. What it does not hold: boxes, edges,
swap pairs and parts (DeepLabCut keeps the skeleton in its config.yaml), occlusion (1 becomes 2), scores of poses, ids
other than 1, 2, ..., poses without a labelled keypoint. Several categories, and names that a spreadsheet takes for a
formula, are refused, lossy or not.

Frame: cape's, for DeepLabCut's labelling tools put the centre of the first pixel at 0 too. Numbers come back as they
were. The table does not say how large the pictures are: reading needs the picture folder. Both layouts of the first
columns are read (one path, or the three of newer projects); individuals must share one list of body parts.
"""

import csv
import io
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cape.errors import FormatError
from cape.formats.labels import LabelledPose, Labels, PictureLabels, check_labels, clean_file, make_pose, make_skeleton
from cape.formats.reading import bad, number, read_rows, size_of
from cape.formats.table import RISKY
from cape.formats.writing import (
    lost,
    lost_ids,
    lost_names,
    numbered,
    prepare,
    refuse_control_characters,
    texts_of,
    write_file,
)


def losses(labels: Labels) -> tuple[str, ...]:
    """All but names, points and likelihoods."""
    found = lost(labels, boxes=True, edges=True, swap=True, parts=True, score=True)
    if any((pose.visibility == 1).any() for pose in labels.poses()):
        found.append("occlusion (it would be written as visible)")
    if not all(pose.visibility.any() for pose in labels.poses()):
        found.append("poses without a labelled keypoint")
    return (*found, *lost_ids(labels), *lost_names(labels))


def write(labels: Labels, path: Path, *, lossy: bool = False, overwrite: bool = False) -> Path:
    """Write one CSV file; see `cape.formats.write`.

    Raises:
        FormatError: Also where there is not exactly one category, or a name looks like a formula.
    """
    prepare(labels, path, form="DeepLabCut's CSV", losses=losses(labels), lossy=lossy)
    refuse_control_characters(labels, path, "DeepLabCut's CSV")
    for text in texts_of(labels):
        if text.startswith(RISKY):
            raise FormatError(
                path.name, expected="names that no spreadsheet takes for a formula, for DeepLabCut's CSV",
                got=ascii(text)[:80], fix="Rename it so that it begins with a letter.",
            )  # fmt: skip
    if len(labels.categories) != 1:
        raise FormatError(
            path.name, expected="exactly one category, for DeepLabCut's CSV", got=str(len(labels.categories)),
            fix="Write one file for each category.",
        )  # fmt: skip
    ((scorer, skeleton),) = labels.categories.items()
    kept = [[pose for pose in picture.poses if pose.visibility.any()] for picture in labels.pictures]
    slots = max((len(poses) for poses in kept), default=0)
    axes = ["x", "y", *(["likelihood"] if any(pose.scores is not None for pose in labels.poses()) else [])]
    columns = [
        (scorer, f"individual{slot + 1}", name, axis)
        for slot in range(max(slots, 1))
        for name in numbered(skeleton)
        for axis in axes
    ]
    heads = list(zip(("scorer", "individuals", "bodyparts", "coords"), *columns, strict=True))
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerows(heads if slots > 1 else [heads[0], *heads[2:]])
    for picture, poses in zip(labels.pictures, kept, strict=True):
        cells = [cell for pose in poses for cell in _cells(pose, len(axes))]
        table.writerow([picture.file, *cells, *[""] * (len(columns) - len(cells))])
    return write_file(path, text.getvalue(), overwrite=overwrite)


def _cells(pose: LabelledPose, axes: int) -> list[float | str]:
    cells: list[float | str] = []
    for index, seen in enumerate(pose.visibility):
        there: list[float | str] = [
            *pose.points[index].tolist(),
            "" if pose.scores is None else float(pose.scores[index]),
        ]
        cells += there[:axes] if seen else [""] * axes
    return cells


class _Head(NamedTuple):
    """What the header rows say."""

    scorer: str
    names: tuple[str, ...]
    individuals: int
    axes: int
    """2, or 3 with likelihoods."""
    leading: int
    """Columns that name the picture: 1 or 3."""


def read(path: Path, *, pictures: Path | None = None) -> Labels:
    """Read one CSV file; see `cape.formats.read`."""
    rows = read_rows(path, "a table of DeepLabCut")
    head, first = _read_head(path.name, rows)
    skeleton = make_skeleton(path.name, names=head.names)
    found: list[PictureLabels] = []
    count = 0
    width = head.leading + head.individuals * len(head.names) * head.axes
    for place, cells in enumerate(rows[first:], start=first + 1):
        where = f"{path.name}: row {place}"
        if not cells:
            continue
        if len(cells) != width:
            raise bad(where, f"{width} cells", str(len(cells)))
        file = clean_file(where, "/".join(cells[: head.leading]))
        values = np.array([number(where, "a coordinate", cell) if cell else np.nan for cell in cells[head.leading :]])
        poses = []
        for table in values.reshape(head.individuals, len(head.names), head.axes):
            missing = np.isnan(table[:, :2])
            if (missing.any(axis=1) != missing.all(axis=1)).any():
                raise bad(where, "x and y, or neither", "one of them")
            if not missing.all():
                count += 1
                poses.append(_make_pose(where, count, head.scorer, table))
        found.append(PictureLabels(file, size_of(where, file, pictures), tuple(poses)))
    return check_labels(Labels({head.scorer: skeleton}, tuple(found)), where=path.name)


def _make_pose(where: str, count: int, category: str, table: np.ndarray) -> LabelledPose:
    seen = ~np.isnan(table[:, 0])
    scores = table[:, 2] if table.shape[1] == 3 and not np.isnan(table[seen, 2]).all() else None
    pose = LabelledPose(count, category, table[:, :2], (2 * seen).astype(np.int8), None, scores)
    return make_pose(where, pose)


def _read_head(file: str, rows: list[list[str]]) -> tuple[_Head, int]:
    """The header, and how many rows it has."""
    kinds = ["scorer", "individuals", "bodyparts", "coords"]
    labels = [row[0] if row else "" for row in rows[:4]]
    several = labels == kinds
    if not several:
        kinds.remove("individuals")
    if labels[: len(kinds)] != kinds:
        raise bad(file, "rows scorer, [individuals,] bodyparts, coords", ", ".join(labels) or "nothing")
    heads = rows[: len(kinds)]
    leading = 3 if len(heads[0]) > 3 and heads[0][1:3] == ["", ""] == heads[-1][1:3] else 1
    columns = list(zip(*(row[leading:] for row in heads), strict=False))
    if not columns or len({len(row) for row in heads}) > 1:
        raise bad(file, "header rows of the same length, with at least one keypoint", "others")
    axes = next((place for place, (a, b) in enumerate(pairwise(columns), start=1) if a[:-1] != b[:-1]), len(columns))
    names = list(dict.fromkeys(column[-2] for column in columns))
    people = list(dict.fromkeys(column[1] for column in columns)) if several else [""]
    expected = [
        (columns[0][0], *([person] if several else []), name, axis)
        for person in people
        for name in names
        for axis in ("x", "y", "likelihood")[:axes]
    ]
    if axes not in (2, 3) or columns != expected:
        raise bad(
            file,
            "one scorer, and x, y[, likelihood] of the same body parts for each individual",
            f"{len(columns)} other columns",
            "Export body parts that belong to no individual on their own.",
        )
    return _Head(columns[0][0], tuple(names), len(people), axes, leading), len(heads)
