"""Label Studio: a folder with `tasks.json` (to be imported) and `config.xml` (the project's labelling set-up).

    rectangle      one for each pose, labelled with the category; its id is `pose-7` for pose 7
    keypoint       one for each labelled keypoint, with the rectangle as parent (`parentID`)
    choice         "occluded", on the keypoints with visibility 1 (a choice per region)
    annotations    holds the poses of a picture, or `predictions` if any of them has a score; the scores stand there too

A keypoint that is absent (0) has no region. A pose without a box gets a rectangle around its points with the note
"no box", which reading turns into none again. The skeletons (order of keypoints, edges, swap pairs, parts) stand in the
attribute `skeleton` of the categories in config.xml, and file and size of a picture in the task's `data`, where Label
Studio leaves them alone. What does not fit: keypoints without a name, and scores of a pose without a labelled keypoint.
Control characters in names are refused, lossy or not.

Frame: percent of the picture from its corner, so half a pixel is added to points before they are divided (boxes are
measured from the corner anyway). Coordinates come back to 1e-9 pixels or 1e-12 of the larger side.

An export of Label Studio (its plain JSON) is read too, as the file or a folder with `tasks.json`; without a config.xml
beside it the keypoints are those that occur, in that order. A task may have one annotation that was not cancelled;
predictions count only where there is none. Regions without a rectangle as parent make one pose, if their labels differ.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from cape.formats.labels import LabelledPose, Labels, PictureLabels
from cape.formats.labelstudio_reading import CORNER, NO_BOX, read
from cape.formats.writing import (
    lost,
    lost_names,
    numbered,
    prepare,
    refuse_control_characters,
    write_folder,
)
from cape.skeleton import Skeleton

__all__ = ["losses", "read", "write"]

OWN = ("config.xml", "tasks.json")


def losses(labels: Labels) -> tuple[str, ...]:
    """Keypoints without a name, scores of nothing."""
    found = lost_names(labels)
    if any(pose.scores is not None and not pose.visibility.any() for pose in labels.poses()):
        found += lost(labels, scores=True)
    return tuple(found)


def write(labels: Labels, path: Path, *, lossy: bool = False, overwrite: bool = False) -> Path:
    """Write one folder; see `cape.formats.write`."""
    prepare(labels, path, form="Label Studio", losses=losses(labels), lossy=lossy)
    refuse_control_characters(labels, path, "Label Studio")
    names = {name: numbered(skeleton) for name, skeleton in labels.categories.items()}
    tasks = [_task(place, picture, names) for place, picture in enumerate(labels.pictures, start=1)]
    files = {
        "tasks.json": json.dumps(tasks, ensure_ascii=False, allow_nan=False, indent=1),
        "config.xml": _config(labels.categories, names),
    }
    return write_folder(path, files, overwrite=overwrite, own=OWN)


def _config(categories: dict[str, Skeleton], names: dict[str, tuple[str, ...]]) -> str:
    view = Element("View")
    SubElement(view, "Image", name="image", value="$image")
    boxes = SubElement(view, "RectangleLabels", name="category", toName="image")
    for name, skeleton in categories.items():
        about = {"names": names[name], "edges": skeleton.edges, "swap": skeleton.swap, "parts": skeleton.parts}
        SubElement(boxes, "Label", value=name, skeleton=json.dumps(about, ensure_ascii=False, default=int))
    points = SubElement(view, "KeyPointLabels", name="keypoint", toName="image")
    for name in dict.fromkeys(name for each in names.values() for name in each):
        SubElement(points, "Label", value=name)
    choices = SubElement(
        view, "Choices", name="visibility", toName="image", perRegion="true", whenTagName="keypoint", choice="single"
    )
    SubElement(choices, "Choice", value="occluded")
    indent(view)
    return tostring(view, encoding="unicode") + "\n"


def _task(place: int, picture: PictureLabels, names: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    width, height = (int(side) for side in picture.size)
    data = {"file": picture.file, "width": width, "height": height}
    data["image"] = f"/data/local-files/?d={quote(picture.file)}"
    result = [region for pose in picture.poses for region in _regions(pose, names[pose.category], (width, height))]
    if any(pose.scores is not None or pose.score is not None for pose in picture.poses):
        whole = [pose.score for pose in picture.poses if pose.score is not None]
        # Label Studio sorts tasks by this number: the picture's worst pose decides who looks at it first.
        score = {"score": float(min(whole))} if whole else {}
        return {"id": place, "data": data, "predictions": [{"model_version": "cape", **score, "result": result}]}
    return {"id": place, "data": data, "annotations": [{"result": result}]}


def _regions(pose: LabelledPose, names: tuple[str, ...], size: tuple[int, int]) -> list[dict[str, Any]]:
    same = {"to_name": "image", "original_width": size[0], "original_height": size[1], "image_rotation": 0}
    scale = 100 / np.array(size, dtype=np.float64)
    percent = (pose.points + CORNER) * scale
    seen = pose.visibility > 0
    if pose.box is not None:
        box = np.concatenate([pose.box[:2] * scale, pose.box[2:] * scale])
    elif seen.any():
        first, last = percent[seen].min(axis=0), percent[seen].max(axis=0)
        box = np.concatenate([first, last - first])
    else:
        box = np.zeros(4)
    parent = f"pose-{pose.id}"
    corners = dict(zip(("x", "y", "width", "height"), box.tolist(), strict=True))
    rectangle = {
        "id": parent, "type": "rectanglelabels", "from_name": "category", **same,
        "value": {**corners, "rotation": 0, "rectanglelabels": [pose.category]},
    }  # fmt: skip
    if pose.box is None:
        rectangle["meta"] = {"text": [NO_BOX]}
    if pose.score is not None:
        rectangle["score"] = float(pose.score)
    regions = [rectangle]
    for index in np.flatnonzero(seen).tolist():
        x, y = percent[index].tolist()
        point = {"id": f"{parent}-{index}", "parentID": parent, **same}
        place = {"x": x, "y": y, "width": 0.5}
        score = {} if pose.scores is None else {"score": float(pose.scores[index])}
        value = {**place, "keypointlabels": [names[index]]}
        regions.append({**point, "type": "keypointlabels", "from_name": "keypoint", "value": value, **score})
        if pose.visibility[index] == 1:
            value = {**place, "choices": ["occluded"]}
            regions.append({**point, "type": "choices", "from_name": "visibility", "value": value})
    return regions
