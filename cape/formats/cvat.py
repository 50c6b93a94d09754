"""CVAT for images 1.1: one XML file with <skeleton> elements, as CVAT exports and imports them.

    <meta>    labels of type skeleton, their keypoints as labels with a <parent>, their edges as CVAT's own drawing
              (<svg>: circles are keypoints, lines are edges); our element <cape> beside <task> holds swap pairs and
              parts, and CVAT ignores it
    <image>   one for each picture; a <skeleton> for each pose, a named <points> for each keypoint

Visibility is CVAT's: `outside="1"` is absent (0), `occluded="1"` is occluded (1). Boxes and scores do not fit, nor ids
other than 1, 2, ..., nor keypoints without a name; control characters in names are refused, lossy or not. The labels
must be in the CVAT task before the file is uploaded to it.

Frame: CVAT measures from the corner of the picture, so that the centre of the first pixel is 0.5; writing adds half a
pixel and reading takes it away. Coordinates come back to 1e-9 of themselves (CVAT's own exports have two decimals).
Reading leaves out shapes that are no skeletons, and takes a keypoint that is missing in a skeleton for absent.
"""

import json
import math
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from cape.formats.labels import (
    LabelledPose,
    Labels,
    PictureLabels,
    check_labels,
    check_text,
    clean_file,
    make_pose,
    make_skeleton,
)
from cape.formats.reading import bad, integer, is_index, number, parse_xml, read_xml
from cape.formats.writing import (
    lost,
    lost_ids,
    lost_names,
    numbered,
    prepare,
    refuse_control_characters,
    write_file,
)
from cape.skeleton import Skeleton

CORNER = 0.5
"""Where CVAT sees the centre of the first pixel."""


def losses(labels: Labels) -> tuple[str, ...]:
    """Boxes, scores, ids, and keypoints without a name."""
    return (*lost(labels, boxes=True, scores=True, score=True), *lost_ids(labels), *lost_names(labels))


def write(labels: Labels, path: Path, *, lossy: bool = False, overwrite: bool = False) -> Path:
    """Write one XML file; see `cape.formats.write`."""
    prepare(labels, path, form="CVAT", losses=losses(labels), lossy=lossy)
    refuse_control_characters(labels, path, "CVAT")
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    meta = SubElement(root, "meta")
    listed = SubElement(SubElement(meta, "task"), "labels")
    for name, skeleton in labels.categories.items():
        _write_label(listed, name, "skeleton", svg=_drawing(skeleton))
        for keypoint in numbered(skeleton):
            _write_label(listed, keypoint, "points", parent=name)
    extra = {
        name: {"swap": skeleton.swap, "parts": skeleton.parts}
        for name, skeleton in labels.categories.items()
        if skeleton.swap or skeleton.parts
    }
    if extra:
        SubElement(meta, "cape").text = json.dumps(extra, default=int)
    for place, picture in enumerate(labels.pictures):
        width, height = (str(int(side)) for side in picture.size)
        image = SubElement(root, "image", id=str(place), name=picture.file, width=width, height=height)
        for pose in picture.poses:
            _write_pose(image, pose, numbered(labels.categories[pose.category]))
    indent(root)
    return write_file(path, f'<?xml version="1.0" encoding="utf-8"?>\n{_text(root)}\n', overwrite=overwrite)


def _text(element: Element) -> str:
    return tostring(element, encoding="unicode", short_empty_elements=False)


def _write_label(listed: Element, name: str, kind: str, **more: str) -> None:
    label = SubElement(listed, "label")
    SubElement(label, "name").text = name
    SubElement(label, "type").text = kind
    SubElement(label, "attributes")
    for key, text in more.items():
        SubElement(label, key).text = text


def _drawing(skeleton: Skeleton) -> str:
    """Keypoints on a circle, for CVAT's picture of the label; lines first, so that they lie below."""
    turns = [2 * math.pi * index / len(skeleton) for index in range(len(skeleton))]
    places = [(f"{50 + 40 * math.sin(turn):.2f}", f"{50 - 40 * math.cos(turn):.2f}") for turn in turns]
    shapes = []
    for a, b in skeleton.edges:
        ends = {"x1": places[a][0], "y1": places[a][1], "x2": places[b][0], "y2": places[b][1]}
        nodes = {"data-type": "edge", "data-node-from": str(a + 1), "data-node-to": str(b + 1)}
        shapes.append(Element("line", {**ends, "stroke": "black", **nodes}))
    for index, name in enumerate(numbered(skeleton)):
        node = {"data-type": "element node", "data-element-id": str(index + 1), "data-node-id": str(index + 1)}
        shape = {"r": "1.5", "cx": places[index][0], "cy": places[index][1], "stroke": "black"}
        shapes.append(Element("circle", {**shape, **node, "data-label-name": name}))
    return "".join(map(_text, shapes))


def _write_pose(image: Element, pose: LabelledPose, names: tuple[str, ...]) -> None:
    skeleton = SubElement(image, "skeleton", label=pose.category, source="manual", z_order="0")
    for name, (x, y), seen in zip(names, (pose.points + CORNER).tolist(), pose.visibility.tolist(), strict=True):
        SubElement(
            skeleton, "points", label=name, source="manual", outside=str(int(seen == 0)), occluded=str(int(seen == 1)),
            points=f"{x!r},{y!r}",
        )  # fmt: skip


