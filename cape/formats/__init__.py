"""Readers and writers of annotated poses.

    name         one of                what it cannot hold (the module says it in full)
    coco         a JSON file           nothing
    csv          a CSV file            nothing
    cvat         an XML file           boxes, scores, ids other than 1, 2, ...
    labelstudio  a folder              keypoints without a name
    yolo         a folder              different numbers of keypoints, scores, poses without a box, points outside
    dlc          a CSV file            edges, swap pairs, boxes, occlusion, several categories

Every format is a module with three functions of the same signature:

    losses(labels) -> what the format would lose, in words; empty where reading gives back what was written
    write(labels, path, *, lossy=False, overwrite=False) -> path
    read(path, *, pictures=None) -> Labels

`write` and `read` of this package take the name of the format and do nothing else.
"""

from pathlib import Path
from types import ModuleType

from cape.errors import UsageError
from cape.formats import coco, cvat, dlc, labelstudio, table, yolo
from cape.formats.labels import LabelledPose, Labels, PictureLabels, check_labels

FORMATS: dict[str, ModuleType] = {
    "coco": coco,
    "csv": table,
    "cvat": cvat,
    "labelstudio": labelstudio,
    "yolo": yolo,
    "dlc": dlc,
}
"""By the name that commands take."""

__all__ = ["FORMATS", "LabelledPose", "Labels", "PictureLabels", "check_labels", "read", "write"]


def write(labels: Labels, path: str | Path, format: str, *, lossy: bool = False, overwrite: bool = False) -> Path:
    """Write labels, whole or not at all: a kill leaves the old file.

    Args:
        labels: What to write.
        path: A file, or a folder for the formats that are one.
        format: A name of `FORMATS`.
        lossy: Write what the format can hold. Without it, labels that it cannot hold whole are refused, with reasons.
        overwrite: Replace a file. A folder is replaced only if nothing but files of this format are in it.

    Raises:
        FormatError: The labels are not legal, or the format cannot hold them; nothing was written.
        UsageError: An unknown format, a target that exists or cannot be written.
    """
    return _module(format).write(labels, Path(path), lossy=lossy, overwrite=overwrite)


def read(path: str | Path, format: str, *, pictures: str | Path | None = None) -> Labels:
    """Read labels.

    Args:
        path: What `write`, or another tool, wrote.
        format: A name of `FORMATS`.
        pictures: The picture folder, for formats that do not say how large the pictures are (YOLO and DLC, and Label
            Studio's where nothing is labelled).

    Raises:
        AnnotationError: The file is not of this format, or something in it is wrong; the message names it.
        PictureError: A picture whose size is needed cannot be read.
        UsageError: An unknown format, or the picture folder is needed.
    """
    return _module(format).read(Path(path), pictures=None if pictures is None else Path(pictures))


def _module(name: str) -> ModuleType:
    if name not in FORMATS:
        raise UsageError("format", expected=f"one of {', '.join(FORMATS)}", got=repr(name), fix="Choose one.")
    return FORMATS[name]
