"""Ultralytics' pose format: a folder with `data.yaml` and one `labels/*.txt` a picture.

    data.yaml       kpt_shape [K, 3], flip_idx, names, kpt_names; our own keys `skeleton` (edges from 0, by class) and
                    `parts`, which Ultralytics ignores
    labels/a.txt    one line a pose: class, box (centre x, centre y, width, height), then x, y, visibility of K
                    keypoints; pictures belong into `images/`, under the same names
    pictures.json   ours: file, width and height of each picture, which no other file says

There is one K for the whole folder: categories with different numbers of keypoints are refused, lossy or not. Scores do
not fit, nor ids of poses other than 1, 2, ..., nor categories whose swap pairs differ (`flip_idx` is one). Ultralytics
throws away a picture with anything outside it, and asks for a box in every line. So a lossy write moves points to the
edge of the picture, cuts boxes there, and draws a missing box around the labelled points; a pose without both is left
out. Ultralytics takes equal lines of a file for one.

Frame: 0 to 1 is 0 to width, without half a pixel, as Ultralytics itself converts COCO; nine decimals, so coordinates
come back to two billionths of the picture's side. kpt_shape [K, 2] is read too: 0, 0 is then absent, all else visible.
A folder of another program has no `pictures.json`: name the picture folder, from which names and sizes are taken.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float

from cape.data.records import is_id
from cape.errors import FormatError
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
from cape.formats.reading import bad, integer, is_index, number, read_json, read_text, read_yaml, size_of
from cape.formats.writing import lost, lost_ids, prepare, refuse_control_characters, write_folder
from cape.skeleton import Skeleton

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
DIGITS = 2e-9
"""How far rounding moves an edge of a box, of the picture's side."""
OWN = ("data.yaml", "labels", "pictures.json")


def losses(labels: Labels) -> tuple[str, ...]:
    """Scores, ids, swap pairs that differ, missing boxes, whatever lies outside its picture."""
    found = [*lost(labels, scores=True, score=True), *lost_ids(labels)]
    if len({frozenset(skeleton.swap) for skeleton in labels.categories.values()}) > 1:
        found.append("swap pairs that differ between categories")
    if any(pose.box is None for pose in labels.poses()):
        found.append("poses without a box (it would be drawn around the points)")
    for picture in labels.pictures:
        if any(_outside(pose, picture.size) for pose in picture.poses):
            found.append("points or boxes outside the picture (they would be moved to its edge)")
            break
    return tuple(found)


def _outside(pose: LabelledPose, size: tuple[int, int]) -> bool:
    box = np.zeros(4) if pose.box is None else pose.box
    corners = np.stack([box[:2], box[:2] + box[2:], *pose.points])
    slack = DIGITS * np.array(size, dtype=np.float64)  # what was read may lie outside by as much as it was rounded
    return bool((corners < -slack).any() or (corners > size + slack).any())


def write(labels: Labels, path: Path, *, lossy: bool = False, overwrite: bool = False) -> Path:
    """Write one folder; see `cape.formats.write`.

    Raises:
        FormatError: Also where K differs, and where two pictures would share a file of labels.
    """
    prepare(labels, path, form="YOLO-pose", losses=losses(labels), lossy=lossy)
    refuse_control_characters(labels, path, "YOLO-pose")
    counts = {name: len(skeleton) for name, skeleton in labels.categories.items()}
    if len(set(counts.values())) != 1:
        said = ", ".join(f"{name} {count}" for name, count in counts.items()) or "no category"
        raise FormatError(
            path.name, expected="one number of keypoints for all categories, for YOLO-pose", got=said[:200],
            fix="Write a folder for each number, or another format.",
        )  # fmt: skip
    classes = {name: place for place, name in enumerate(labels.categories)}
    files: dict[str, str] = {"data.yaml": _head(labels.categories)}
    for picture in labels.pictures:
        name = _labels_of(picture.file)
        if name in files:
            raise FormatError(
                path.name, expected="pictures whose names differ by more than the ending, for YOLO-pose",
                got=picture.file[:200], fix="Rename one of them.",
            )  # fmt: skip
        lines = [_line(pose, classes[pose.category], picture.size) for pose in picture.poses]
        files[name] = "".join(f"{line}\n" for line in lines if line)
    sizes = [{"file": each.file, "width": int(each.size[0]), "height": int(each.size[1])} for each in labels.pictures]
    files["pictures.json"] = json.dumps(sizes, ensure_ascii=False, indent=0)
    return write_folder(path, files, overwrite=overwrite, own=OWN)


def _labels_of(file: str) -> str:
    return f"labels/{PurePosixPath(file).with_suffix('')}.txt"