def read(path: Path, *, pictures: Path | None = None) -> Labels:
    """Read one XML file; see `cape.formats.read`."""
    del pictures  # the file says the sizes
    root = read_xml(path, "an export of CVAT for images")
    if root.tag != "annotations" or root.find("track") is not None:
        raise bad(path.name, "an export of CVAT for images 1.1", f"<{root.tag}> of another kind", "Export it anew.")
    categories = _read_labels(path.name, root)
    found = []
    count = 0
    for image in root.iter("image"):
        where = f"{path.name}: image {image.get('name')!r:.80}"
        size = (integer(where, "width", image.get("width")), integer(where, "height", image.get("height")))
        poses = []
        for skeleton in image.iter("skeleton"):
            count += 1
            poses.append(_read_pose(f"{where}, skeleton {len(poses) + 1}", count, skeleton, categories))
        found.append(PictureLabels(clean_file(where, image.get("name")), size, tuple(poses)))
    return check_labels(Labels(categories, tuple(found)), where=path.name)


def _read_labels(file: str, root: Element) -> dict[str, Skeleton]:
    members: dict[str, list[str]] = {}
    drawings: dict[str, str] = {}
    for label in root.iter("label"):
        name = check_text(file, "the name of a label", label.findtext("name"))
        parent = label.findtext("parent")
        if parent is not None:
            members.setdefault(parent, []).append(name)
        elif label.findtext("type") == "skeleton":
            if name in drawings:
                raise bad(f"{file}: label {name!r:.80}", "a unique name for each skeleton", "the same twice")
            drawings[name] = label.findtext("svg") or ""
    extra = _read_extra(file, root)
    categories = {}
    for name, drawing in drawings.items():
        where = f"{file}: label {name!r:.80}"
        names, edges = _read_drawing(where, drawing, members.get(name, []))
        swap, parts = extra.get(name, ([], {}))
        pairs = [*swap, *parts.values()]
        if not all(isinstance(each, list) and all(is_index(index, len(names)) for index in each) for each in pairs):
            raise bad(where, f"<cape>: swap pairs and parts as indices below {len(names)}", repr(pairs))
        categories[name] = make_skeleton(
            where,
            names=names,
            edges=edges,
            swap=swap,
            parts=parts,
        )
    return categories


def _read_extra(file: str, root: Element) -> dict[str, tuple[list, dict]]:
    text = root.findtext("meta/cape")
    try:
        content: Any = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise bad(f"{file}: <cape>", "JSON", str(error), "Remove the element.") from None
    table = {}
    for name, its in content.items() if isinstance(content, dict) else [("", None)]:
        swap, parts = (its.get("swap", []), its.get("parts", {})) if isinstance(its, dict) else (None, None)
        if not isinstance(swap, list) or not isinstance(parts, dict):
            raise bad(f"{file}: <cape>", "swap pairs and parts by label", repr(content), "Remove the element.")
        table[name] = (swap, parts)
    return table


def _read_drawing(where: str, drawing: str, members: list[str]) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """Names in the order of the drawing's circles, and its lines; without names in it, the order of the labels."""
    root = parse_xml(f"<svg>{drawing}</svg>", f"{where}, <svg>", "the drawing of a skeleton")
    circles = [shape for shape in root.iter("circle") if shape.get("data-node-id")]
    drawn = [shape.get("data-label-name", "") for shape in circles]
    if sorted(drawn) == sorted(members):
        names, ids = drawn, [shape.get("data-node-id") for shape in circles]
    else:
        names, ids = members, [str(place) for place in range(1, len(members) + 1)]
    seats = {node: place for place, node in enumerate(ids)}
    edges = []
    for line in root.iter("line"):
        if line.get("data-type") == "edge":
            ends = (line.get("data-node-from"), line.get("data-node-to"))
            if not all(end in seats for end in ends):
                raise bad(where, "lines between keypoints of the drawing", repr(ends))
            edges.append((seats[ends[0]], seats[ends[1]]))
    return tuple(names), tuple(edges)


def _read_pose(where: str, number_: int, skeleton: Element, categories: dict[str, Skeleton]) -> LabelledPose:
    category = skeleton.get("label", "")
    if category not in categories:
        raise bad(where, "a label of type skeleton from <meta>", repr(category), "Export with the labels of the task.")
    seats = {name: place for place, name in enumerate(categories[category].names)}
    points, visibility = np.zeros((len(seats), 2)), np.zeros(len(seats), dtype=np.int8)
    done = set()
    for point in skeleton.iter("points"):
        name = point.get("label", "")
        if name not in seats or name in done:
            raise bad(where, f"each keypoint of {category!r:.80} once", repr(name))
        done.add(name)
        flags = [point.get("outside", "0"), point.get("occluded", "0")]
        if not set(flags) <= {"0", "1"}:
            raise bad(where, "outside and occluded: 0 or 1", repr(flags))
        ends = (point.get("points") or "").split(",")
        if len(ends) != 2:
            raise bad(where, f"x,y of {name!r:.80}", repr(point.get("points")))
        points[seats[name]] = [number(where, "a coordinate", end) - CORNER for end in ends]
        visibility[seats[name]] = 0 if flags[0] == "1" else 1 if flags[1] == "1" else 2
    return make_pose(where, LabelledPose(number_, category, points, visibility))
