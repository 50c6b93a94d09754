"""COCO keypoints: one JSON file.

Holds everything: categories with different numbers of keypoints, visibility 0, 1 and 2, boxes, ids of poses, scores
(`score`, and `keypoint_scores` with one number a keypoint, as detectors write them), pictures without poses. Swap pairs
and body parts lie in the extra keys `swap` and `parts` of a category, which other tools ignore. Numbers are written so
that the same 64-bit float is read again.

Ids of pictures and categories are not part of `Labels`: they are numbered 1, 2, ... in order. `skeleton`, `swap` and
`parts` count from 1, as COCO does. A pose without a box gets no `bbox` and no `area`.

Frame: COCO's own, which is cape's. Reading leaves out crowds (`iscrowd`), which are no poses, and places of keypoints
with visibility 0. A skeleton with a 0 in it counts from 0 (MP-100 and several converters do so); any other from 1.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from cape.data.records import finite_numbers, is_id, is_number, keypoint_counts, picture_size, read_coco
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
from cape.formats.reading import bad, check_file
from cape.formats.writing import prepare, write_file
from cape.skeleton import Skeleton


def losses(labels: Labels) -> tuple[str, ...]:
    """Nothing."""
    del labels
    return ()


def write(labels: Labels, path: Path, *, lossy: bool = False, overwrite: bool = False) -> Path:
    """Write one JSON file; see `cape.formats.write`."""
    prepare(labels, path, form="COCO", losses=losses(labels), lossy=lossy)
    numbers = {name: place for place, name in enumerate(labels.categories, start=1)}
    content = {
        "images": [
            {"id": place, "file_name": picture.file, "width": int(picture.size[0]), "height": int(picture.size[1])}
            for place, picture in enumerate(labels.pictures, start=1)
        ],
        "annotations": [
            _annotation(pose, place, numbers[pose.category])
            for place, picture in enumerate(labels.pictures, start=1)
            for pose in picture.poses
        ],
        "categories": [_category(number, name, labels.categories[name]) for name, number in numbers.items()],
    }
    return write_file(path, json.dumps(content, ensure_ascii=False, allow_nan=False), overwrite=overwrite)


def _category(number: int, name: str, skeleton: Skeleton) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": number,
        "name": name,
        "supercategory": "",
        "keypoints": list(skeleton.names),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
    }
    if skeleton.swap:
        record["swap"] = [[a + 1, b + 1] for a, b in skeleton.swap]
    if skeleton.parts:
        record["parts"] = {part: [int(index) + 1 for index in members] for part, members in skeleton.parts.items()}
    return record


def _annotation(pose: LabelledPose, picture: int, category: int) -> dict[str, Any]:
    keypoints: list[float | int] = []
    for (x, y), seen in zip(pose.points.tolist(), pose.visibility.tolist(), strict=True):
        keypoints += [x, y, int(seen)]
    record: dict[str, Any] = {
        "id": pose.id,
        "image_id": picture,
        "category_id": category,
        "keypoints": keypoints,
        "num_keypoints": int((pose.visibility > 0).sum()),
        "iscrowd": 0,
    }
    if pose.box is not None:
        record["bbox"] = pose.box.tolist()
        record["area"] = float(pose.box[2] * pose.box[3])
    if pose.score is not None:
        record["score"] = float(pose.score)
    if pose.scores is not None:
        record["keypoint_scores"] = pose.scores.tolist()
    return record


def read(path: Path, *, pictures: Path | None = None) -> Labels:
    """Read one JSON file, gzipped or not; see `cape.formats.read`."""
    del pictures  # the file says the sizes
    check_file(path, "COCO keypoints as JSON")
    content = read_coco(path)
    counts = keypoint_counts(content["annotations"])
    images = _by_id(path, "image", content["images"])
    categories: dict[int, tuple[str, Skeleton]] = {}
    for number, record in _by_id(path, "category", content["categories"]).items():
        categories[number] = _read_category(f"{path.name}: category {number}", record, counts.get(number, 0))
    if len({name for name, _ in categories.values()}) < len(categories):
        raise bad(path.name, "a unique name for each category", "one name twice", "Rename one of them.")
    poses: dict[int, list[LabelledPose]] = {number: [] for number in images}
    for number, record in _by_id(path, "annotation", content["annotations"]).items():
        where = f"{path.name}: annotation {number}"
        for key, table in (("image_id", images), ("category_id", categories)):
            if not is_id(record.get(key)) or record[key] not in table:
                raise bad(where, f"`{key}` of a record in the file", repr(record.get(key)))
        if not record.get("iscrowd"):
            poses[record["image_id"]].append(_read_pose(where, record, *categories[record["category_id"]]))
    found = tuple(
        PictureLabels(
            clean_file(f"{path.name}: image {number}", record.get("file_name")),
            picture_size(f"{path.name}: image {number}", record),
            tuple(poses[number]),
        )
        for number, record in images.items()
    )
    return check_labels(Labels(dict(categories.values()), found), where=path.name)


def _by_id(path: Path, what: str, records: list) -> dict[int, dict[str, Any]]:
    table: dict[int, dict[str, Any]] = {}
    for place, record in enumerate(records):
        number = record.get("id") if isinstance(record, dict) else None
        if not is_id(number):
            raise bad(f"{path.name}: {what} record {place}", "an object with an integer `id` of 64 bits", repr(record))
        if number in table:
            raise bad(f"{path.name}: {what} {number}", "unique ids", "the same id twice", "Renumber one of them.")
        table[number] = record
    return table


def _read_category(where: str, record: dict[str, Any], counted: int) -> tuple[str, Skeleton]:
    names = record.get("keypoints") or [""] * counted
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad(where, "`keypoints`: a list of names", repr(names))
    edges = _pairs(where, "skeleton", record)
    base = 0 if any(0 in pair for pair in edges) else 1
    parts = record.get("parts") or {}
    members = list(parts.values()) if isinstance(parts, dict) else [None]
    if not all(isinstance(each, list) and all(map(is_id, each)) for each in members):
        raise bad(where, "`parts`: lists of indices by name", repr(parts))
    skeleton = make_skeleton(
        where,
        names=tuple(names),
        edges=tuple((a - base, b - base) for a, b in edges),
        swap=tuple((a - 1, b - 1) for a, b in _pairs(where, "swap", record)),
        parts={check_text(where, "a part", part): tuple(index - 1 for index in each) for part, each in parts.items()},
    )
    return check_text(where, "`name`", record.get("name")), skeleton


def _pairs(where: str, key: str, record: dict[str, Any]) -> list[list[int]]:
    pairs = record.get(key) or []
    if not isinstance(pairs, list) or not all(isinstance(each, list) and len(each) == 2 for each in pairs):
        raise bad(where, f"`{key}`: pairs of indices", repr(pairs))
    if not all(is_id(index) for pair in pairs for index in pair):
        raise bad(where, f"`{key}`: pairs of indices", repr(pairs))
    return pairs


def _read_pose(where: str, record: dict[str, Any], category: str, skeleton: Skeleton) -> LabelledPose:
    count = len(skeleton)
    table = np.array(finite_numbers(where, "keypoints", record.get("keypoints"), 3 * count)).reshape(count, 3)
    if not np.isin(table[:, 2], (0, 1, 2)).all():
        raise bad(where, "visibility 0, 1 or 2", str(table[:, 2]), "0 not labelled, 1 occluded, 2 visible.")
    box, scores, score = record.get("bbox"), record.get("keypoint_scores"), record.get("score")
    if score is not None and not is_number(score):
        raise bad(where, "`score`: a finite number", repr(score))
    pose = LabelledPose(
        record["id"],
        category,
        table[:, :2],
        table[:, 2].astype(np.int8),
        None if box is None else np.array(finite_numbers(where, "bbox", box, 4)),
        None if scores is None else np.array(finite_numbers(where, "keypoint_scores", scores, count)),
        None if score is None else float(score),
    )
    return make_pose(where, pose)