def _head(categories: dict[str, Skeleton]) -> str:
    skeletons = list(categories.values())
    head: dict[str, Any] = {
        "train": "images",
        "val": "images",
        "names": dict(enumerate(categories)),
        "kpt_shape": [len(skeletons[0]), 3],
        "flip_idx": skeletons[0].mirror().tolist(),
        "kpt_names": {place: list(skeleton.names) for place, skeleton in enumerate(skeletons)},
        "skeleton": {place: [list(edge) for edge in skeleton.edges] for place, skeleton in enumerate(skeletons)},
    }
    parts = {
        place: {part: [int(index) for index in members] for part, members in skeleton.parts.items()}
        for place, skeleton in enumerate(skeletons)
        if skeleton.parts
    }
    return yaml.safe_dump(head | ({"parts": parts} if parts else {}), allow_unicode=True, sort_keys=False)


def _line(pose: LabelledPose, place: int, size: tuple[int, int]) -> str:
    seen = pose.visibility > 0
    limit = np.array(size, dtype=np.float64)
    points = np.clip(pose.points, 0, limit) / limit
    if pose.box is not None:
        first, last = np.clip(pose.box[:2], 0, limit), np.clip(pose.box[:2] + pose.box[2:], 0, limit)
    elif seen.any():
        inside = points[seen] * limit
        first, last = inside.min(axis=0), inside.max(axis=0)
    else:
        return ""
    box = np.concatenate([(first + last) / 2 / limit, (last - first) / limit])
    cells = [str(place), *(f"{value:.9f}" for value in box)]
    for (x, y), visible in zip(points, pose.visibility, strict=True):
        cells += [f"{x:.9f}", f"{y:.9f}", str(int(visible))]
    return " ".join(cells)


def read(path: Path, *, pictures: Path | None = None) -> Labels:
    """Read one folder, or the one around a `data.yaml`; see `cape.formats.read`."""
    folder = path.parent if path.suffix in (".yaml", ".yml") and not path.is_dir() else path
    head = folder / "data.yaml" if folder is path else path
    categories, dimensions = _read_head(head)
    found: list[PictureLabels] = []
    count = 0
    for file, size in _pictures(folder, pictures).items():
        text = folder / _labels_of(file)
        lines = read_text(text, "labels").splitlines() if text.exists() else []
        poses = []
        for place, line in enumerate(lines, start=1):
            if line.strip():
                count += 1
                where = f"{text.relative_to(folder)}: line {place}"
                poses.append(_read_pose(where, line.split(), count, (categories, dimensions, size)))
        found.append(PictureLabels(file, size, tuple(poses)))
    return check_labels(Labels(categories, tuple(found)), where=path.name)


def _pictures(folder: Path, pictures: Path | None) -> dict[str, tuple[int, int]]:
    """The sizes of all pictures of a folder, by file; each file of labels has its picture."""
    sizes = _noted_sizes(folder)
    stems = {
        f"labels/{each.relative_to(folder / 'labels').as_posix()}"
        for each in _below(folder / "labels")
        if each.suffix == ".txt"
    }
    missing = {_labels_of(file) for file in sizes} - stems
    if missing:
        raise bad(str(folder), "labels for each picture of pictures.json", f"no {min(missing)}", "Restore the file.")
    stems -= {_labels_of(file) for file in sizes}
    for each in _below(pictures) if pictures and (stems or not sizes) else ():
        file = each.relative_to(pictures).as_posix()  # type: ignore[arg-type]
        if each.suffix.lower() in PICTURES and file not in sizes:
            sizes[file] = size_of(file, file, pictures)
            stems.discard(_labels_of(file))
    if stems and pictures is None:
        size_of(f"{folder}: {min(stems)}", "", None)
    if stems:
        raise bad(min(stems), f"a picture of this name in {pictures}", "none", "Complete the pictures.")
    return sizes


def _noted_sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """What pictures.json says, where there is one."""
    own = folder / "pictures.json"
    if not own.exists():
        return {}
    sizes: dict[str, tuple[int, int]] = {}
    records = read_json(own, "sizes of pictures")
    for record in records if isinstance(records, list) else [None]:
        if not isinstance(record, dict) or not all(is_id(record.get(side)) for side in ("width", "height")):
            raise bad(str(own), "a list of file, width, height", repr(record), "Delete it and give `pictures=`.")
        file = clean_file(str(own), record.get("file"))
        if file in sizes:
            raise bad(str(own), "each picture once", file)
        sizes[file] = (record["width"], record["height"])
    return sizes


def _below(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.rglob("*") if each.is_file() and not each.name.startswith("._"))
    except OSError as error:
        raise bad(str(folder), "a folder", str(error)) from None


def _read_head(path: Path) -> tuple[dict[str, Skeleton], int]:
    """The categories, and how many numbers a keypoint has."""
    where, head = str(path), read_yaml(path, "a data.yaml of YOLO-pose")
    shape = head.get("kpt_shape") if isinstance(head, dict) else None
    if not isinstance(shape, list) or len(shape) != 2 or not is_index(shape[0], 100_001) or shape[1] not in (2, 3):
        raise bad(where, "kpt_shape: [K, 2] or [K, 3]", repr(shape), "Give a data.yaml of YOLO-pose.")
    count, dimensions = shape[0], int(shape[1])
    names = _by_class(where, "names", head.get("names"), None)
    texts = _by_class(where, "kpt_names", head.get("kpt_names") or {}, len(names))
    edges = _by_class(where, "skeleton", head.get("skeleton") or {}, len(names))
    parts = _by_class(where, "parts", head.get("parts") or {}, len(names))
    swap = _swap(where, head.get("flip_idx"), count)
    categories: dict[str, Skeleton] = {}
    for place, name in names.items():
        if check_text(where, "names", name) in categories:
            raise bad(where, "a unique name for each class", repr(name))
        its = {"kpt_names": texts.get(place, [""] * count), "skeleton": edges.get(place, [])}
        members = parts.get(place, {})
        if not all(isinstance(each, list) for each in its.values()) or not isinstance(members, dict):
            raise bad(where, "lists in kpt_names and skeleton, names and lists in parts", f"class {place}")
        if len(its["kpt_names"]) != count or not all(isinstance(text, str) for text in its["kpt_names"]):
            raise bad(where, f"kpt_names: {count} texts", repr(its["kpt_names"]))
        _check_indices(where, [*its["skeleton"], *members.values()], count)
        categories[name] = make_skeleton(
            where,
            names=its["kpt_names"],
            edges=its["skeleton"],
            swap=swap,
            parts={check_text(where, "parts", part): each for part, each in members.items()},
        )
    return categories, dimensions


def _by_class(where: str, key: str, value: Any, count: int | None) -> dict[int, Any]:
    """A list, or a mapping by class, as a mapping by class."""
    table = dict(enumerate(value)) if isinstance(value, list) else value
    classes = count if count is not None else len(table) if isinstance(table, dict) else 0
    if not isinstance(table, dict) or not all(is_index(place, classes) for place in table):
        raise bad(where, f"{key}: by class, 0, 1, ...", repr(value))
    return dict(sorted(table.items())) if count is None else table


def _check_indices(where: str, groups: list, count: int) -> None:
    for group in groups:
        if not isinstance(group, list) or not all(is_index(index, count) for index in group):
            raise bad(where, f"lists of indices below {count} in skeleton and parts", repr(group))


def _swap(where: str, flip: Any, count: int) -> tuple[tuple[int, int], ...]:
    if flip is None:
        return ()
    legal = isinstance(flip, list) and len(flip) == count and all(is_index(index, count) for index in flip)
    if not legal or any(flip[other] != index for index, other in enumerate(flip)):
        raise bad(where, f"flip_idx: the {count} indices after a mirror", repr(flip))
    return tuple((index, other) for index, other in enumerate(flip) if index < other)


def _read_pose(
    where: str, cells: list[str], number_: int, folder: tuple[dict[str, Skeleton], int, tuple[int, int]]
) -> LabelledPose:
    categories, dimensions, size = folder
    names = list(categories)
    place = integer(where, "class", cells[0])
    if not is_index(place, len(names)):
        raise bad(where, f"a class below {len(names)}", str(place))
    count = len(categories[names[place]])
    if len(cells) != 5 + dimensions * count:
        raise bad(where, f"{5 + dimensions * count} numbers (class, box, {count} keypoints)", str(len(cells)))
    values = np.array([number(where, "a label", cell) for cell in cells[1:]])
    table: Float[np.ndarray, "K _"] = values[4:].reshape(count, dimensions)
    visibility = table[:, 2] if dimensions == 3 else 2 * table[:, :2].any(axis=1)
    if not np.isin(visibility, (0, 1, 2)).all():
        raise bad(where, "visibility 0, 1 or 2", str(visibility))
    limit = np.array(size, dtype=np.float64)
    if not (np.abs(values) <= 10).all():
        raise bad(where, "parts of the picture, 0 to 1", str(values[~(np.abs(values) <= 10)][0]))
    box = np.concatenate([(values[:2] - values[2:4] / 2) * limit, values[2:4] * limit])
    return make_pose(where, LabelledPose(number_, names[place], table[:, :2] * limit, visibility.astype(np.int8), box))
